"""The stays that this process holds: a table, and a scorer on it, for each model in use."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from streamer.core.model import Model
from streamer.core.scoring import Scorer
from streamer.core.stays import StayTable


class HeldStays:
    """Stays of the owned partitions, by the model that steps them.

    Attributes:
        scorers: by model id; two while a new model takes over.

    Args:
        interval_ms: evaluation interval of every scorer.
    """

    def __init__(self, interval_ms: int) -> None:
        self._interval_ms = interval_ms
        self.scorers: dict[str, Scorer] = {}

    def scorer(self, model: Model) -> Scorer:
        """Returns the scorer of a model; the first call makes it."""
        if model.model_id not in self.scorers:
            table = StayTable(model.architecture)
            self.scorers[model.model_id] = Scorer(model, table, self._interval_ms)
        return self.scorers[model.model_id]

    def partition_of(self, patients: Iterable[str]) -> Mapping[str, int]:
        """Returns which partition each of ``patients`` has a stay on, of those that have one."""
        return {
            patient: int(scorer.table.partitions[scorer.table.slot_of[patient]])
            for scorer in self.scorers.values()
            for patient in patients
            if patient in scorer.table.slot_of
        }

    def __len__(self) -> int:
        return sum(len(scorer.table) for scorer in self.scorers.values())

    def clear(self, partition: int) -> None:
        """Forgets the stays of a partition."""
        for scorer in self.scorers.values():
            for patient in scorer.table.names(scorer.table.slots_in(partition)):
                scorer.table.remove(patient)
            scorer.table.gone.pop(partition, None)

    def keep(self, model_ids: set[str]) -> None:
        """Lets go of the tables of all other models."""
        self.scorers = {m: scorer for m, scorer in self.scorers.items() if m in model_ids}
