"""The state of all stays as a struct of arrays: a stay is a slot, a field is an array over slots.

A stay carries the following; each part is changed by one module:

* the hour ring: values, their times in the hour and their ranks for the open bin and the 48 closed
  bins before it; ``under_*`` is the value below each, for when that is withdrawn (`timeline` folds
  events into it);
* the committed recurrent state, after the last closed bin, and the anchor state, after the last
  bin that has left the ring (`state_stepping` steps both);
* the newest value of every variable, for people and bedside scores (`timeline`);
* the alert state (`alerts`) and the response of people to it (`responses`);
* admission, discharge and medication (`stay_lifecycle`);
* the day of the log on which its last event came (`expiry`).

The provisional state is not stored: it is the state after the last evaluation, and becomes the
committed one if the open bin closes unchanged (`state_stepping`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streamer.core.events import MEDICATION_CLASSES
from streamer.core.evicted import EvictedStays
from streamer.core.features import STATIC, Features, features_of
from streamer.core.hour_ring import ELEMENTS, RING, HourLayer
from streamer.core.lstm_network import HORIZONS, Architecture
from streamer.core.variables import BUILT_IN, VariableTable

NEVER: Final = np.iinfo(np.int64).min
LATER: Final = np.iinfo(np.int64).max
"""A deadline that does not come."""
ACTIONS_KEPT: Final = 8
"""Hashes of the last actions: one that comes again changes nothing."""
ADMISSIONS_KEPT: Final = 16
"""Checksums of the last admissions: one that is sent again must not undo a later correction."""
LAYERS: Final = ("ring", "under")
"""The newest moments of an hour, and those before them."""
RING_FIELDS: Final = {f"{layer}_{name}": (layer, name) for layer in LAYERS for name in ELEMENTS}
WEIGHT_FIELDS: Final = ("h", "c", "anchor_h", "anchor_c")
"""Made by a network's weights, so of no use to others; the last before the ring when stored."""

Slots = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Notes:
    """Texts of a patient for people; empty where there is none.

    Attributes:
        label: second identifier of the patient.
        pause_by: JSON of who paused the patient.
        alert: JSON of the last alert message, without its reasons.
    """

    label: str = ""
    pause_by: bytes = b""
    alert: bytes = b""


NO_NOTES: Final = Notes()


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a stay: element type, shape per stay, and the value of a new stay."""

    dtype: str
    shape: tuple[int, ...]
    initial: float


def layout(architecture: Architecture, variables: VariableTable = BUILT_IN) -> dict[str, Field]:
    """Returns the fields of a stay for a network's sizes, in the order of the stored form."""
    n_variables, memory = len(variables), features_of(variables).memory_size
    cell = (architecture.layers, architecture.hidden)
    return {
        "last_seen_day": Field("<i4", (), 0),  # first: `codec` reads it without the others
        "origin_ms": Field("<i8", (), NEVER),
        "newest_ms": Field("<i8", (), NEVER),
        "interval": Field("<i8", (), NEVER),
        "discharge_ms": Field("<i8", (), NEVER),
        "left_ms": Field("<i8", (), NEVER),
        "discharge_due_ms": Field("<i8", (), NEVER),
        "admission_ms": Field("<i8", (), NEVER),
        "admission_due_ms": Field("<i8", (), NEVER),
        "admissions_seen": Field("<u4", (ADMISSIONS_KEPT,), 0),
        "location_ms": Field("<i8", (), NEVER),
        "evaluated_ms": Field("<i8", (), NEVER),
        "past_ms": Field("<i8", (), NEVER),
        "alert_start_ms": Field("<i8", (), 0),
        "first_bin": Field("<i4", (), 0),
        "open_bin": Field("<i4", (), 0),
        "anchor_bin": Field("<i4", (), 0),
        "alert_number": Field("<i4", (), 0),
        "admitted": Field("|u1", (), 0),
        "started": Field("|u1", (), 0),
        "dirty": Field("|u1", (), 0),
        "corrected": Field("|u1", (), 0),
        "alert_severity": Field("|u1", (), 0),
        "alert_peak": Field("|u1", (), 0),
        "revision": Field("<i4", (), 0),
        "acked": Field("<i4", (), 0),
        "overdue_revision": Field("<i4", (), 0),
        "snooze_revision": Field("<i4", (), 0),
        "acked_ms": Field("<i8", (), NEVER),
        "respond_ms": Field("<i8", (), NEVER),
        "snooze_first_ms": Field("<i8", (), NEVER),
        "snooze_until_ms": Field("<i8", (), NEVER),
        "pause_until_ms": Field("<i8", (), NEVER),
        "pause_reason": Field("|u1", (), 0),
        "unseen_until_ms": Field("<i8", (), NEVER),
        "deadline_ms": Field("<i8", (), LATER),
        "action_ids": Field("<u8", (ACTIONS_KEPT,), 0),
        "notice": Field("<u4", (), 0),
        "antibiotic_since_ms": Field("<i8", (), NEVER),
        "medication_on": Field("|u1", (len(MEDICATION_CLASSES),), 0),
        "medication_ms": Field("<i8", (len(MEDICATION_CLASSES),), NEVER),
        "static": Field("<f4", (len(STATIC),), np.nan),
        "due_static": Field("<f4", (len(STATIC),), np.nan),
        "risk": Field("<f4", (len(HORIZONS),), np.nan),
        "last_value": Field("<f4", (n_variables,), np.nan),
        "last_ms": Field("<i8", (n_variables,), NEVER),
        "memory": Field("<f4", (memory,), np.nan),
        "anchor_memory": Field("<f4", (memory,), np.nan),
        "h": Field("<f4", cell, 0),
        "c": Field("<f4", cell, 0),
        "anchor_h": Field("<f4", cell, 0),
        "anchor_c": Field("<f4", cell, 0),
        **{
            f"{layer}_{name}": Field(dtype, (RING, n_variables), nothing)
            for layer in LAYERS
            for name, (dtype, nothing) in ELEMENTS.items()
        },
    }


def scratch(architecture: Architecture, features: Features) -> dict[str, Field]:
    """Returns the fields of a stay that a step can make again; they are not stored."""
    cell = (architecture.layers, architecture.hidden)
    return {
        "has_provisional": Field("|u1", (), 0),
        "provisional_memory": Field("<f4", (features.memory_size,), np.nan),
        "provisional_h": Field("<f4", cell, 0),
        "provisional_c": Field("<f4", cell, 0),
    }


class StayTable:
    """All stays that one process owns under one network architecture.

    ``table["h"]`` is the array of a field over all slots, ``fields`` those that are stored. Those
    of the hour ring are in ``layers``; ``table["ring_value"]`` is a copy that cannot be written.
    ``slot_of`` finds a patient's slot and
    ``patients[slot]`` the patient (``None``: a free slot). ``partitions`` says which input
    partition a slot belongs to, ``locations`` its ward and bed, ``notes`` further texts.
    ``touched`` marks what has changed since it was last saved, ``gone`` the patients that were
    removed since then, by partition.
    ``evicted`` knows the stays that are in the store alone. A partition takes no new patient on a
    day on which it has had ``most_a_day`` (``day_limit``; 0: no limit). ``written_format`` is the
    form in which its stays are stored (``codec``; ``None``: the newest). ``variables`` are those of
    its model, and ``features`` their builder.
    """

    def __init__(
        self,
        architecture: Architecture,
        capacity: int = 64,
        evicted: EvictedStays | None = None,
        most_a_day: int = 0,
        written_format: int | None = None,
        variables: VariableTable = BUILT_IN,
    ) -> None:
        self.architecture = architecture
        self.variables = variables
        self.features = features_of(variables)
        self.fields = layout(architecture, variables)
        self._all_fields = self.fields | scratch(architecture, self.features)
        self._arrays: dict[str, NDArray[Any]] = {
            name: np.empty((0, *field.shape), field.dtype)
            for name, field in self._all_fields.items()
            if name not in RING_FIELDS
        }
        self.layers = {layer: HourLayer(len(variables)) for layer in LAYERS}
        self.slot_of: dict[str, int] = {}
        self.patients: list[str | None] = []
        self.locations: list[tuple[str, str]] = []
        self.notes: list[Notes] = []
        self.partitions = np.empty(0, np.int32)
        self.touched = np.empty(0, np.bool_)
        self.gone: dict[int, set[str]] = {}
        self.evicted = EvictedStays() if evicted is None else evicted
        self.most_a_day = most_a_day
        self.written_format = written_format
        self._free: list[int] = []
        self._grow(capacity)

    def __getitem__(self, name: str) -> NDArray[Any]:
        array = self._arrays.get(name)
        if array is None:
            layer, element = RING_FIELDS[name]
            array = self.layers[layer].dense(element, np.arange(len(self.patients)))
            array.setflags(write=False)
        return array

    def __len__(self) -> int:
        return len(self.slot_of)

    def __iter__(self) -> Iterator[str]:
        return iter(self.slot_of)

    def add(self, patient: str, partition: int) -> int:
        """Gives a patient a slot with the state of a new stay and returns it.

        Raises:
            ValueError: when the patient has a slot already.
        """
        if patient in self.slot_of:
            raise ValueError("the patient already has a slot")
        if not self._free:
            self._grow(max(64, len(self.patients)))
        slot = self._free.pop()
        self.slot_of[patient] = slot
        self.patients[slot] = patient
        self.partitions[slot] = partition
        self.reset(slot)
        return slot

    def add_many(
        self, patients: Sequence[str], partition: int, filled: Collection[str] = ()
    ) -> Slots:
        """Gives patients a slot each, as ``add`` does one, and returns the slots in their order.

        Args:
            patients: distinct ones.
            partition: of all of them.
            filled: fields that the caller sets at once for all slots: they are left as they are.

        Raises:
            ValueError: when one of them has a slot already.
        """
        if self.slot_of.keys() & set(patients) or len(set(patients)) < len(patients):
            raise ValueError("a patient already has a slot")
        if len(self._free) < len(patients):
            self._grow(max(len(patients) - len(self._free), len(self.patients)))
        slots = np.array([self._free.pop() for _ in patients], np.intp)
        for patient, slot in zip(patients, slots.tolist(), strict=True):
            self.slot_of[patient] = slot
            self.patients[slot] = patient
            self.locations[slot] = ("", "")
            self.notes[slot] = NO_NOTES
        self.partitions[slots] = partition
        for name, array in self._arrays.items():  # a free slot has nothing in the ring
            if name not in filled:
                of_memory = name in ("memory", "anchor_memory")
                initial = self._all_fields[name].initial
                array[slots] = self.features.empty_memory(1) if of_memory else initial
        self.touched[slots] = True
        return slots

    def reset(self, slot: int) -> None:
        """Puts a slot back to the state of a new stay; the patient keeps the slot."""
        for name, array in self._arrays.items():
            array[slot] = self._all_fields[name].initial
        for layer in self.layers.values():
            layer.clear(np.array([slot]))
        memory = self.features.empty_memory(1)[0]
        self._arrays["memory"][slot] = memory
        self._arrays["anchor_memory"][slot] = memory
        self.locations[slot] = ("", "")
        self.notes[slot] = NO_NOTES
        self.touched[slot] = True

    def remove(self, patient: str) -> None:
        """Frees a patient's slot."""
        slot = self.slot_of.pop(patient)
        self.patients[slot] = None
        self.partitions[slot] = -1
        self.touched[slot] = False
        for layer in self.layers.values():
            layer.clear(np.array([slot]))
        self._free.append(slot)

    def slots_in(self, partition: int) -> Slots:
        """Returns the slots of the stays of one input partition."""
        return np.flatnonzero(self.partitions == partition)

    def names(self, slots: Slots) -> list[str]:
        """Returns the patients of slots that are in use."""
        named = map(self.patients.__getitem__, slots.tolist())
        return [patient for patient in named if patient is not None]

    @property
    def nbytes(self) -> int:
        """Bytes that the arrays take."""
        of_layers = sum(layer.nbytes for layer in self.layers.values())
        return of_layers + sum(array.nbytes for array in self._arrays.values())

    def _grow(self, extra: int) -> None:
        old = len(self.patients)
        for layer in self.layers.values():
            layer.add_slots(extra)
        for name, array in self._arrays.items():
            field = self._all_fields[name]
            # A slot gets its values when it is given away: until then its pages take no memory.
            grown = np.zeros((old + extra, *field.shape), field.dtype)
            grown[:old] = array
            self._arrays[name] = grown
        self.partitions = np.concatenate([self.partitions, np.full(extra, -1, np.int32)])
        self.touched = np.concatenate([self.touched, np.zeros(extra, np.bool_)])
        self.patients += [None] * extra
        self.locations += [("", "")] * extra
        self.notes += [NO_NOTES] * extra
        self._free += range(old + extra - 1, old - 1, -1)
