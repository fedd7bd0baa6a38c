"""A task in one file: outcome, label, columns and variables of a hospital's own data (`task.toml`).

The trainer reads stays by it and keeps it in the bundle; the streamer reads recorded stays by it.
The shipped task, sepsis on the PhysioNet 2019 data, is `sepsis.toml` beside this file; its reader
is `physionet2019`.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from streamer.core.own_variables import read_own
from streamer.core.variables import BUILT_IN, VariableTable, to_canonical
from streamer.datasets.cohort import DataError

SHIPPED: Final = Path(__file__).with_name("sepsis.toml")
FIRST_HORIZON_HOURS: Final = 6
"""The official utility, lead times and alerts are defined on this one."""
_EXAMPLE: Final = 'write, for instance, `heart_rate = "hr"`'
_Name = Annotated[str, Field(min_length=1, max_length=64)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LabelPart(_Part):
    """Where the outcome stands, and what it means.

    Attributes:
        column: 0 or 1; of ``event_hour``, the hour of the event, empty without one.
        of: `hour`: 0 or 1 in each hour; `stay`: the outcome of the stay, the same in each hour;
            `event_hour`: the hour of the event, counted as the hours of the rows.
        lead_hours: of `hour`: it turns to 1 so many hours before the event.
        file: the table that has it, where it is not that of the values; its name in the folder.
        patient: column of patients there.
        hour: column of hours there, of `hour`.
    """

    column: _Name
    of: Literal["hour", "stay", "event_hour"] = "hour"
    lead_hours: Annotated[int, Field(ge=0, le=48)] = FIRST_HORIZON_HOURS
    file: _Name | None = None
    patient: _Name | None = None
    hour: _Name | None = None


class ColumnsPart(_Part):
    """Columns that are no variables; those without a default must be there.

    Attributes:
        patient: id of the stay.
        hour: hours since ICU admission, whole or not, `hh:mm`, or a duration.
        first_hour: the number of the first hour: 0, or 1 where hours are counted from 1.
        parameter: of a long table: the column that names what was measured ...
        value: ... and the one with the value.
        static_file: the table of age, sex and the like, where it is not that of the values.
        person: who may have several stays.
        site: the hospital.
        date: the day of admission.
        age: years.
        sex: as the words of ``female`` and ``male``.
        icu_type: as the words of ``medical`` and ``surgical``.
        hours_since_hospital_admission: at ICU admission.
    """

    patient: _Name
    hour: _Name
    first_hour: Literal[0, 1] = 0
    parameter: _Name | None = None
    value: _Name | None = None
    static_file: _Name | None = None
    person: _Name | None = None
    site: _Name | None = None
    date: _Name | None = None
    age: _Name | None = None
    sex: _Name | None = None
    icu_type: _Name | None = None
    hours_since_hospital_admission: _Name | None = None
    female: tuple[str, ...] = ("female", "Female", "F", "f")
    male: tuple[str, ...] = ("male", "Male", "M", "m")
    medical: tuple[str, ...] = ("medical",)
    surgical: tuple[str, ...] = ("surgical",)


class VariablePart(_Part):
    """One variable in the files.

    Attributes:
        column: of a wide table its column, of a long one the name of its parameter; of several, the
            later one counts where both have a value in an hour.
        unit: as the files have it; the canonical one where absent.
    """

    column: _Name | tuple[_Name, ...]
    unit: _Name | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The columns, the one that counts last."""
        return (self.column,) if isinstance(self.column, str) else self.column


class Task(_Part):
    """A task; see `docs/data.md`.

    Attributes:
        name: short, for files and messages.
        outcome: in words: `death in hospital`.
        horizons: hours ahead of the three risks.
        label: the outcome.
        columns: of the files.
        variables: those that the files have, by Vigil's name, or by that of a new one.
        new_variables: definitions of variables that are none of Vigil's 34, by name; see
            ``core.own_variables.Definition``.
    """

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
    outcome: Annotated[str, Field(min_length=1, max_length=80, pattern=r"^\P{C}+$")]
    horizons: tuple[int, int, int] = (FIRST_HORIZON_HOURS, 24, 48)
    label: LabelPart
    columns: ColumnsPart
    variables: dict[str, VariablePart]
    new_variables: dict[str, dict[str, object]] = {}

    @model_validator(mode="before")
    @classmethod
    def _columns_alone(cls, content: Any) -> Any:
        """A variable may be its column alone."""
        if not isinstance(content, Mapping) or not isinstance(content.get("variables"), Mapping):
            return content
        variables = {
            name: {"column": part} if isinstance(part, str | list) else part
            for name, part in content["variables"].items()
        }
        return {**content, "variables": variables}

    @model_validator(mode="after")
    def _fits(self) -> Self:
        faults = []
        if not FIRST_HORIZON_HOURS == self.horizons[0] < self.horizons[1] < self.horizons[2]:
            faults.append(
                f"horizons are {list(self.horizons)}: they rise, and the first is "
                f"{FIRST_HORIZON_HOURS}; write `horizons = [6, 24, 48]`"
            )
        if (self.columns.parameter is None) != (self.columns.value is None):
            faults.append("columns: a long table has both, `parameter` and `value`")
        if self.label.file and not self.label.patient:
            faults.append("label: a table of its own has a column of patients; write `patient = …`")
        if not self.variables:
            faults.append(f"variables: none is named; {_EXAMPLE}")
        try:
            known = self.table
        except ValueError as error:
            faults.append(str(error))
        else:
            faults += self._variable_faults(known)
        if faults:
            raise ValueError("; ".join(faults))
        return self

    def _variable_faults(self, known: VariableTable) -> Iterator[str]:
        for name, part in self.variables.items():
            if name not in known.index:
                yield (
                    f"variables: {name!r} is none of Vigil's (docs/variables.md); {_EXAMPLE}, or "
                    f"say what it is under `[new_variables.{name}]` (docs/data.md)"
                )
                continue
            variable = known.all[known.index[name]]
            if part.unit and to_canonical(variable, 1, part.unit) is None:
                yield (
                    f"variables: {name} in {part.unit!r} cannot be converted to {variable.ucum}; "
                    "write the unit as in docs/variables.md, or a factor under its `conversions`"
                    if variable in known.own
                    else f"variables: {name} in {part.unit!r} cannot be converted to "
                    f"{variable.ucum}; write the unit as in docs/variables.md"
                )
        for variable in known.own:
            if variable.name not in self.variables:
                yield (
                    f"new_variables.{variable.name}: no column has it; write "
                    f'`{variable.name} = "…"` under [variables], or leave it out'
                )

    @property
    def table(self) -> VariableTable:
        """The 34, and behind them the new ones.

        Raises:
            ValueError: a definition is wrong; every fault with its place.
        """
        return (
            _table(json.dumps(self.new_variables, default=str)) if self.new_variables else BUILT_IN
        )

    @property
    def horizon_names(self) -> tuple[str, ...]:
        """As messages have them.

        >>> shipped().horizon_names
        ('6h', '24h', '48h')
        """
        return tuple(f"{hours}h" for hours in self.horizons)

    def to_json(self) -> Mapping[str, object]:
        """As a bundle keeps it; ``parse_task`` reads it."""
        return self.model_dump(mode="json", exclude_defaults=True)


def read_task(file: Path) -> Task:
    """Reads a task file.

    Raises:
        DataError: it cannot be read, or a line is wrong; every fault is named with its place.
    """
    try:
        content = tomllib.loads(file.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file}: cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise DataError(f"{file}: not TOML: {error}") from error
    return parse_task(content, str(file))


def parse_task(content: object, source: str) -> Task:
    """Checks the content of a task file, or the part of a bundle's manifest.

    Raises:
        DataError: every fault with its place.
    """
    try:
        return Task.model_validate(content)
    except ValidationError as error:
        faults = [
            f"{'.'.join(map(str, fault['loc'])) or 'task'}: {_plain(fault)}"
            for fault in error.errors()
        ]
        raise DataError(f"{source}: " + "; ".join(faults)) from error


@lru_cache(maxsize=64)
def _table(definitions: str) -> VariableTable:
    return VariableTable(read_own(json.loads(definitions)))


@cache
def shipped() -> Task:
    """The task of the shipped bundle."""
    return read_task(SHIPPED)


def _plain(fault: Mapping[str, Any]) -> str:
    line = f"`{fault['loc'][-1]} = …`" if fault["loc"] else ""
    match fault["type"]:
        case "missing":
            return f"is missing; write {line}"
        case "extra_forbidden":
            return f"is not known here; leave {line} out"
        case _:
            return str(fault["msg"]).removeprefix("Value error, ")
