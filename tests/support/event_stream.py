"""Events, a scorer with its log, and a model whose risk a test can set."""

from __future__ import annotations

import json
import uuid
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.core import features, late_events, state_stepping
from streamer.core.alert_messages import Content
from streamer.core.columns import decode
from streamer.core.events import Fields
from streamer.core.messages import Message, write
from streamer.core.model import Floats, Model, Scaling
from streamer.core.reasons import ValueProblem
from streamer.core.records import Record
from streamer.core.scoring import Scorer
from streamer.core.stays import StayTable
from streamer.core.time import HOUR_MS
from streamer.core.variables import INDEX
from tests.support.small_models import random_model

MINUTE_MS = 60_000
ORIGIN_MS = 1_767_225_600_000  # 2026-01-01T00:00:00Z
COMMITTED = (
    "origin_ms", "first_bin", "open_bin", "anchor_bin", "static", "last_value", "last_ms",
    "memory", "anchor_memory", "h", "c", "anchor_h", "anchor_c", "ring_value", "ring_offset_ms",
)  # fmt: skip

VITAL_PHASES = ("start", "escalate", "end")

Event = Fields


def event(hours: float, type_: str, patient: str = "p", /, **fields: Any) -> Event:
    """An event ``hours`` after the origin."""
    time_ms = ORIGIN_MS + round(hours * HOUR_MS)
    return {"type": type_, "patient_id": patient, "time": time_ms, **fields}


def admission(hours: float = 0, patient: str = "p", /, **fields: Any) -> Event:
    return event(hours, "admission", patient, **fields)


def discharge(hours: float, patient: str = "p") -> Event:
    return event(hours, "discharge", patient)


def observation(hours: float, patient: str = "p", /, **values: float | None) -> Event:
    return event(hours, "observation", patient, values=values)


def record(
    content: Event | bytes | None, offset: int = 0, key: bytes | None = b"p", timestamp_ms: int = 0
) -> Record:
    """A record of the log; an event's key is its patient."""
    if isinstance(content, dict):
        key, content = content["patient_id"].encode(), json.dumps(content).encode()
    return Record(0, offset, timestamp_ms, key, content)


class Stream:
    """A scorer, its stays, and the messages and rejections of the events it took.

    ``messages`` are risks and alerts, ``notices`` stays and verdicts.
    """

    def __init__(self, model: Model, interval_s: float = 0) -> None:
        self.model = model
        self.table = StayTable(model.architecture, capacity=2, variables=model.variables)
        self.scorer = Scorer(model, self.table, round(interval_s * 1000))
        self.messages: list[Message] = []
        self.notices: list[Message] = []
        self.rejections: list[tuple[int, str]] = []
        self.problems: Counter[ValueProblem] = Counter()
        self.n_good = 0
        self.n = 0

    def take(
        self, *events: Event | bytes, ends: Sequence[int] = (), at: Sequence[float] | None = None
    ) -> list[Content]:
        """Takes events in batches that end at the indices in ``ends``; returns their messages.

        The log has no clock unless ``at`` gives the hours of the records since the origin.
        """
        stamps = [0] * len(events) if at is None else [ORIGIN_MS + round(h * HOUR_MS) for h in at]
        records = [
            record(event, self.n + i, timestamp_ms=stamp)
            for i, (event, stamp) in enumerate(zip(events, stamps, strict=True))
        ]
        n_before = len(self.messages)
        start = 0
        for end in sorted({*(e for e in ends if 0 < e < len(records)), len(records)}):
            batch = records[start:end]
            columns = decode(batch, None, variables=self.model.variables)
            outcome = self.scorer.score(columns, [0] * len(columns.patients))
            written = write(outcome, columns.record.tolist(), batch, self.model, self.table)
            self.messages += [m for m in written if m.kind in ("risk", "alert")]
            self.notices += [m for m in written if m.kind in ("stay", "verdict")]
            self.rejections += [
                (batch[bad.record].offset, bad.reason.value) for bad in outcome.rejections
            ]
            self.problems += outcome.problems
            self.n_good += outcome.n_events
            start = end
        self.n += len(records)
        return [message.content for message in self.messages[n_before:]]

    def slot(self, patient: str = "p") -> NDArray[np.intp]:
        return np.array([self.table.slot_of[patient]])

    def field(self, name: str, patient: str = "p") -> Any:
        return self.table[name][self.table.slot_of[patient]]

    def committed(self, patient: str = "p") -> dict[str, NDArray[Any]]:
        """Closed bins and the committed state of a stay, stepped up to date."""
        late_events.refresh(self.table, self.model, self.slot(patient))
        return {name: self.table[name][self.slot(patient)].copy() for name in COMMITTED}

    def risks(self, patient: str = "p") -> list[float]:
        risks: list[float] = (
            state_stepping.evaluate(self.table, self.model, self.slot(patient)).risks[0].tolist()
        )
        return risks


def assert_same(one: dict[str, NDArray[Any]], other: dict[str, NDArray[Any]]) -> None:
    """Bit by bit: NaN equals NaN, 0.0 differs from -0.0."""
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert value.tobytes() == other[name].tobytes(), name


def alerts(messages: Sequence[Content]) -> list[tuple[str, str]]:
    """Phase and severity of what vitals did to the alerts among messages."""
    return [(m["phase"], m["severity"]) for m in messages if m.get("phase") in VITAL_PHASES]


def bins(messages: Sequence[Content]) -> list[int]:
    """The bins of the risks among messages."""
    return [m["bin"] for m in messages if "bin" in m]


_HEART_RATE = features.NAMES.index("value:heart_rate")
MEAN_HEART_RATE = 90


class HeartRateModel(Model):
    """A model with a known risk: its logit is (heart rate - 100) / 10.

    By the thresholds of `small_models.POLICY`, 102 is over medium, 110 over high, 90 below off.
    An unknown heart rate counts as 90.
    """

    def __init__(self) -> None:
        base = random_model()
        mean = np.full(features.N_FEATURES, MEAN_HEART_RATE, np.float32)
        scaling = Scaling(mean, np.ones_like(mean))
        super().__init__(
            "heart", base.network, scaling, base.calibrations, base.threshold, base.policy
        )

    def step(
        self, features: Floats, h: Floats, c: Floats
    ) -> tuple[NDArray[np.float64], Floats, Floats]:
        rate = np.nan_to_num(features[:, _HEART_RATE].astype(np.float64), nan=MEAN_HEART_RATE)
        return np.repeat((rate[:, None] - 100) / 10, 3, axis=1), h, c


def ring_value(stream: Stream, bin_: int, variable: str, patient: str = "p") -> float:
    """The ring's value of a variable in a bin; NaN where nothing was measured."""
    ring = stream.field("ring_value", patient)
    return float(ring[bin_ % len(ring), INDEX[variable]])


def medication(hours: float, action: str, **fields: Any) -> Event:
    return event(hours, "medication", drug="x", action=action, **fields)


def static(stream: Stream) -> dict[str, float]:
    """The particulars of the patient ``p``, by name."""
    return dict(zip(features.STATIC, stream.field("static").tolist(), strict=True))


def action(hours: float, kind: str, patient: str = "p", /, **fields: Any) -> Event:
    """An action of a person; its id follows from the rest of it unless one is given."""
    content = {"action": kind, "actor": {"user": "nurse"}, "client": "test", **fields}
    identity = json.dumps([hours, patient, content], sort_keys=True)
    content.setdefault("action_id", str(uuid.uuid5(uuid.NAMESPACE_OID, identity)))
    return event(hours, "action", patient, **content)
