"""The split of patients: each is on one side, train, validation or test, never on two."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from trainer.archive.stay_ids import DEFAULT_SALT, POSITIONS, archived, fraction_of

Side: TypeAlias = Literal["train", "validation", "test"]
SIDES: Final[tuple[Side, ...]] = ("train", "validation", "test")

FRACTIONS: Final = (0.70, 0.15, 0.15)
"""15 % of 32,000 stays hold some 350 septic ones: utility to about 0.02 either way."""


def side_of(
    patient_id: str,
    salt: str = DEFAULT_SALT,
    fractions: tuple[float, float, float] = FRACTIONS,
    turn: float = 0.0,
) -> Side:
    """The side of a patient: depends on the id and the salt alone.

    A patient who was once in the test set stays there, whatever other patients are in the files,
    today or after the next download. An archived stay is on the side of its patient. ``turn`` moves
    everybody's position on, around the end: folds are one split, turned.

    >>> side_of("p000001") == side_of("p000001")
    True
    """
    position = _position(patient_id, salt)
    if turn:
        position = (position + turn) % 1
    if position < fractions[0]:
        return "train"
    return "validation" if position < fractions[0] + fractions[1] else "test"


def _position(patient_id: str, salt: str) -> float:
    kept = archived(patient_id)
    if kept is not None and salt != DEFAULT_SALT:
        raise ValueError(f"archived stays are split under the salt {DEFAULT_SALT!r} alone")
    return fraction_of(patient_id, salt) if kept is None else kept[1] / POSITIONS


DECIDING_OF_THREE: Final = 2
"""Of three test patients two decide. A decision needs more patients than a figure: 10 % of 32,000
stays hold some 230 septic ones, with which an equal model passes three of four times."""


def decides(owner: str, salt: str = DEFAULT_SALT) -> bool:
    """Whether a patient of the test side belongs to the deciding side.

    These patients decide promotions and serve for nothing else: a model that was chosen by some
    patients has a flattering figure on them. The position in the split says so, which an archive
    keeps: a patient decides under a pseudonym as under the id.
    """
    return int(_position(owner, salt) * POSITIONS) % 3 < DECIDING_OF_THREE


@dataclass(frozen=True, slots=True)
class Split:
    """Indices of the stays on each side, ascending."""

    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]

    def side(self, side: Side) -> NDArray[np.int64]:
        """(n,) indices of the stays of one side."""
        return {"train": self.train, "validation": self.validation, "test": self.test}[side]

    def deciding_apart(
        self, owners: Sequence[str], salt: str
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The test side without the patients that decide promotions, and these."""
        deciding = np.array([decides(owners[i], salt) for i in self.test.tolist()], np.bool_)
        return self.test[~deciding], self.test[deciding]


def split_patients(
    patient_ids: Sequence[str],
    salt: str = DEFAULT_SALT,
    fractions: tuple[float, float, float] = FRACTIONS,
    turn: float = 0.0,
) -> Split:
    """Splits stays by the hash of their patient id.

    Args:
        patient_ids: N ids.
        salt: another salt is another split.
        fractions: of train, validation and test.
        turn: by how much the positions are turned.

    Raises:
        ValueError: fractions that are negative or do not add up to 1.
    """
    if min(fractions) < 0 or abs(sum(fractions) - 1) > 1e-9:
        raise ValueError(f"the fractions {fractions} must be 0 or more and add up to 1")
    sides = np.array(
        [side_of(patient, salt, fractions, turn) for patient in patient_ids], dtype=np.str_
    )
    return Split(*(np.flatnonzero(sides == side) for side in SIDES))
