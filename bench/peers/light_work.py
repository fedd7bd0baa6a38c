"""The light work: the simplest state of a patient, and the way from event to risk.

Simpler than the service's on purpose, so that no peer does more work: one row of last values,
masks and hours since, stepped when a risk is due. No hours are closed, so late events are not
exact; there are no limits, units, alerts, reasons, bedside scores or calibration.
"""

from __future__ import annotations

import math
import struct
from typing import Final, Self

import numpy as np
import orjson
import torch

from bench.peers.event import PeerEvent, epoch_ms
from bench.peers.network import HIDDEN, MODEL, Cell, Floats, sigmoid
from streamer.core.lstm_network import HORIZONS
from streamer.core.variables import INDEX, N_VARIABLES, VARIABLES

_HOUR_MS: Final = 3_600_000
_NEVER_MS: Final = -336 * _HOUR_MS  # as in training: a value never measured counts as two weeks old
_CLIP: Final = 6.0
_HEAD: Final = struct.Struct("<qq")
_STATE: Final = HIDDEN * 4
_MEAN, _STD = MODEL.scaling.mean, MODEL.scaling.std
# By variable, as plain numbers: a single value is scaled faster without numpy.
_VALUE_SCALE: Final = [
    (v.log_scale, float(_MEAN[i]), float(_STD[i])) for i, v in enumerate(VARIABLES)
]
_VALUE: Final = slice(0, N_VARIABLES)
_MASK: Final = slice(N_VARIABLES, 2 * N_VARIABLES)
_SINCE: Final = slice(2 * N_VARIABLES, 3 * N_VARIABLES)


class Patient:
    """Last values, when each was measured, and the LSTM's state.

    Attributes:
        admitted_ms: epoch milliseconds from which intervals count; 0 before any event.
        interval: the latest interval for which a risk was due.
        values: ``(34,)`` last values, scaled as the network wants them; 0 where unknown.
        measured_ms: ``(34,)`` epoch milliseconds.
        h: ``(1, hidden)`` hidden state.
        c: ``(1, hidden)`` cell state.
    """

    __slots__ = ("admitted_ms", "c", "h", "interval", "measured_ms", "values")

    def __init__(self) -> None:
        self.admitted_ms = 0
        self.interval = -1
        self.values = np.zeros(N_VARIABLES, np.float32)
        self.measured_ms = np.full(N_VARIABLES, _NEVER_MS, np.int64)
        self.h = torch.zeros(1, HIDDEN)
        self.c = torch.zeros(1, HIDDEN)

    def to_bytes(self) -> bytes:
        """Packs the state; 1,448 bytes."""
        return b"".join(
            (
                _HEAD.pack(self.admitted_ms, self.interval),
                self.values.tobytes(),
                self.measured_ms.tobytes(),
                self.h.numpy().tobytes(),
                self.c.numpy().tobytes(),
            )
        )

    @classmethod
    def from_bytes(cls, packed: bytes) -> Self:
        """Unpacks what ``to_bytes`` packed."""
        patient = cls.__new__(cls)
        patient.admitted_ms, patient.interval = _HEAD.unpack_from(packed)
        room = bytearray(packed)  # arrays on bytes could not be written to
        at = _HEAD.size
        patient.values = np.frombuffer(room, np.float32, N_VARIABLES, at)
        at += patient.values.nbytes
        patient.measured_ms = np.frombuffer(room, np.int64, N_VARIABLES, at)
        at += patient.measured_ms.nbytes
        patient.h = torch.frombuffer(room, dtype=torch.float32, count=HIDDEN, offset=at)[None]
        at += _STATE
        patient.c = torch.frombuffer(room, dtype=torch.float32, count=HIDDEN, offset=at)[None]
        return patient

    def take(self, event: PeerEvent, interval_ms: int) -> bool:
        """Takes in an event; returns whether a risk is due."""
        time_ms = epoch_ms(event["time"])
        kind = event.get("type", "observation")
        if kind == "admission":
            self.admitted_ms = time_ms
        if kind != "observation":
            return False
        if not self.admitted_ms:
            self.admitted_ms = time_ms
        for name, value in event["values"].items():
            variable = INDEX.get(name)
            if variable is not None and value is not None:
                is_logged, mean, std = _VALUE_SCALE[variable]
                scaled = ((math.log1p(value) if is_logged else value) - mean) / std
                self.values[variable] = min(max(scaled, -_CLIP), _CLIP)
                self.measured_ms[variable] = time_ms
        if interval_ms == 0:
            return True
        interval = (time_ms - self.admitted_ms) // interval_ms
        is_due = interval > self.interval
        self.interval = max(interval, self.interval)
        return is_due

    def row(self, time_ms: int) -> Floats:
        """The network's input now: ``(F,)``, where the first 102 are filled."""
        since_h = np.minimum((time_ms - self.measured_ms) / _HOUR_MS, -_NEVER_MS / _HOUR_MS)
        x = np.zeros(len(_MEAN), np.float32)
        x[_VALUE] = self.values
        x[_MASK] = ((since_h < 1) - _MEAN[_MASK]) / _STD[_MASK]
        x[_SINCE] = (np.log1p(since_h) - _MEAN[_SINCE]) / _STD[_SINCE]
        return np.clip(x, -_CLIP, _CLIP, out=x)


class PatientScorer:
    """Turns an event's bytes into a risk message's, for the patient passed in.

    Args:
        interval_ms: milliseconds of event time between risks; 0: a risk for every observation.
    """

    def __init__(self, interval_ms: int) -> None:
        self._interval_ms = interval_ms
        self._cell = Cell()

    def open(self, packed: bytes | None) -> Patient:
        """The patient that a store has packed; a new one for ``None``."""
        return Patient() if packed is None else Patient.from_bytes(packed)

    def take(self, patient: Patient, value: bytes, partition: int, offset: int) -> bytes | None:
        """Takes an event into a patient; returns the risk message if one is due."""
        event: PeerEvent = orjson.loads(value)
        if not patient.take(event, self._interval_ms):
            return None
        row = patient.row(epoch_ms(event["time"]))
        logits, patient.h, patient.c = self._cell.step(row, patient.h, patient.c)
        risks = [sigmoid(logit) for logit in logits]
        return orjson.dumps(
            {
                "patient_id": event["patient_id"],
                "time": event["time"],
                "risk": risks[0],
                "horizons": dict(zip(HORIZONS, risks, strict=True)),
                "partition": partition,
                "offset": offset,
            }
        )
