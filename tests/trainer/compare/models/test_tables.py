from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.support.compare_task import task_of
from tests.support.synthetic_cohort import learnable_file
from trainer.data.cohort import load_cohort
from trainer.data.windows import window_features


def test_tables_do_not_depend_on_how_stays_are_cut(tmp_path: Path) -> None:
    cohort = load_cohort([learnable_file(tmp_path, 24)])
    material = task_of(cohort).material
    together = window_features(material, np.arange(24))
    alone = np.concatenate([window_features(material, np.array([i])) for i in range(24)])
    np.testing.assert_allclose(alone, together, rtol=1e-4, atol=1e-4)
