"""The same work: a risk that is the service's, and the trainer's, to five digits.

It keeps hour bins and calls the feature code of the training, one patient at a time: each hour that
closes is stepped once, each risk steps a copy with the open hour as it is. Limits, units and
calibration are the service's. It still does less than the service: an event for a closed hour
changes nothing, and there are no alerts, reasons or bedside scores.
"""

from __future__ import annotations

import itertools
import struct
from typing import Final, Self

import numpy as np
import orjson
import torch

from bench.peers.event import PeerEvent, epoch_ms
from bench.peers.network import HIDDEN, MODEL, Cell, Floats, ScalarCalibration, sigmoid
from streamer.core import features
from streamer.core.demographics import ICU_TYPE_CODES, SEX_CODES
from streamer.core.lstm_network import HORIZONS
from streamer.core.model import DECIMALS
from streamer.core.variables import BUILT_IN, FIO2, INDEX, N_VARIABLES, VARIABLES, to_canonical

_HOUR_MS: Final = 3_600_000
_HEAD: Final = struct.Struct("<qqq")
_LIMITS: Final = list(zip(BUILT_IN.low.tolist(), BUILT_IN.high.tolist(), strict=True))
_UNKNOWN: Final = float("nan")
# The ends of static, row, memory, h and c among the floats of a packed stay.
_CUTS: Final = (
    0,
    *itertools.accumulate(
        (len(features.STATIC), N_VARIABLES, features.MEMORY_SIZE, HIDDEN, HIDDEN)
    ),
)


class Stay:
    """A stay in hours: the open hour, and the state after the closed ones.

    Attributes:
        origin_ms: admission, or the first event; epoch milliseconds, 0 before.
        interval: the latest interval for which a risk was due.
        open_bin: the hour that is open, -1 before the first.
        static: ``(1, 4)`` as ``features.STATIC``.
        row: ``(1, 34)`` values of the open hour, NaN where not measured.
        measured_ms: ``(34,)`` epoch milliseconds of these values.
        memory: ``(1, MEMORY_SIZE)`` of the features, after the last closed hour.
        h: ``(1, hidden)`` hidden state after the last closed hour.
        c: ``(1, hidden)`` cell state after it.
    """

    __slots__ = (
        "c", "h", "interval", "measured_ms", "memory", "open_bin", "origin_ms", "row", "static",
    )  # fmt: skip

    def __init__(self) -> None:
        self.origin_ms = 0
        self.interval = self.open_bin = -1
        self.static = np.full((1, len(features.STATIC)), np.nan, np.float32)
        self.row = np.full((1, N_VARIABLES), np.nan, np.float32)
        self.measured_ms = np.zeros(N_VARIABLES, np.int64)
        self.memory = features.empty_memory(1)
        self.h = torch.zeros(1, HIDDEN)
        self.c = torch.zeros(1, HIDDEN)

    def to_bytes(self) -> bytes:
        """Packs the stay."""
        arrays = (
            self.static, self.row, self.memory, self.h.numpy(), self.c.numpy(), self.measured_ms,
        )  # fmt: skip
        head = _HEAD.pack(self.origin_ms, self.interval, self.open_bin)
        return head + b"".join(array.tobytes() for array in arrays)

    @classmethod
    def from_bytes(cls, packed: bytes) -> Self:
        """Unpacks what ``to_bytes`` packed."""
        stay = cls.__new__(cls)
        stay.origin_ms, stay.interval, stay.open_bin = _HEAD.unpack_from(packed)
        floats = np.frombuffer(packed, np.float32, _CUTS[-1], _HEAD.size).copy()[None]
        stay.static, stay.row, stay.memory, h, c = (
            floats[:, begin:end] for begin, end in itertools.pairwise(_CUTS)
        )
        stay.h, stay.c = torch.from_numpy(h), torch.from_numpy(c)
        times_at = _HEAD.size + floats.nbytes
        stay.measured_ms = np.frombuffer(packed, np.int64, N_VARIABLES, times_at).copy()
        return stay

    def admit(self, event: PeerEvent, time_ms: int) -> None:
        """Takes in an admission."""
        self.origin_ms = time_ms
        static = (
            event.get("age"),
            SEX_CODES.get(event.get("sex", "")),
            ICU_TYPE_CODES.get(event.get("icu_type", "")),
            event.get("hours_since_hospital_admission"),
        )
        self.static[0] = [_UNKNOWN if value is None else value for value in static]

    def observe(self, event: PeerEvent, time_ms: int, interval_ms: int) -> bool:
        """Takes an observation of the open hour; returns whether a risk is due."""
        units = event.get("units", {})
        for name, value in event["values"].items():
            variable = INDEX.get(name)
            if variable is None or value is None or time_ms < self.measured_ms[variable]:
                continue
            cleaned = _clean(variable, value, units.get(name))
            if cleaned is not None:
                self.row[0, variable] = cleaned
                self.measured_ms[variable] = time_ms
        if interval_ms == 0:
            return True
        interval = (time_ms - self.origin_ms) // interval_ms
        is_due = interval > self.interval
        self.interval = max(interval, self.interval)
        return is_due

    def network_input(self) -> tuple[Floats, Floats]:
        """The network's input of the open hour, scaled, and the memory after it."""
        bins = np.array([self.open_bin], np.int32)
        row, memory = features.step(self.row, bins, self.static, self.memory)
        return MODEL.scaling.apply(row)[0], memory


class PatientScorer:
    """Turns an event's bytes into a risk message's, for the stay passed in.

    Args:
        interval_ms: milliseconds of event time between risks; 0: a risk for every observation.
    """

    def __init__(self, interval_ms: int) -> None:
        self._interval_ms = interval_ms
        self._cell = Cell()
        self._calibrations = [ScalarCalibration(calibration) for calibration in MODEL.calibrations]

    def open(self, packed: bytes | None) -> Stay:
        """The stay that a store has packed; a new one for ``None``."""
        return Stay() if packed is None else Stay.from_bytes(packed)

    def take(self, stay: Stay, value: bytes, partition: int, offset: int) -> bytes | None:
        """Takes an event into a stay; returns the risk message if one is due."""
        event: PeerEvent = orjson.loads(value)
        time_ms = epoch_ms(event["time"])
        kind = event.get("type", "observation")
        if kind == "admission":
            stay.admit(event, time_ms)
        if kind != "observation":
            return None
        stay.origin_ms = stay.origin_ms or time_ms
        self._close_until(stay, (time_ms - stay.origin_ms) // _HOUR_MS)
        if not stay.observe(event, time_ms, self._interval_ms):
            return None
        row, _ = stay.network_input()
        risks = self._risks(self._cell.step(row, stay.h, stay.c)[0])
        return orjson.dumps(
            {
                "patient_id": event["patient_id"],
                "time": event["time"],
                "bin": stay.open_bin,
                "risk": risks[0],
                "horizons": dict(zip(HORIZONS, risks, strict=True)),
                "threshold": MODEL.threshold,
                "positive": risks[0] > MODEL.threshold,
                "model": MODEL.model_id,
                "partition": partition,
                "offset": offset,
            }
        )

    def _close_until(self, stay: Stay, target: int) -> None:
        if stay.open_bin < 0:
            stay.open_bin = target
        while stay.open_bin < target:
            row, stay.memory = stay.network_input()
            _, stay.h, stay.c = self._cell.step(row, stay.h, stay.c)
            stay.row[:] = _UNKNOWN
            stay.open_bin += 1

    def _risks(self, logits: list[float]) -> list[float]:
        pairs = zip(self._calibrations, logits, strict=True)
        risks = (round(sigmoid(calibrate(logit)), DECIMALS) for calibrate, logit in pairs)
        return list(itertools.accumulate(risks, max))  # they never fall with the horizon


def _clean(variable: int, value: float, unit: str | None) -> float | None:
    """The value in its canonical unit; ``None`` for a charting error."""
    if unit is not None:
        converted = to_canonical(VARIABLES[variable], value, unit)
        if converted is None:
            return None
        value = converted
    if variable == FIO2 and 20 <= value <= 100:  # charted in percent
        value /= 100
    low, high = _LIMITS[variable]
    return value if low <= value <= high else None
