from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.support.example_files import (
    diabetes_csv,
    many_admissions,
    quiet,
    reading_of,
)
from trainer.examples import readmission
from trainer.examples.admissions import (
    GENERATED,
    Admissions,
    generate,
)
from trainer.examples.readmission import Inputs, with_history


def test_readmission_of_a_generated_cohort(tmp_path: Path) -> None:
    text = reading_of(readmission.run(tmp_path, quiet(), patients=300, epochs=2))
    assert "of the generated cohort" in text
    assert "The cohort is invented" in text


def test_readmission_of_a_file(tmp_path: Path) -> None:
    file = diabetes_csv(tmp_path / "diabetic_data.csv", many_admissions(200))
    text = reading_of(readmission.run(tmp_path / "out", quiet(), data=file, epochs=2))
    assert "of the file" in text
    assert "invented" not in text


@pytest.fixture(scope="module")
def cohort() -> Admissions:
    return generate(4000, np.random.default_rng(0))


def test_history_looks_back_alone() -> None:
    names, nan = ("a", "b"), np.nan
    x = np.array([[1.0, nan], [3.0, 4.0], [8.0, 6.0], [5.0, 7.0]])
    cohort = Admissions(["p", "q"], np.array([0, 3, 4]), names, x, np.zeros(4, bool))
    expected: list[list[float]] = [
        [1, nan, 1, nan, nan, nan],
        [3, 4, 2, 4, 2, nan],
        [8, 6, 4, 5, 5, 2],
        [5, 7, 5, 7, nan, nan],
    ]
    np.testing.assert_allclose(with_history(cohort), expected)


def test_the_network_gets_each_admission_in_its_place(cohort: Admissions) -> None:
    part = cohort.take(np.array([5, 2]))
    inputs = Inputs.of(cohort)
    seen = inputs.sequences(part)
    lengths = np.diff(part.starts)
    np.testing.assert_array_equal(seen.lengths, lengths)
    row = int(part.starts[1])
    burden = GENERATED.index("chronic conditions")
    scaled = (part.x[row, burden] - inputs.mean[burden]) / inputs.std[burden]
    assert float(seen.x[0, 1, burden]) == pytest.approx(scaled, abs=1e-6)
    there = seen.x[0, 1, len(GENERATED) :].numpy() == 1
    np.testing.assert_array_equal(there, ~np.isnan(part.x[row, inputs.gaps]))
    assert [GENERATED[i] for i in inputs.gaps] == [
        "creatinine, mg/dL",
        "haemoglobin, g/dL",
        "sodium, mmol/L",
        "CRP, mg/L",
        "log days since the last discharge",
    ]
    assert float(seen.y[lengths[0] - 1, 0]) == part.readmitted[row - 1]
