"""A new model takes over stays: what was measured moves along, what old weights made does not."""

from __future__ import annotations

import time
from typing import Final

import numpy as np
import structlog

from streamer.core.model import Model
from streamer.core.recurrence import rewarm
from streamer.core.stays import WEIGHT_FIELDS, StayTable
from streamer.ports.states import StoreUnavailable
from streamer.service import metrics
from streamer.service.models import ModelLibrary

_log = structlog.get_logger()

REFRESH_S: Final = 1.0  # between looks for a new model: a tenth of the promised ten seconds


class ActiveModel:
    """Follows the alias of the model in force.

    Attributes:
        model: in force when last looked.

    Raises:
        StoreUnavailable: Redis does not answer.
    """

    def __init__(self, library: ModelLibrary) -> None:
        self._library = library
        self._refreshed = time.monotonic()
        self.model: Model = library.in_force()
        metrics.MODEL.set({self.model.model_id: 1})

    def refresh(self) -> None:
        """Looks for another model, if it is time to."""
        if time.monotonic() - self._refreshed <= REFRESH_S:
            return
        self._refreshed = time.monotonic()
        try:
            model = self._library.in_force(fallback=self.model)
        except StoreUnavailable as error:
            _log.warning("cannot look for a new model", error=str(error))
            return
        if model.model_id != self.model.model_id:
            _log.info("model in force", model=model.model_id, before=self.model.model_id)
            metrics.MODEL.set({model.model_id: 1})
            self.model = model


def move(source: StayTable, target: StayTable, partition: int) -> int:
    """Moves the stays of a partition to the table of another model and re-warms them there.

    Each stay is stepped from its hour ring by the new model when it is next looked at; until then
    what is stored of it stands, for whoever loads it does the same (`codec.decode`). Returns the
    number of stays moved.
    """
    patients = source.names(source.slots_in(partition))
    for patient in patients:
        old = source.slot_of[patient]
        new = target.add(patient, partition)
        for name in source.fields:
            if name not in WEIGHT_FIELDS:
                target[name][new] = source[name][old]
        target.places[new] = source.places[old]
        target.touched[new] = source.touched[old]
        source.remove(patient)
    rewarm(target, np.array([target.slot_of[patient] for patient in patients], np.intp))
    return len(patients)
