"""The risk by `docs/model.md`: one hour of one stay at a time, in double precision."""

from __future__ import annotations

import copy
import json
import math
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.independent_oracle.variables import INDEX, VARIABLES, VITALS

Vector = NDArray[np.float64]
Row = dict[int, float]
HORIZONS: Final = ("6h", "24h", "48h")
_N: Final = len(VARIABLES)
_FAST, _SLOW, _LONGEST = 1 - 0.5 ** (1 / 3), 1 - 0.5 ** (1 / 12), 336.0
_RATIO_OWNERS: Final = [INDEX[name] for name in ("heart_rate", "dbp", "bun", "fio2")]
_OWNER: Final = np.array([*list(range(_N)) * 5, *VITALS * 3, *_RATIO_OWNERS, *[-1] * 7])


class Memory:
    """The memory of a stay's features (section 2)."""

    def __init__(self) -> None:
        self.last, self.before = [math.nan] * _N, [math.nan] * _N
        self.since, self.count = [_LONGEST] * _N, [0] * _N
        self.fast, self.slow, self.variance = [math.nan] * _N, [math.nan] * _N, [0.0] * _N

    def after(self, row: Row) -> Memory:
        """The memory after one more hour; this one stays as it is."""
        new = Memory()
        for name, values in vars(self).items():
            setattr(new, name, copy.copy(values))
        for v in range(_N):
            if v not in row:
                new.since[v] = min(self.since[v] + 1, _LONGEST)
                continue
            x = row[v]
            new.before[v], new.last[v], new.since[v] = self.last[v], x, 0.0
            new.count[v] += 1
            if math.isnan(self.slow[v]):
                new.fast[v] = new.slow[v] = x
            else:
                gap = x - self.slow[v]
                new.fast[v] += _FAST * (x - self.fast[v])
                new.slow[v] += _SLOW * gap
                new.variance[v] = (1 - _SLOW) * (self.variance[v] + _SLOW * gap * gap)
        return new

    def features(self, row: Row, hour_bin: int, static: tuple[float, ...]) -> list[float]:
        """The 205 features after an hour (section 3); ``static``: age, sex, kind of ICU, hours."""
        scaled = [math.log1p if v.kind == "log" else float for v in VARIABLES]
        last = [scale(x) for scale, x in zip(scaled, self.last, strict=True)]
        before = [scale(x) for scale, x in zip(scaled, self.before, strict=True)]
        x, hour = self.last, float(min(max(hour_bin + 1, 0), 336))
        bun_creatinine = x[INDEX["bun"]] / x[INDEX["creatinine"]]
        return [
            *last, *(float(v in row) for v in range(_N)), *map(math.log1p, self.since),
            *(a - b for a, b in zip(last, before, strict=True)), *map(math.log1p, self.count),
            *(self.fast[v] - self.slow[v] for v in VITALS),
            *(x[v] - self.slow[v] for v in VITALS),
            *(math.sqrt(self.variance[v]) for v in VITALS),
            x[INDEX["heart_rate"]] / x[INDEX["sbp"]], x[INDEX["sbp"]] - x[INDEX["dbp"]],
            math.log1p(bun_creatinine), x[INDEX["spo2"]] / x[INDEX["fio2"]],
            math.log1p(hour), hour, static[0], static[1], float(static[2] == 0),
            float(static[2] == 1), static[3] if math.isnan(static[3])
            else math.log1p(max(static[3], 0.0)),
        ]  # fmt: skip


class State(NamedTuple):
    """Memory, h and c after an hour; h and c have a row for each layer."""

    memory: Memory
    h: Vector
    c: Vector


class Step(NamedTuple):
    """The result of one hour: the state after it, and the 6 h, 24 h and 48 h risks."""

    after: State
    risks: list[float]


class Bundle:
    """A model bundle, read from its two files (`docs/model.md`)."""

    def __init__(self, manifest: dict[str, Any], weights: bytes) -> None:
        self.manifest = manifest
        self.policy: dict[str, float] = manifest["alert_policy"]
        length = int.from_bytes(weights[:8], "little")  # the format of safetensors
        self._w: dict[str, Vector] = {}
        for name, entry in json.loads(weights[8 : 8 + length]).items():
            if name != "__metadata__":
                first, last = (8 + length + at for at in entry["data_offsets"])
                kind = {"F32": "<f4", "F64": "<f8", "I64": "<i8", "I32": "<i4"}[entry["dtype"]]
                numbers = np.frombuffer(weights[first:last], kind).reshape(entry["shape"])
                self._w[name] = numbers.astype(np.float64)
        self._mean, self._std = (np.array(manifest["scaling"][of]) for of in ("mean", "std"))
        self._layers = int(manifest["architecture"]["layers"])

    @classmethod
    def read(cls, folder: Path) -> Bundle:
        """Reads the bundle in a folder."""
        weights = (folder / "weights.safetensors").read_bytes()
        return cls(json.loads((folder / "manifest.json").read_text()), weights)

    def start(self, memory: Memory) -> State:
        """A state without recurrent part."""
        hidden = self._w["lstm.weight_hh_l0"].shape[1]
        return State(memory, *np.zeros((2, self._layers, hidden)))

    def step(self, before: State, row: Row, hour_bin: int, static: tuple[float, ...]) -> Step:
        """Steps a state by an hour (sections 4 and 5)."""
        memory = before.memory.after(row)
        features = np.array(memory.features(row, hour_bin, static))
        logits, h, c = self._network(features, before)
        risks: list[float] = []
        for horizon, logit in zip(HORIZONS, logits.tolist(), strict=True):
            risk = round(1 / (1 + math.exp(-self._calibrated(horizon, logit))), 7)
            risks.append(max([risk, *risks]))
        return Step(State(memory, h, c), risks)

    def contributions(
        self, before: State, row: Row, hour_bin: int, static: tuple[float, ...]
    ) -> dict[str, float]:
        """What each variable that was ever measured adds to the 6 h logit (section 7)."""
        memory = before.memory.after(row)
        features = np.array(memory.features(row, hour_bin, static))
        whole = self._network(features, before)[0][0]
        return {
            VARIABLES[v].name: float(
                whole - self._network(np.where(v == _OWNER, np.nan, features), before)[0][0]
            )
            for v in range(_N)
            if memory.count[v]
        }

    def _network(self, features: Vector, before: State) -> tuple[Vector, Vector, Vector]:
        w, h, c = self._w, before.h.copy(), before.c.copy()
        x = np.clip(np.nan_to_num((features - self._mean) / self._std, nan=0.0), -6, 6)
        if len(edges := w["edges"]):
            value = x[w["binned"].astype(int), None]
            pieces = np.clip((value - edges[:, :-1]) / np.diff(edges, axis=1), 0, 1)
            x = np.concatenate([x, pieces.ravel()])
        read = np.maximum(w["first.weight"] @ x + w["first.bias"], 0)
        read = below = np.maximum(w["second.weight"] @ read + w["second.bias"], 0)
        for n in range(self._layers):
            gates = w[f"lstm.weight_ih_l{n}"] @ below + w[f"lstm.bias_ih_l{n}"]
            gates = gates + w[f"lstm.weight_hh_l{n}"] @ h[n] + w[f"lstm.bias_hh_l{n}"]
            let_in, forget, candidate, show = np.split(gates, 4)
            c[n] = _sigmoid(forget) * c[n] + _sigmoid(let_in) * np.tanh(candidate)
            below = h[n] = _sigmoid(show) * np.tanh(c[n])
        return w["glance_head"] @ read + w["memory_head"] @ below + w["bias"], h, c

    def _calibrated(self, horizon: str, logit: float) -> float:
        knots = self.manifest["calibration"][horizon]
        xs, ys = knots["logits"], knots["calibrated"]
        at = 0
        while at < len(xs) - 2 and logit > xs[at + 1]:
            at += 1
        slope = (ys[at + 1] - ys[at]) / (xs[at + 1] - xs[at])
        return float(ys[at] + slope * (logit - xs[at]))


def _sigmoid(x: Vector) -> Vector:
    result: Vector = 1 / (1 + np.exp(-x))
    return result
