"""Rules of a split: by a hash of the person, by folds of it, by a file, by date.

Whatever the rule, all stays of one person are on one side. A bundle's manifest keeps its rule, so
`trainer evaluate --split test` measures on the same side; what a file says is not kept, since it
names patients, and the file has to be named again.
"""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from streamer.bundles.manifest import SplitPart
from streamer.datasets.cohort import Cohort, DataError
from trainer.archive.stay_ids import DEFAULT_SALT
from trainer.data.split import FRACTIONS, SIDES, Side, Split, split_patients
from trainer.errors import InputError, NothingToEvaluate

Fractions = tuple[float, float, float]

LEAST_FOLDS: Final = 3
"""One is test, one validation, and one at least is left to learn from."""
_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
_PATIENT_NAMES: Final = ("person", "patient", "patient_id")
_SIDE_NAME: Final = "side"


class SplitRule(Protocol):
    """How stays are divided into sides."""

    def split(self, cohort: Cohort) -> Split:
        """Divides stays; all stays of one person are on one side."""

    def to_json(self) -> SplitPart:
        """The manifest's part."""

    @property
    def words(self) -> str:
        """How sides were found, for people."""


@dataclass(frozen=True, slots=True)
class ByHash:
    """By a hash of the person: the same side for ever, whatever other patients are in the files.

    Attributes:
        salt: another salt is another split.
        fractions: of train, validation and test.
        turn: by how much the positions are turned; of K folds, fold k is turned by k / K.
    """

    salt: str = DEFAULT_SALT
    fractions: Fractions = FRACTIONS
    turn: float = 0.0

    def split(self, cohort: Cohort) -> Split:
        """Divides stays by the hash of their person."""
        return split_patients(cohort.owners, self.salt, self.fractions, self.turn)

    def to_json(self) -> SplitPart:
        """The manifest's part."""
        part: SplitPart = {"salt": self.salt, "fractions": list(self.fractions)}
        return {**part, "turn": self.turn} if self.turn else part

    @property
    def words(self) -> str:
        """How sides were found."""
        return "by a hash of the patient id" + ", a fold of it" * bool(self.turn)


@dataclass(frozen=True, slots=True)
class ByFile:
    """By a file that names the side of each person or patient.

    Attributes:
        sides: by person or patient id.
        sha256: of the file.
    """

    sides: Mapping[str, Side]
    sha256: str

    @classmethod
    def read(cls, file: Path) -> ByFile:
        """Reads a CSV file of the columns `patient` (or `person`) and `side`.

        Raises:
            DataError: it cannot be read, lacks a column, or puts somebody on two sides.
        """
        try:
            content = file.read_bytes()
            rows = list(csv.DictReader(content.decode("utf-8-sig").splitlines()))
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise DataError(f"{file}: not a readable CSV file: {error}") from error
        names = list(rows[0]) if rows else []
        id_name = next((name for name in _PATIENT_NAMES if name in names), None)
        if id_name is None or _SIDE_NAME not in names:
            raise DataError(
                f"{file}: expected the columns {_PATIENT_NAMES[1]} (or {_PATIENT_NAMES[0]}) and "
                f"{_SIDE_NAME}, not {', '.join(map(str, names)) or 'an empty file'}; a row is such "
                "as `p000001,test`"
            )
        sides: dict[str, Side] = {}
        for line, row in enumerate(rows, 2):
            name, side = row[id_name], row[_SIDE_NAME]
            if side not in SIDES:
                raise DataError(f"{file}, line {line}: side is {side!r}, not {', '.join(SIDES)}")
            if sides.setdefault(name, cast(Side, side)) != side:
                raise DataError(f"{file}, line {line}: {name} is on two sides")
        return cls(sides, hashlib.sha256(content).hexdigest())

    def split(self, cohort: Cohort) -> Split:
        """Divides stays; a person's side counts, or else that of the patient id.

        Raises:
            DataError: a stay is not in the file, or two stays of one person are on two sides.
        """
        owners = cohort.owners
        pairs = zip(owners, cohort.patient_ids, strict=True)
        sides = [self.sides.get(owner) or self.sides.get(patient) for owner, patient in pairs]
        without = [p for p, side in zip(cohort.patient_ids, sides, strict=True) if side is None]
        if without:
            raise DataError(
                f"the split file has no side of {len(without)} of {len(cohort)} stays, such as "
                f"{without[0]}"
            )
        by_owner: dict[str, str | None] = {}
        for owner, side in zip(owners, sides, strict=True):
            if by_owner.setdefault(owner, side) != side:
                raise DataError(f"the split file puts two stays of {owner} on two sides")
        return _of_sides(np.array(sides, np.str_))

    def to_json(self) -> SplitPart:
        """The manifest's part."""
        return {**ByHash().to_json(), "file_sha256": self.sha256}

    @property
    def words(self) -> str:
        """How sides were found."""
        return "by a file"


@dataclass(frozen=True, slots=True)
class ByDate:
    """By the date of a person's first stay: later patients test what earlier ones taught.

    Attributes:
        validation_from: ISO date; whoever came before is a training patient.
        test_from: ISO date; whoever came from then on is a test patient.
    """

    validation_from: str
    test_from: str

    @classmethod
    def parse(cls, text: str) -> ByDate:
        """Reads `DATE,DATE`.

        Raises:
            InputError: these are not two dates that rise.
        """
        dates = [part.strip() for part in text.split(",")]
        if len(dates) != 2 or not all(map(_DATE.fullmatch, dates)) or dates[0] >= dates[1]:
            raise InputError(
                f"{text!r} is not two dates, the first of validation and the first of test, such "
                "as 2022-01-01,2022-07-01"
            )
        return cls(*dates)

    def split(self, cohort: Cohort) -> Split:
        """Divides stays.

        Raises:
            DataError: a stay has no date.
        """
        dates = np.full(len(cohort), "") if cohort.dates is None else cohort.dates
        wrong = [i for i, date in enumerate(dates.tolist()) if not _DATE.match(date)]
        if wrong:
            raise DataError(
                f"{len(wrong)} of {len(cohort)} stays have no date, such as "
                f"{cohort.patient_ids[wrong[0]]}: a split by date needs a column `date` with the "
                "day of admission, such as 2022-03-31"
            )
        first: dict[str, str] = {}
        for owner, date in zip(cohort.owners, dates.tolist(), strict=True):
            first[owner] = min(first.get(owner, date), date)
        begins = np.array([first[owner][:10] for owner in cohort.owners], np.str_)
        sides = np.where(begins < self.validation_from, SIDES[0], SIDES[1])
        return _of_sides(np.where(begins < self.test_from, sides, SIDES[2]))

    def to_json(self) -> SplitPart:
        """The manifest's part."""
        return {**ByHash().to_json(), "dates": [self.validation_from, self.test_from]}

    @property
    def words(self) -> str:
        """How sides were found."""
        return f"by date, from {self.test_from} on for test"


def fold(salt: str, k: int, n_folds: int) -> ByHash:
    """The rule of one of K folds: each person is a test patient in exactly one of them."""
    return ByHash(salt, (1 - 2 / n_folds, 1 / n_folds, 1 / n_folds), k / n_folds)


def rule_of(part: object) -> SplitRule:
    """The rule that a manifest's `split` names.

    Raises:
        NothingToEvaluate: there is none, or it was a file's.
    """
    if not isinstance(part, dict):
        raise NothingToEvaluate("this bundle does not say how its patients were split")
    kept = cast(SplitPart, part)
    if "file_sha256" in kept:
        raise NothingToEvaluate(
            "this bundle was split by a file, and keeps no patient of it: name the file with "
            "`trainer evaluate --split-file`"
        )
    if "dates" in kept:
        return ByDate(*kept["dates"])
    low, middle, high = kept["fractions"]
    return ByHash(kept["salt"], (low, middle, high), kept.get("turn", 0.0))


def _of_sides(sides: NDArray[np.str_]) -> Split:
    return Split(*(np.flatnonzero(sides == side) for side in SIDES))
