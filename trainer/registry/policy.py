"""The policy of retraining: a file in the registry that says what may change, and who changes it.

Every limit has bounds here that no file can exceed. A file that was changed promotes nothing until
a named person has accepted it; its hash stands in the record of each run.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final, Literal

from annotated_types import Ge, Le
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from streamer.process.environment import fault_lines
from trainer.atomic import write_atomically
from trainer.errors import InputError, WrongUsage
from trainer.registry.gates import Limits

FILE: Final = "policy.toml"
ACCEPTED: Final = "policy.accepted.json"
NO_FILE: Final = "default"
LEAST_SUBGROUP: Final = 20
"""Of fewer septic stays an interval of AUROC is so wide that it shows no loss."""

Low = Annotated[float, Ge(0.2), Le(1)]
High = Annotated[float, Ge(1), Le(5)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Data(_Section):
    """Which stays count, and how many it takes."""

    mature_hours: float = Field(default=72, ge=0, le=720)
    labelled_share: float = Field(default=0.90, ge=0.5, le=1)
    least_septic_frozen: int = Field(default=30, ge=5, le=10_000)
    least_septic_newest: int = Field(default=30, ge=0, le=10_000)
    least_septic_recalibrate: int = Field(default=20, ge=10, le=10_000)
    least_septic_fit: int = Field(default=300, ge=10, le=100_000)


class Quality(_Section):
    """What may be lost."""

    utility_margin: float = Field(default=0.02, gt=0, le=0.05)
    auroc_margin: float = Field(default=0.01, gt=0, le=0.03)


class Reason(_Section):
    """What makes a change worth while."""

    utility_gain: float = Field(default=0.005, ge=0, le=0.1)
    gain_probability: float = Field(default=0.80, ge=0.5, lt=1)
    or_champion_older_days: float = Field(default=180, ge=28, le=3650)


class Newest(_Section):
    """The newest weeks, a second opinion: a loss that is shown closes the gate."""

    days: float = Field(default=56, ge=1, le=365)
    utility_margin: float = Field(default=0.05, gt=0, le=0.1)
    observed_expected: tuple[Low, High] = (0.67, 1.5)


class Calibration(_Section):
    """Risks that mean what they say."""

    slope: tuple[Low, High] = (0.8, 1.25)
    observed_expected: tuple[Low, High] = (0.8, 1.25)
    ece: float = Field(default=0.005, gt=0, le=0.05)


class Alerts(_Section):
    """What people hear."""

    ratio: tuple[Annotated[float, Ge(0), Le(1)], High] = (0.5, 1.10)
    most_per_patient_day: float = Field(default=0.33, gt=0, le=2)
    sensitivity_drop: float = Field(default=0.05, ge=0, le=0.2)


class Subgroups(_Section):
    """Nobody is hidden in an average: a loss that is shown closes the gate."""

    least_septic: int = Field(default=50, ge=0, le=10_000)
    auroc_drop: float = Field(default=0.03, gt=0, le=0.1)

    @field_validator("least_septic")
    @classmethod
    def _of_enough_stays(cls, least: int) -> int:
        if 0 < least < LEAST_SUBGROUP:
            raise ValueError(f"{least} is below {LEAST_SUBGROUP}; 0: subgroups are not asked")
        return least


class Pace(_Section):
    """How often a model may change, and how often the same stays may decide."""

    least_days_between: float = Field(default=28, ge=0, le=3650)
    most_looks_per_quarter: int = Field(default=13, ge=1, le=100)


class Policy(_Section):
    """What a run may make and promote.

    Attributes:
        mode: ``ask``: a named person promotes; ``automatic``: the run does.
    """

    mode: Literal["ask", "automatic"] = "ask"
    data: Data = Data()
    quality: Quality = Quality()
    reason: Reason = Reason()
    newest: Newest = Newest()
    calibration: Calibration = Calibration()
    alerts: Alerts = Alerts()
    subgroups: Subgroups = Subgroups()
    pace: Pace = Pace()

    @model_validator(mode="after")
    def _fits_need_more_than_recalibration(self) -> Policy:
        if self.data.least_septic_fit < self.data.least_septic_recalibrate:
            raise ValueError("data.least_septic_fit is below data.least_septic_recalibrate")
        return self

    def limits(self) -> Limits:
        """What the gates ask for."""
        return Limits(
            least_septic=self.data.least_septic_frozen,
            utility_margin=self.quality.utility_margin,
            auroc_margin=self.quality.auroc_margin,
            gain=self.reason.utility_gain,
            gain_probability=self.reason.gain_probability,
            old_days=self.reason.or_champion_older_days,
            slope=self.calibration.slope,
            observed_expected=self.calibration.observed_expected,
            ece=self.calibration.ece,
            alert_ratio=self.alerts.ratio,
            most_alerts=self.alerts.most_per_patient_day,
            sensitivity_drop=self.alerts.sensitivity_drop,
            least_septic_newest=self.data.least_septic_newest,
            newest_margin=self.newest.utility_margin,
            newest_observed_expected=self.newest.observed_expected,
            least_septic_subgroup=self.subgroups.least_septic,
            subgroup_drop=self.subgroups.auroc_drop,
            labelled_share=self.data.labelled_share,
        )


@dataclass(frozen=True, slots=True)
class PolicyInForce:
    """The policy that runs follow.

    Attributes:
        policy: the one that was accepted last.
        sha256: of its file; ``default`` where there never was one.
        by: who accepted it.
        unaccepted: why nothing may be promoted: the file is not the one that was accepted.
    """

    policy: Policy
    sha256: str = NO_FILE
    by: str = ""
    unaccepted: str = ""


def in_force(folder: Path) -> PolicyInForce:
    """The policy of a registry; never raises for a file that is broken now."""
    kept = _accepted(folder)
    file = folder / FILE
    content = file.read_bytes() if file.exists() else None
    digest = NO_FILE if content is None else hashlib.sha256(content).hexdigest()
    if digest == kept.sha256:
        return kept
    why = f"{FILE} is not the one that was accepted; `trainer policy accept --by NAME`"
    if content is not None:
        try:
            parse(content, file)
        except InputError as error:
            why = f"{FILE} is broken: {error}"
    return PolicyInForce(kept.policy, kept.sha256, kept.by, why)


def check(folder: Path) -> list[str]:
    """Every fault of the file in a registry, empty where it is whole or absent."""
    file = folder / FILE
    try:
        if file.exists():
            parse(file.read_bytes(), file)
    except WrongUsage as error:
        return error.faults
    return []


def accept(folder: Path, by: str) -> PolicyInForce:
    """Puts the file in a registry in force; returns it.

    Raises:
        WrongUsage: the file is broken; every fault.
    """
    file = folder / FILE
    content = file.read_bytes() if file.exists() else b""
    policy = parse(content, file)
    digest = hashlib.sha256(content).hexdigest() if file.exists() else NO_FILE
    kept = {
        "sha256": digest,
        "by": by,
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "policy": policy.model_dump(mode="json"),
    }
    folder.mkdir(parents=True, exist_ok=True)
    with write_atomically(folder / ACCEPTED) as new:
        new.write((json.dumps(kept, indent=1) + "\n").encode())
    return PolicyInForce(policy, digest, by)


def parse(content: bytes, file: Path) -> Policy:
    """Reads a policy.

    Raises:
        WrongUsage: it is no TOML, or a name or value is wrong; every fault.
    """
    try:
        return Policy.model_validate(tomllib.loads(content.decode()))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise WrongUsage([f"{file}: {error}"]) from error
    except ValidationError as error:
        raise WrongUsage([f"{file}: {line}" for line in fault_lines(error)]) from error


def _accepted(folder: Path) -> PolicyInForce:
    try:
        kept = json.loads((folder / ACCEPTED).read_text())
        policy = Policy.model_validate(kept["policy"])
        return PolicyInForce(policy, str(kept["sha256"]), str(kept["by"]))
    except FileNotFoundError:
        return PolicyInForce(Policy())
    except (ValueError, KeyError, TypeError) as error:
        return PolicyInForce(Policy(), unaccepted=f"{ACCEPTED} cannot be read: {error}")
