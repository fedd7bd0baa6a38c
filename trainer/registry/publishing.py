"""Publishing: the registry and the model channel agree on the champion.

The registry says which bundle should be in force, the channel which one is. After a crash, or a
time without Redis, three rules bring the two together; the channel's version decides which applies:

1. Nothing is published: the registry's champion is published.
2. The version is the one that this registry saw last: the registry has decided since, and its
   champion is published. So it is where its own bundle is gone or refused there, or lacks a
   signature that the registry has: services may soon trust nobody but the key that has made it.
3. The version is another: another trainer has published since. Its model stays in force and becomes
   this registry's champion, since whatever this registry decided was decided against an older
   model. Only if that bundle is gone or refused (``bundles.acceptance``: services refuse it as
   well), the registry's champion is published instead.
"""

from __future__ import annotations

from pathlib import Path

import structlog

from streamer.bundles import bundle as bundles
from streamer.bundles.acceptance import BundleRefused, accept, accept_bytes
from streamer.bundles.bundle import SHIPPED, Bundle, short
from streamer.core.reasons import Refusal
from streamer.ports.models import Champion, ModelChannel, Unfetchable
from trainer.registry.registry import Registry

_log = structlog.get_logger()


def seed(registry: Registry) -> str:
    """Makes the shipped bundle champion of an empty registry; returns the champion's id."""
    champion = registry.aliases().champion
    if champion is None:
        model = registry.add(bundles.load(SHIPPED), "shipped with the package")
        champion = registry.promote(model, "first champion: the shipped bundle")
    return champion


def reconcile(registry: Registry, channel: ModelChannel, fence: int = 0) -> Champion:
    """Brings registry and channel together and returns the champion in force.

    Args:
        registry: says which bundle should be in force.
        channel: says which one is.
        fence: number of the lease under which the registry's champion was chosen, if any.

    Raises:
        BundleRefused: the registry's champion would be published, and every service refuse it.
        Superseded: another trainer published at the same moment; call again.
        StoreUnavailable: the channel does not answer.
    """
    seed(registry)
    in_force = _adopt(registry, channel)
    if in_force is None or not _agree(registry, channel, in_force):
        return _publish(registry, channel, in_force, fence)
    registry.note_published(in_force.version)
    return in_force


def promote(
    registry: Registry, channel: ModelChannel, name: str, why: str, *, force: bool = False
) -> Champion:
    """Makes a bundle champion, publishes it and returns the champion in force.

    Raises:
        BundleRefused: it may not be champion.
        Quarantined: it was rolled back, and ``force`` was not given.
        UnknownModel: no such bundle.
        Superseded: another trainer published at the same moment.
        StoreUnavailable: the channel does not answer.
    """
    registry.accept(name)
    seed(registry)
    try:
        reconcile(registry, channel)  # so that what is in force now can be rolled back to
    except BundleRefused as error:
        _log.error("the champion is refused", reason=error.reason, error=str(error))
    registry.promote(name, why, force=force)
    return reconcile(registry, channel)


def rollback(registry: Registry, channel: ModelChannel, why: str) -> Champion:
    """Publishes the champion before this one again and returns the champion in force.

    Where the channel names a model that is refused or gone, the one before it is the registry's
    champion: also where it is that of the same id, whose published bytes are other ones.

    Raises:
        BundleRefused: the model that would be published is refused.
        UnknownModel: there was none before.
        Superseded: another trainer published at the same moment.
        StoreUnavailable: the channel does not answer.
    """
    seed(registry)
    in_force, champion = _adopt(registry, channel), registry.aliases().champion or ""
    model = champion if in_force is None else in_force.model_id
    is_refused = in_force is not None and _fetch(registry, channel, model) is None
    is_ours = model in (champion, short(champion))
    if is_refused and (not is_ours or registry.may_be_champion(champion)):
        registry.note_rollback(model, why)
    else:
        registry.rollback(why)
    return _publish(registry, channel, in_force)


def accept_folder(registry: Registry, folder: Path) -> str:
    """Adds the bundle in a folder that may become champion, and returns its id.

    Raises:
        BundleRefused: it may not.
    """
    try:
        bundle = bundles.load(folder)
    except BundleRefused:
        raise
    except bundles.BundleError as error:
        raise BundleRefused(Refusal.UNREADABLE, str(error)) from error
    accept(bundle, registry.trust)
    return registry.add(bundle, f"added from {folder}")


def _adopt(registry: Registry, channel: ModelChannel) -> Champion | None:
    """Makes what another trainer published champion, if it may be; returns what is published."""
    in_force = channel.champion()
    aliases = registry.aliases()
    if in_force is None or in_force.model_id == aliases.champion:
        return in_force
    if in_force.version != aliases.published:
        bundle = _fetch(registry, channel, in_force.model_id)
        if bundle is not None:
            why = f"published by another trainer, version {in_force.version}"
            registry.promote(registry.add(bundle, why), why, force=True)  # it is in force already
            return Champion(bundle.model_id, in_force.version)
    return in_force


def _agree(registry: Registry, channel: ModelChannel, in_force: Champion) -> bool:
    """Takes the signatures of the published champion over, if it is the registry's.

    Returns:
        Whether services find the registry's champion there, and the channel lacks no signature.
    """
    if in_force.model_id != registry.aliases().champion:
        return False
    published = _fetch(registry, channel, in_force.model_id)
    if published is None:
        return False
    registry.add(published, "published")  # with what another trainer's key has signed
    return set(registry.load("champion").signatures) <= set(published.signatures)


def _publish(
    registry: Registry, channel: ModelChannel, before: Champion | None, fence: int = 0
) -> Champion:
    """Publishes the champion over ``before``, which was published when this was decided."""
    champion = registry.accept("champion")  # takes seconds, in which another trainer may publish
    version = before.version if before is not None else 0
    in_force = channel.publish(champion.model_id, champion.to_bytes(), version, fence)
    registry.note_published(in_force.version)
    return in_force


def _fetch(registry: Registry, channel: ModelChannel, model: str) -> Bundle | None:
    """The published bundle; ``None`` if it is gone or refused."""
    try:
        packed = channel.fetch(model)
        if packed is None:
            _log.error("published model is gone", model=ascii(model)[1:65])
            return None
        return accept_bytes(packed, model, registry.trust)[0]
    except (BundleRefused, Unfetchable) as error:
        reason = error.reason if isinstance(error, BundleRefused) else Refusal.UNREADABLE
        _log.error(
            "published model refused", model=ascii(model)[1:65], reason=reason, error=str(error)
        )
        return None
