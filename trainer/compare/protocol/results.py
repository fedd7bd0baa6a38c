"""The kept result of a model: its scores of held-out hours, and the settings that were chosen."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias, TypedDict

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from streamer.core.alerts import AlertPolicy
from streamer.core.model import Calibration
from streamer.datasets.cohort import Cohort
from trainer.atomic import write_atomically
from trainer.compare.protocol.family import Level, Settings
from trainer.data.dataset import Material
from trainer.decisions.operating_point import OperatingPoint
from trainer.metrics.definitions import Scored

_KEY: Final = b"vigil"
_SIDES: Final = ("validation", "test")

MadeOf: TypeAlias = Mapping[str, object]
"""Everything a result depends on, as JSON values: a kept result of something else is not used."""


class _Calibration(TypedDict):
    """The knots of a calibration line."""

    scores: list[float]
    calibrated: list[float]


class _Document(TypedDict):
    """The metadata of a result's file, stored as JSON."""

    made_of: MadeOf
    name: str
    level: str
    settings: dict[str, float | int | str]
    attempts: list[dict[str, Any]]
    microseconds: float
    state_bytes: int
    threshold: float
    alert_policy: dict[str, float]
    calibration: _Calibration


@dataclass(frozen=True, slots=True)
class HeldOut:
    """The patients that no model was fitted to: validation patients, then test patients.

    Attributes:
        stays: indices into the whole cohort, validation first.
        validation: the validation stays alone.
        test: the test stays alone.
    """

    stays: NDArray[np.int64]
    validation: Cohort
    test: Cohort

    @classmethod
    def of(cls, material: Material) -> HeldOut:
        """The two sides of the split."""
        split, cohort = material.split, material.cohort
        stays = np.concatenate([split.validation, split.test])
        return cls(stays, cohort.take(split.validation), cohort.take(split.test))


@dataclass(frozen=True, slots=True)
class Attempt:
    """One candidate of a family, judged on validation patients.

    Attributes:
        settings: the candidate.
        utility: normalised, at the best threshold.
        auroc: over hours.
        seconds: duration of the fit.
    """

    settings: Settings
    utility: float
    auroc: float
    seconds: float

    @property
    def quality(self) -> float:
        """The sum of utility and AUROC; the training of the shipped model decides by it too."""
        return self.utility + self.auroc


@dataclass(frozen=True, slots=True)
class Entry:
    """A model in the comparison.

    Attributes:
        name: for tables.
        level: what it may know.
        operating_point: from its scores to risks, decisions and alerts.
        score: (R,) of the hours of ``HeldOut.stays``, one stay after the other.
        attempts: the candidates in order; empty where nothing was fitted.
        settings: the best candidate.
        microseconds: processor time of one thread to score an hour, its features given.
        state_bytes: kept of a stay from one hour to the next.
    """

    name: str
    level: Level
    operating_point: OperatingPoint
    score: NDArray[np.float64]
    attempts: tuple[Attempt, ...]
    settings: Settings
    microseconds: float
    state_bytes: int

    @property
    def seconds(self) -> float:
        """Duration of the fits of all candidates."""
        return sum(attempt.seconds for attempt in self.attempts)

    def on_validation(self, held_out: HeldOut) -> Scored:
        """Its risks, decisions and alerts for the validation patients."""
        return self.operating_point.apply(
            held_out.validation, self.score[: held_out.validation.n_rows]
        )

    def on_test(self, held_out: HeldOut) -> Scored:
        """Its risks, decisions and alerts for the test patients."""
        return self.operating_point.apply(held_out.test, self.score[held_out.validation.n_rows :])

    def save(self, file: Path, held_out: HeldOut, made_of: MadeOf) -> None:
        """Writes a parquet file: a row for each hour, everything else in its metadata."""
        sides = (held_out.validation, held_out.test)
        scored = (self.on_validation(held_out), self.on_test(held_out))
        patients = [np.repeat(np.array(side.patient_ids, object), side.lengths) for side in sides]
        columns = {
            "patient": pa.array(np.concatenate(patients), pa.string()),
            "hour": pa.array(np.concatenate([side.iculos for side in sides]), pa.int32()),
            "side": pa.array(np.repeat(_SIDES, [side.n_rows for side in sides]), pa.string()),
            "score": pa.array(self.score, pa.float64()),
            "risk": pa.array(np.concatenate([part.risk for part in scored]), pa.float64()),
            "positive": pa.array(np.concatenate([part.positive for part in scored]), pa.bool_()),
            "alert_start": pa.array(
                np.concatenate([part.alert_starts for part in scored]), pa.bool_()
            ),
        }
        document: _Document = {
            "made_of": made_of,
            "name": self.name,
            "level": self.level.value,
            "settings": dict(self.settings),
            "attempts": [asdict(attempt) for attempt in self.attempts],
            "microseconds": self.microseconds,
            "state_bytes": self.state_bytes,
            "threshold": self.operating_point.threshold,
            "alert_policy": asdict(self.operating_point.policy),
            "calibration": {
                "scores": self.operating_point.calibration.logits.tolist(),
                "calibrated": self.operating_point.calibration.calibrated.tolist(),
            },
        }
        table = pa.table(columns).replace_schema_metadata({_KEY: json.dumps(document).encode()})
        with write_atomically(file) as new:
            pq.write_table(table, new)

    @classmethod
    def load(cls, file: Path, made_of: MadeOf) -> Entry | None:
        """Reads an entry; ``None`` for a missing file, a damaged one, or another ``made_of``."""
        try:
            document: _Document = json.loads(pq.read_schema(file).metadata[_KEY])
            if document["made_of"] != json.loads(json.dumps(made_of)):
                return None
        except (OSError, KeyError, TypeError, ValueError):
            return None
        knots = document["calibration"]
        return cls(
            document["name"],
            Level(document["level"]),
            OperatingPoint(
                Calibration(np.array(knots["scores"]), np.array(knots["calibrated"])),
                document["threshold"],
                AlertPolicy(**document["alert_policy"]),
            ),
            pq.read_table(file, columns=["score"])["score"].to_numpy(),
            tuple(Attempt(**attempt) for attempt in document["attempts"]),
            document["settings"],
            document["microseconds"],
            document["state_bytes"],
        )


def slug(name: str) -> str:
    """A name in the form of file names and ``--only``.

    >>> slug("LSTM, masks and ages")
    'lstm-masks-and-ages'
    """
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
