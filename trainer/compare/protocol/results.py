"""What is kept of a model that was compared: its scores of held-out hours and how it was chosen."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

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
from trainer.metrics.measures import Scored

_KEY: Final = b"vigil"
_SIDES: Final = ("validation", "test")


@dataclass(frozen=True, slots=True)
class HeldOut:
    """The patients that no model was fitted to: those for choosing, then those for judging.

    Attributes:
        stays: of the whole cohort, validation first.
        validation: these stays alone.
        test: these stays alone.
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
        settings: what was tried.
        utility: the best that any threshold gives.
        auroc: over hours.
        seconds: that fitting took.
    """

    settings: Settings
    utility: float
    auroc: float
    seconds: float

    @property
    def quality(self) -> float:
        """What decides: utility and AUROC together, as in the training of the shipped model."""
        return self.utility + self.auroc


@dataclass(frozen=True, slots=True)
class Entry:
    """A model in the comparison.

    Attributes:
        name: for tables.
        level: what it may know.
        operating_point: from its scores to risks, decisions and alerts.
        score: (R,) of the hours of ``HeldOut.stays``, one stay after the other.
        attempts: what was tried, in order; nothing where there was nothing to fit.
        settings: those that were best.
        microseconds: of one thread, to score an hour whose inputs are there.
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
        """That fitting all candidates took."""
        return sum(attempt.seconds for attempt in self.attempts)

    def on_validation(self, held_out: HeldOut) -> Scored:
        """What it says of the validation patients."""
        return self.operating_point.apply(
            held_out.validation, self.score[: held_out.validation.n_rows]
        )

    def on_test(self, held_out: HeldOut) -> Scored:
        """What it says of the test patients."""
        return self.operating_point.apply(held_out.test, self.score[held_out.validation.n_rows :])

    def save(self, file: Path, held_out: HeldOut, made_of: dict[str, Any]) -> None:
        """Writes a parquet file: a row for each hour; what else there is in its metadata."""
        sides = (held_out.validation, held_out.test)
        said = (self.on_validation(held_out), self.on_test(held_out))
        patients = [np.repeat(np.array(each.patient_ids, object), each.lengths) for each in sides]
        columns = {
            "patient": pa.array(np.concatenate(patients), pa.string()),
            "hour": pa.array(np.concatenate([each.iculos for each in sides]), pa.int32()),
            "side": pa.array(np.repeat(_SIDES, [each.n_rows for each in sides]), pa.string()),
            "score": pa.array(self.score, pa.float64()),
            "risk": pa.array(np.concatenate([each.risk for each in said]), pa.float64()),
            "positive": pa.array(np.concatenate([each.positive for each in said]), pa.bool_()),
            "alert_start": pa.array(
                np.concatenate([each.alert_starts for each in said]), pa.bool_()
            ),
        }
        about = {
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
        table = pa.table(columns).replace_schema_metadata({_KEY: json.dumps(about).encode()})
        with write_atomically(file) as new:
            pq.write_table(table, new)

    @classmethod
    def load(cls, file: Path, made_of: dict[str, Any]) -> Entry | None:
        """Reads an entry; ``None`` where there is none, or one that was made of something else."""
        try:
            about = json.loads(pq.read_schema(file).metadata[_KEY])
            if about["made_of"] != json.loads(json.dumps(made_of)):
                return None
        except (OSError, KeyError, TypeError, ValueError):
            return None
        knots = about["calibration"]
        return cls(
            about["name"],
            Level(about["level"]),
            OperatingPoint(
                Calibration(np.array(knots["scores"]), np.array(knots["calibrated"])),
                about["threshold"],
                AlertPolicy(**about["alert_policy"]),
            ),
            pq.read_table(file, columns=["score"])["score"].to_numpy(),
            tuple(Attempt(**attempt) for attempt in about["attempts"]),
            about["settings"],
            about["microseconds"],
            about["state_bytes"],
        )


def slug(name: str) -> str:
    """A name as files and options have it.

    >>> slug("LSTM, masks and ages")
    'lstm-masks-and-ages'
    """
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
