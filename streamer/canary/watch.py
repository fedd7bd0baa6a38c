"""The canaries of all partitions: which are due, which are on their way, how each ended. Pure.

Times are seconds of a clock that only rises. Probes of a partition follow each other, so that one
that is lost is known when the next is due; partitions take turns within that time.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from streamer.canary.golden import GoldenStay
from streamer.canary.probes import ExpectedOf, Outcome, Probe, Step, hear
from streamer.core.canary import PREFIX, canary_id
from streamer.ports.canary import Heard, Widths

_MOST_TRIES: Final = 100  # for each partition there is; one in n ids lands on a partition of n


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a probe ended, and why; ``seconds`` are those of the steps that were heard."""

    partition: int
    outcome: Outcome
    why: str = ""
    seconds: dict[Step, float] = field(default_factory=dict)


class Watch:
    """Follows one canary a partition.

    Args:
        instance: name of this process in the ids.
        period_s: between two probes of a partition.
        late_s: after which a probe is late.
        at_once: whether partitions do not wait for their turns.

    Attributes:
        strangers: messages for ids of ours that this process has never sent.
    """

    def __init__(
        self, instance: str, period_s: float, late_s: float, *, at_once: bool = False
    ) -> None:
        self._instance = instance
        self._at_once = at_once
        self._period_s = period_s
        self._late_s = late_s
        self._widths = Widths(0, 0)
        self._patients: list[str] = []
        self._due_s: list[float] = []
        self._probes: dict[bytes, Probe] = {}  # by their trace
        self._ended: dict[bytes, None] = {}  # traces whose outcome is known
        self._silent: dict[int, float] = {}  # partitions nobody can be heard on, and since when
        self.strangers = 0

    @property
    def partitions(self) -> range:
        """The partitions that must be watched."""
        return range(self._widths.vitals)

    def widen(self, widths: Widths, now_s: float, partition_of: Callable[[bytes], int]) -> None:
        """Takes note of how wide the topics are; new partitions are due at once.

        Args:
            widths: of the topics.
            now_s: the time.
            partition_of: where the sender's partitioner puts a key.
        """
        if widths == self._widths:
            return
        before, self._widths = self._widths.vitals, widths
        n = widths.vitals
        self._patients = [self._landing(partition, n, partition_of) for partition in range(n)]
        del self._due_s[n:]
        turn_s = 0 if self._at_once else self._period_s / max(1, n)
        self._due_s += [now_s + (i - before) * turn_s for i in range(before, n)]

    def due(self, now_s: float) -> list[int]:
        """Returns the partitions whose next probe is due."""
        return [p for p in self.partitions if self._due_s[p] <= now_s]

    def begin(self, partition: int, stay: GoldenStay, trace: bytes, now_s: float) -> Probe | None:
        """Begins the probe of a partition; ``None`` where it could not be heard.

        Who answers on a topic without this partition would fail, and with it the patients'
        transaction: nothing is sent then, and the probe is lost.
        """
        late_s = now_s - self._due_s[partition]
        # Turns keep their distance, but what was missed is not made up for.
        turn_s = now_s if late_s > self._period_s else self._due_s[partition]
        self._due_s[partition] = turn_s + self._period_s
        if partition >= self._widths.canary:
            self._silent[partition] = now_s
            return None
        probe = Probe(partition, self._patients[partition], stay, now_s)
        self._probes[trace] = probe
        return probe

    def hear(
        self, heard: Sequence[Heard], now_s: float, expected_of: ExpectedOf
    ) -> Iterator[Verdict]:
        """Yields the probes that end with what was heard.

        Args:
            heard: records of the canary's topics, of other instances too.
            now_s: the time.
            expected_of: what models in force say of a stay.
        """
        mine = f"{PREFIX}{self._instance}/".encode()
        for record in heard:
            if not (record.key or b"").startswith(mine):
                continue
            trace = record.traceparent or b""
            probe = self._probes.get(trace)
            if probe is None:
                self.strangers += trace not in self._ended
                continue
            try:
                message = json.loads(record.value or b"")
            except (ValueError, RecursionError):
                message = None
            fault = hear(probe, message, record.partition, now_s, expected_of)
            if fault:
                yield self._end(trace, Outcome.WRONG, fault)
            elif probe.is_heard:
                is_late = max(probe.seconds.values()) > self._late_s
                yield self._end(trace, Outcome.LATE if is_late else Outcome.OK, "")

    def lose(self, now_s: float) -> Iterator[Verdict]:
        """Yields the probes that are lost by now; call it before ``begin``."""
        for trace, probe in list(self._probes.items()):
            if now_s - probe.sent_s >= self._period_s:
                yield self._end(trace, Outcome.LOST, f"not heard: {probe.silent}")
        for partition in list(self._silent):
            del self._silent[partition]
            why = (
                f"not sent: the canary's topics have {self._widths.canary} partitions, the input "
                f"{self._widths.vitals}. Add partitions to them"
            )
            yield Verdict(partition, Outcome.LOST, why)

    def _end(self, trace: bytes, outcome: Outcome, why: str) -> Verdict:
        probe = self._probes.pop(trace)
        self._ended[trace] = None
        for old in list(self._ended)[: -_KEPT_TRACES * max(1, self._widths.vitals)]:
            del self._ended[old]
        return Verdict(probe.partition, outcome, why, dict(probe.seconds))

    def _landing(self, partition: int, n: int, partition_of: Callable[[bytes], int]) -> str:
        for k in range(_MOST_TRIES * n):
            patient = canary_id(self._instance, partition, k)
            if partition_of(patient.encode()) == partition:
                return patient
        raise RuntimeError(f"no id lands on partition {partition} of {n}")


_KEPT_TRACES: Final = 16  # a partition: answers to probes that were lost come after an outage
