"""Model swap: a new model takes over the measurements of stays, not what the old weights made."""

from __future__ import annotations

import time
from typing import Final

import structlog

from streamer.core.model import Model
from streamer.core.moved_stays import copy_stays
from streamer.core.state_stepping import rewarm
from streamer.core.stays import RING_FIELDS, WEIGHT_FIELDS, StayTable
from streamer.ports.states import StoreSilent, StoreUnavailable
from streamer.service import metrics
from streamer.service.models import ModelLibrary

_log = structlog.get_logger()

_AT_ONCE: Final = 1_000  # stays: the values of more at once would need as much memory again
REFRESH_S: Final = 1.0  # between two reads of the alias: a tenth of the promised ten seconds


class ActiveModel:
    """The model in force, as the published alias names it.

    Attributes:
        model: in force when the alias was last read.

    Raises:
        StoreUnavailable: Redis does not answer.
    """

    def __init__(self, library: ModelLibrary) -> None:
        self._library = library
        self._refreshed = time.monotonic()
        self.model: Model = library.in_force()
        metrics.MODEL.set({self.model.shown_id: 1})

    def refresh(self) -> None:
        """Reads the alias again if ``REFRESH_S`` have passed; keeps the model in an outage.

        Raises:
            StoreSilent: look after look would hold the loop up, and nobody would learn why.
        """
        if time.monotonic() - self._refreshed <= REFRESH_S:
            return
        self._refreshed = time.monotonic()
        try:
            model = self._library.in_force(fallback=self.model)
        except StoreSilent:
            raise
        except StoreUnavailable as error:
            _log.warning("cannot look for a new model", error=str(error))
            return
        if model.model_id != self.model.model_id:
            _log.info("model in force", model=model.model_id, before=self.model.model_id)
            metrics.MODEL.set({model.shown_id: 1})
            self.model = model


def move(source: StayTable, target: StayTable, partition: int) -> int:
    """Moves the stays of a partition to the table of another model and re-warms them there.

    Of a variable that the old model did not know, the new one knows what comes from now on. The new
    model steps each stay again from its hour ring. What is stored of it stays as it is:
    loading it does the same (`codec.decode`).

    Returns:
        The number of stays that were moved.
    """
    every = source.slots_in(partition)
    moved = source.fields.keys() - {*WEIGHT_FIELDS, *RING_FIELDS}
    for first in range(0, len(every), _AT_ONCE):
        old = every[first : first + _AT_ONCE]
        patients = source.names(old)
        new = target.add_many(patients, partition, moved)
        copy_stays(source, old, target, new, moved)
        target.touched[new] = source.touched[old]
        for layer in source.layers.values():
            layer.clear(old)
        for patient in patients:
            source.remove(patient)
        rewarm(target, new)
    return len(every)
