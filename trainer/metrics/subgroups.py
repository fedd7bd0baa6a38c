"""Subgroups of the patients, so that no group is hidden in an average."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamer.datasets.cohort import Cohort

AGE_BANDS: Final = ((0, 45), (45, 65), (65, 80), (80, 200))
"""Years, the first included and the second not. On the public data each band has 50 or more septic
test stays."""

LEAST_SEPTIC: Final = 5
"""With fewer septic stays a figure means nothing, and its interval hardly more."""


def subgroups(cohort: Cohort) -> dict[str, NDArray[np.int64]]:
    """Stays ``(n,)`` of each sex, age band and unit with at least ``LEAST_SEPTIC`` septic ones.

    Those of whom it is unknown are groups, too: of two in five public stays nobody wrote the unit.
    """
    groups: dict[str, NDArray[np.bool_]] = {sex: cohort.sex == sex for sex in ("female", "male")}
    for low, high in AGE_BANDS:
        name = f"under {high}" if low == 0 else f"{low} and over" if high == 200 else None
        band = (cohort.age >= low) & (cohort.age < high)
        groups[f"age {name or f'{low} to {high - 1}'}"] = band
    for kind in ("medical", "surgical"):
        groups[f"{kind} unit"] = cohort.icu_type == kind
    unknown = {
        "sex": ~(groups["female"] | groups["male"]),
        "age": np.isnan(cohort.age),
        "unit": ~(groups["medical unit"] | groups["surgical unit"]),
    }
    groups |= {f"{what} unknown": who for what, who in unknown.items() if not who.all()}
    septic = cohort.septic
    return {
        name: np.flatnonzero(chosen)
        for name, chosen in groups.items()
        if septic[chosen].sum() >= LEAST_SEPTIC
    }
