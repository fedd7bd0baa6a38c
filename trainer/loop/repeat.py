"""A run repeated: the same versions, seed and threads must give the same candidates."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime
from pathlib import Path

from streamer.bundles import bundle as bundles
from trainer.errors import InputError
from trainer.loop.child import Report
from trainer.loop.child_process import Limits, run_child
from trainer.loop.plan import Plan, order_of
from trainer.loop.record import CandidateResult, Records, RunRecord
from trainer.registry.policy import in_force
from trainer.registry.registry import Registry


def repeat(
    earlier: RunRecord, registry: Registry, limits: Limits, stop: threading.Event
) -> RunRecord:
    """Makes the candidates of an earlier run again and says whether they are the same.

    Nothing is kept in the registry, and nothing promoted. The record ends `kept`, and its `why`
    names what differs.

    Raises:
        InputError: the earlier run made no candidate, or its champion is gone.
    """
    if earlier.data is None or not any(c.model for c in earlier.candidates):
        raise InputError(f"the run {earlier.id} made no candidate: it ended {earlier.ended}")
    records, started = Records(registry.folder), time.monotonic()
    champion = registry.find(earlier.champion or "champion")
    record = records.new_repeat(earlier)
    record.champion, record.options, record.threads = champion, earlier.options, earlier.threads
    plan = Plan([s.name for s in earlier.data.sources], earlier.options, earlier.threads, limits)
    order = order_of(plan, in_force(registry.folder), registry.folder, champion).model_copy(
        update={"sources": earlier.data.sources, "frozen_until_ms": earlier.data.frozen_until_ms}
    )
    end = run_child(order, records.path(record.id), None, stop, limits)
    if isinstance(end, Report):
        record.data, record.code = end.facts, end.code
        record.candidates = [
            CandidateResult(
                kind=made.kind,
                why=made.why,
                seconds=made.seconds,
                model=bundles.load(Path(made.folder)).model_id if made.folder else "",
            )
            for made in end.made
        ]
        differs = differences(earlier, record)
        record.ended, record.why = "kept", "; ".join(differs) or "the same candidates"
        record.reproducible = not differs
    else:
        record.ended, record.why = end.run_end, end.why
    record.seconds = round(time.monotonic() - started, 1)
    record.finished = datetime.now(UTC).isoformat(timespec="seconds")
    record.state = "ended"
    records.write(record)
    return record


def differences(earlier: RunRecord, again: RunRecord) -> list[str]:
    """What of a repeated run is not as it was."""
    before = {c.kind: c.model for c in earlier.candidates}
    now = {c.kind: c.model for c in again.candidates}
    differs = [
        f"{kind} is {now.get(kind, '')[:12] or 'not made'}, was {model[:12]}"
        for kind, model in before.items()
        if now.get(kind) != model
    ]
    if not differs:
        return []
    if earlier.data and again.data and earlier.data.fingerprint != again.data.fingerprint:
        differs.append("the stays are others")
    differs += [
        f"{what} is {again.code.get(what)}, was {was}"
        for what, was in earlier.code.items()
        if again.code.get(what) != was
    ]
    return differs
