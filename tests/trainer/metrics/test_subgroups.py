from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from tests.support.synthetic_cohort import learnable_file
from trainer.data.cohort import load_cohort
from trainer.metrics.subgroups import subgroups


def test_no_stay_is_hidden_for_what_is_unknown_of_it(tmp_path: Path) -> None:
    cohort = load_cohort([learnable_file(tmp_path, 80)])
    gone = np.arange(len(cohort)) % 2 == 1
    cohort = replace(
        cohort,
        sex=np.where(gone, "unknown", cohort.sex),
        age=np.where(gone, np.float32(np.nan), cohort.age),
        icu_type=np.where(gone, "unknown", "medical"),
    )
    nobody_wrote = replace(cohort, icu_type=np.full(len(cohort), "unknown"))
    assert not [name for name in subgroups(nobody_wrote) if "unit" in name]  # it is all of them
    groups = subgroups(cohort)
    for kind in ("sex", "age", "unit"):
        np.testing.assert_array_equal(groups[f"{kind} unknown"], np.flatnonzero(gone))
    named = ("female", "male", "sex unknown")
    np.testing.assert_array_equal(
        np.sort(np.concatenate([groups[name] for name in named])), np.arange(len(cohort))
    )
