from __future__ import annotations

import numpy as np
import pytest

from tests.support.paths import DATA
from trainer.data.cohort import load_cohort
from trainer.data.finding import Kind
from trainer.data.report import DataReport


@pytest.mark.skipif(not DATA.is_dir(), reason="the PhysioNet files are not here")
def test_the_public_data_as_they_are_have_no_warning() -> None:
    cohort = load_cohort([DATA / "cinc2019"])
    for site in ("A", "B"):
        stays = cohort.take(np.flatnonzero(cohort.sites == site)[::4])
        (note,) = DataReport.of(stays).findings
        assert note.kind is Kind.NOTE
        assert "no column `person`" in note.text
