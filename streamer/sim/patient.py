"""A simulated patient: traits that are the same in each of the patient's stays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# Percentiles of age in the public PhysioNet 2019 data: 1, 5, 25, 50, 75, 95, 99 %.
_AGE_AT: Final = (0.0, 0.01, 0.05, 0.25, 0.50, 0.75, 0.95, 1.0)
_AGE_YEARS: Final = (18.0, 21.0, 31.0, 51.0, 64.0, 75.0, 86.0, 93.0)
_MALE_SHARE: Final = 0.56

# Organs whose chronic function shifts several laboratory values together.
ORGANS: Final = ("kidney", "liver", "marrow", "lung")
# Random effects of the vitals, in standard deviations.
EFFECTS: Final = ("heart", "pressure", "pulse_pressure", "breathing", "warmth", "volatility")
# Invented people, for the ward's board: a name is easier to find again than a number.
_SURNAMES: Final = (
    "Abel", "Bruno", "Castell", "Dahl", "Eriksen", "Farkas", "Grieg", "Haddad", "Ivanov", "Jansen",
    "Kowal", "Lind", "Moreau", "Novak", "Okafor", "Petrov", "Quist", "Rossi", "Silva", "Tanaka",
    "Ueda", "Varga", "Weber", "Yilmaz", "Zeman", "O'Neill", "Park", "Said", "Vogel",
)  # fmt: skip
_INITIALS: Final = "ABCDEFGHIJKLMNOPRSTUVWZ"


@dataclass(frozen=True, slots=True)
class Patient:
    """A patient's deviations from the ward's average.

    ``effects`` and ``organs`` are standard normal deviates, in the order of :data:`EFFECTS` and
    :data:`ORGANS` (positive = worse function); ``labs`` one for each modelled laboratory value.
    """

    number: int
    age: int
    sex: str
    effects: Array  # (len(EFFECTS),)
    organs: Array  # (len(ORGANS),)
    labs: Array  # (N_LABS,)

    @property
    def patient_id(self) -> str:
        """The key of the patient's messages, such as ``sim-000123``."""
        return f"sim-{self.number:06d}"

    @property
    def label(self) -> str:
        """An invented name, such as ``Dahl, K.``; it follows from the number."""
        surname = _SURNAMES[self.number % len(_SURNAMES)]
        return f"{surname}, {_INITIALS[self.number * 7 % len(_INITIALS)]}."


def draw_patient(rng: np.random.Generator, number: int, n_labs: int) -> Patient:
    """Draws a new patient; ``n_labs`` is the number of modelled laboratory values."""
    return Patient(
        number=number,
        age=int(np.interp(rng.random(), _AGE_AT, _AGE_YEARS)),
        sex="male" if rng.random() < _MALE_SHARE else "female",
        effects=rng.standard_normal(len(EFFECTS)),
        organs=rng.standard_normal(len(ORGANS)),
        labs=rng.standard_normal(n_labs),
    )
