"""Keeps the registry and the model channel of one mind about the champion.

The registry says who should be in force, the channel who is. After any crash or time without Redis
they are brought together by three rules, told apart by the channel's version:

1. Nothing is published: the registry's champion is.
2. The version is the one that this registry saw last: the registry has decided since, and its
   champion is published.
3. The version is another: somebody else has published since. Theirs stands, and the registry takes
   it over as its champion; what this registry had decided was decided against an older model.
   Only where their bundle is gone, or broken, the registry's champion is published instead.
"""

from __future__ import annotations

from streamer.bundles import bundle as bundles
from streamer.bundles.bundle import SHIPPED, Bundle, BundleError
from streamer.ports.models import Champion, ModelChannel
from trainer.registry.registry import Registry


def seed(registry: Registry) -> str:
    """Makes the shipped bundle champion of an empty registry; returns the champion's id."""
    champion = registry.aliases().champion
    if champion is None:
        model = registry.add(bundles.load(SHIPPED), "shipped with the package")
        champion = registry.promote(model, "first champion: the shipped bundle")
    return champion


def reconcile(registry: Registry, channel: ModelChannel) -> Champion:
    """Brings registry and channel together and returns what is in force.

    Raises:
        Superseded: somebody else published in this moment; call again.
        StoreUnavailable: the channel does not answer.
    """
    seed(registry)
    there = channel.champion()
    aliases = registry.aliases()
    if there is not None and there.model_id != aliases.champion:
        theirs = _fetch(channel, there.model_id) if there.version != aliases.published else None
        if theirs is not None:
            why = f"published by another, version {there.version}"
            registry.promote(registry.add(theirs, why), why)
    elif there is not None:
        registry.note_published(there.version)
        return there
    champion = registry.load("champion")
    if there is None or there.model_id != champion.model_id:
        version = there.version if there is not None else 0
        there = channel.publish(champion.model_id, champion.to_bytes(), version)
    registry.note_published(there.version)
    return there


def promote(registry: Registry, channel: ModelChannel, name: str, why: str) -> Champion:
    """Makes a bundle champion and puts it in force; as ``reconcile``.

    Raises:
        UnknownModel: no such bundle.
    """
    reconcile(registry, channel)
    registry.promote(name, why)
    return reconcile(registry, channel)


def rollback(registry: Registry, channel: ModelChannel, why: str) -> Champion:
    """Puts the champion before this one in force again; as ``reconcile``.

    Raises:
        UnknownModel: there was none before.
    """
    reconcile(registry, channel)
    registry.rollback(why)
    return reconcile(registry, channel)


def _fetch(channel: ModelChannel, model: str) -> Bundle | None:
    packed = channel.fetch(model)
    try:
        bundle = None if packed is None else bundles.from_bytes(packed)
    except BundleError:
        return None
    return bundle if bundle is not None and bundle.model_id == model else None
