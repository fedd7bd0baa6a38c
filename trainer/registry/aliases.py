"""Bundles that have a role in a registry, and what a promotion and a rollback make of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from streamer.bundles.bundle import short
from trainer.registry.history import HistoryEntry

MOST_BEFORE: Final = 20  # earlier champions kept for rollback; over a year of monthly changes


@dataclass(frozen=True, slots=True)
class Aliases:
    """The bundles that have a role.

    Attributes:
        champion: the bundle that is, or should be, in force.
        challenger: the newest candidate that lost.
        before: ids of earlier champions, the newest last.
        published: the version that the model channel had when this registry last agreed with it;
            0 before the first time.
        quarantined: ids of bundles that were rolled back: none becomes champion again by itself.
    """

    champion: str | None = None
    challenger: str | None = None
    before: tuple[str, ...] = field(default_factory=tuple)
    published: int = 0
    quarantined: tuple[str, ...] = field(default_factory=tuple)


def promoted(aliases: Aliases, model: str) -> Aliases:
    """``model`` is champion; the one that was can be rolled back to."""
    before = aliases.before + ((aliases.champion,) if aliases.champion else ())
    return replace(
        aliases,
        champion=model,
        challenger=None if aliases.challenger == model else aliases.challenger,
        before=before[-MOST_BEFORE:],
        quarantined=tuple(other for other in aliases.quarantined if other != model),
    )


def rolled_back(aliases: Aliases, model: str, before: tuple[str, ...]) -> Aliases:
    """``model`` is champion again, and the one that was is in quarantine."""
    bad = (aliases.champion,) if aliases.champion not in (None, model) else ()
    others = tuple(other for other in aliases.quarantined if other not in (model, *bad))
    return replace(
        aliases, champion=model, before=before, quarantined=(*others, *filter(None, bad))
    )


def withdrawn(aliases: Aliases) -> Aliases:
    """The champion, which was never in force, is the challenger of the one before it."""
    before = aliases.before
    return replace(aliases, champion=before[-1], before=before[:-1], challenger=aliases.champion)


def unwritten(aliases: Aliases, history: Sequence[HistoryEntry]) -> tuple[str, str] | None:
    """What the history lacks of the champion: what was done, and to which model.

    ``None`` where it has the champion. A process that ends between the two writes of a change, or
    whose line was cut, leaves a champion that the history does not know.
    """
    champion, known = aliases.champion, replayed(history)
    was = known.champion
    if champion is None or was in (champion, short(champion)):
        return None
    if was in aliases.quarantined:
        return "rolled back", champion
    if was and was == aliases.challenger and known.before[-1:] == (champion,):
        return "withdrawn", was
    return "promoted", champion


def replayed(history: Sequence[HistoryEntry]) -> Aliases:
    """The aliases that follow from the history, where their own file cannot be read."""
    aliases = Aliases()
    for entry in history:
        model = entry["model"]
        match entry["what"]:
            case "promoted":
                aliases = promoted(aliases, model)
            case "rolled back" if model != aliases.champion:  # else another's was, and none of ours
                # Champions after the one that was returned to are not before it any more.
                before = aliases.before
                while before and before[-1] != model:
                    before = before[:-1]
                aliases = rolled_back(aliases, model, before[:-1])
            case "withdrawn" if aliases.before:
                aliases = withdrawn(aliases)
            case "challenger":
                aliases = replace(aliases, challenger=model)
            case "published":
                version = entry["why"].removeprefix("version ")
                if version.isdecimal():
                    aliases = replace(aliases, published=int(version))
    return aliases
