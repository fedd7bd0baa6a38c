"""One round of canaries: the first verdict of each partition, and whether none is missing."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from streamer.canary.probes import Outcome
from streamer.canary.watch import Verdict


@dataclass(slots=True)
class Round:
    """How one canary of each partition ended.

    Attributes:
        watched: the partitions that must be heard; it grows while the topics are looked at.
        verdicts: how the first canary of a partition ended.
    """

    watched: Collection[int]
    verdicts: dict[int, Verdict] = field(default_factory=dict)

    def take(self, verdict: Verdict) -> bool:
        """Notes a verdict; returns whether it is the first of its partition."""
        return self.verdicts.setdefault(verdict.partition, verdict) is verdict

    @property
    def missing(self) -> list[int]:
        """The partitions without a verdict."""
        return sorted(set(self.watched) - self.verdicts.keys())

    @property
    def is_complete(self) -> bool:
        """Whether each partition has a verdict, and there is one."""
        return bool(self.verdicts) and not self.missing

    @property
    def is_ok(self) -> bool:
        """Whether each partition was heard as it should be."""
        outcomes = {verdict.outcome for verdict in self.verdicts.values()}
        return self.is_complete and outcomes == {Outcome.OK}
