"""Restore: lost states are copied from the topic of states to the store, to be replayed from there.

Each stay comes with the first offset that it does not include, and the last mark says from which
offset on some stay may lack an event. Reading begins there; an event that its patient's stay
includes already is skipped. Until the last stay is passed, the store has no watermark: whoever
finds it so begins again.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import structlog

from streamer.adapters.chunks import chunks
from streamer.ports.state_topic import StateTopic
from streamer.ports.states import Lease, StateStore, StateWrite
from streamer.service import metrics
from streamer.service.state_records import Snapshot

_log = structlog.get_logger()

_PAGE_BYTES: Final = 4 * 1024 * 1024  # a write of this size holds Redis up for some 10 ms


class Restore:
    """Reads what the topic of states has of a partition, and gives it to the store.

    Args:
        topic: the topic of states; ``None`` where there is none.
        states: the store.
    """

    def __init__(self, topic: StateTopic | None, states: StateStore) -> None:
        self._topic = topic
        self._states = states

    def snapshot(self, number: int, log_id: str, committed: int | None) -> Snapshot | None:
        """Returns what the topic has of a partition.

        Its mark is ``None`` where it cannot be used: the states must be rebuilt from the log then,
        and what the topic has of these patients is old.

        Args:
            number: the partition.
            log_id: id of the input topic.
            committed: the group's offset; without one nothing was ever said, so nothing is lost.

        Raises:
            LogUnavailable: the log does not answer.
        """
        if self._topic is None or committed is None:
            return None
        snapshot = Snapshot(None, {})
        for page in self._topic.read(number):
            for record in page:
                snapshot.add(record, log_id)
        why = ""
        if snapshot.mark is None:
            why = "no mark yet: services of this version have not run for long enough"
            if snapshot.n_foreign and not snapshot.stays:
                why = "its records are of another input topic, or of another program"
        elif max(snapshot.mark.since, snapshot.last) > committed:
            why = f"it is ahead of the committed offset {committed}, which was set back"
        if why:
            snapshot.mark = None
            _log.warning("states cannot be restored from their topic", partition=number, reason=why)
        return snapshot

    def copy(self, number: int, taken: Lease, log_id: str, snapshot: Snapshot) -> Lease:
        """Replaces what the store has of a partition by a snapshot with a mark.

        Returns:
            The lease as it is now, without a watermark.

        Raises:
            Fenced: another process has taken the partition.
            StoreUnavailable: the store does not answer.
        """
        assert snapshot.mark is not None
        era = snapshot.mark.era
        write = StateWrite(
            number, taken.epoch, taken.watermark, None, era.model_id, era.swaps, log_id, {}
        )
        stays = {patient: stay for patient, (_, stay) in snapshot.stays.items() if stay is not None}
        left = [p for page in self._states.pages(number) for p in page if p not in stays]
        self._states.save([replace(write, removed=left)])
        write = replace(write, expected=None)
        for page in chunks(list(stays.items()), lambda item: len(item[1]), _PAGE_BYTES):
            self._states.save([replace(write, changed=dict(page))])
        metrics.STAYS_RESTORED.inc(len(stays))
        return replace(taken, watermark=None, model_id=era.model_id, swaps=era.swaps)
