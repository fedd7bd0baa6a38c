"""A person's promotion of what a run made: refused where a gate is closed, and on record."""

from __future__ import annotations

from streamer.bundles.bundle import short
from trainer.errors import InputError
from trainer.loop.record import Records
from trainer.registry.registry import Registry


class GateClosed(InputError):
    """A candidate of a run that did not pass every gate."""


def refuse_closed(registry: Registry, model: str) -> None:
    """Raises ``GateClosed`` for a candidate of a run unless every gate was open.

    Who brings a bundle that no run has made vouches for it alone.
    """
    record = Records(registry.folder).of_model(model)
    if record is None:
        return
    made = next(c for c in record.candidates if c.model == model)
    if made.passes:
        return
    closed = [f"{g.name} ({g.verdict}): {g.text}" for g in made.gates if g.verdict != "pass"]
    raise GateClosed(
        f"{short(model)} did not pass in the run {record.id}: "
        f"{'; '.join(closed) or made.why or 'it was not judged'}. --force, with a reason, promotes "
        "it all the same"
    )


def note_promoted(registry: Registry, model: str, person: str, why: str) -> None:
    """Notes in the record of the run that made a bundle who promoted it."""
    records = Records(registry.folder)
    record = records.of_model(model)
    if record is not None:
        record.by, record.why = person, why
        record.ended = "promoted"
        record.version = registry.aliases().published or None
        records.write(record)
