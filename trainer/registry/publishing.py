"""Publishing: the registry and the model channel agree on the champion.

The registry says which bundle should be in force, the channel which one is. After a crash, or a
time without Redis, three rules bring the two together; the channel's version decides which applies:

1. Nothing is published: the registry's champion is published.
2. The version is the one that this registry saw last: the registry has decided since, and its
   champion is published.
3. The version is another: another trainer has published since. Its model stays in force and becomes
   this registry's champion, since whatever this registry decided was decided against an older
   model. Only if that bundle is gone or broken, the registry's champion is published instead.
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
    """Brings registry and channel together and returns the champion in force.

    Raises:
        Superseded: another trainer published at the same moment; call again.
        StoreUnavailable: the channel does not answer.
    """
    seed(registry)
    in_force = channel.champion()
    aliases = registry.aliases()
    if in_force is not None and in_force.model_id != aliases.champion:
        by_another = in_force.version != aliases.published
        bundle = _fetch(channel, in_force.model_id) if by_another else None
        if bundle is not None:
            why = f"published by another trainer, version {in_force.version}"
            registry.promote(registry.add(bundle, why), why)
    elif in_force is not None:
        registry.note_published(in_force.version)
        return in_force
    champion = registry.load("champion")
    if in_force is None or in_force.model_id != champion.model_id:
        version = in_force.version if in_force is not None else 0
        in_force = channel.publish(champion.model_id, champion.to_bytes(), version)
    registry.note_published(in_force.version)
    return in_force


def promote(registry: Registry, channel: ModelChannel, name: str, why: str) -> Champion:
    """Makes a bundle champion, publishes it and returns the champion in force.

    Raises:
        UnknownModel: no such bundle.
        Superseded: another trainer published at the same moment.
        StoreUnavailable: the channel does not answer.
    """
    reconcile(registry, channel)
    registry.promote(name, why)
    return reconcile(registry, channel)


def rollback(registry: Registry, channel: ModelChannel, why: str) -> Champion:
    """Publishes the champion before this one again and returns the champion in force.

    Raises:
        UnknownModel: there was none before.
        Superseded: another trainer published at the same moment.
        StoreUnavailable: the channel does not answer.
    """
    reconcile(registry, channel)
    registry.rollback(why)
    return reconcile(registry, channel)


def _fetch(channel: ModelChannel, model: str) -> Bundle | None:
    """The published bundle; ``None`` if it is gone, broken, or not the one of this id."""
    packed = channel.fetch(model)
    try:
        bundle = None if packed is None else bundles.from_bytes(packed)
    except BundleError:
        return None
    return bundle if bundle is not None and bundle.model_id == model else None
