from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from streamer.core.variables import BUILT_IN, HIGH, INDEX, LOW, N_VARIABLES, VARIABLES
from streamer.datasets.cohort import Cohort
from trainer.data.dataset import Material, build_features, fit_scaling
from trainer.data.split import split_patients
from trainer.data.windows import window_features, window_names

LENGTHS = (31, 1, 2, 9, 40)
VITALS = [variable.name for variable in VARIABLES if variable.is_vital]


@pytest.fixture(scope="module")
def material() -> Material:
    """Stays of one to forty hours; variables from nearly always to hardly ever measured."""
    draws = np.random.default_rng(5)
    starts = np.concatenate([[0], np.cumsum(LENGTHS)])
    n_rows, n = int(starts[-1]), len(LENGTHS)
    share = np.linspace(0.05, 0.95, N_VARIABLES)
    values = np.where(
        draws.random((n_rows, N_VARIABLES)) < share[::-1],
        draws.uniform(LOW, HIGH, (n_rows, 34)),
        np.nan,
    ).astype(np.float32)
    cohort = Cohort(
        [f"p{i}" for i in range(n)],
        starts,
        values,
        np.concatenate([np.arange(1, length + 1) for length in LENGTHS]).astype(np.int32),
        np.zeros(n_rows, np.int8),
        np.full(n, 60, np.float32),
        np.full(n, "male"),
        np.full(n, "surgical"),
        np.full(n, 5, np.float32),
    )
    built = build_features(cohort)
    scaling = fit_scaling(built, np.ones(n_rows, bool))
    return Material(cohort, built, scaling, split_patients(cohort.patient_ids))


@pytest.fixture(scope="module")
def features(material: Material) -> dict[str, NDArray[np.float32]]:
    table = window_features(material, np.arange(len(LENGTHS)))
    assert table.shape == (sum(LENGTHS), 539)
    columns = dict(zip(window_names(BUILT_IN), table.T, strict=True))
    assert len(columns) == table.shape[1], "two have one name"
    return columns


def charted(material: Material, name: str) -> list[NDArray[np.float64]]:
    """The variable in each stay, FiO2 in its unit already."""
    column = material.cohort.values[:, INDEX[name]].astype(np.float64)
    return [column[material.cohort.rows(i)] for i in range(len(LENGTHS))]


def carried(stay: NDArray[np.float64]) -> list[float]:
    """Last known values, the slow way."""
    last, out = float("nan"), []
    for value in stay.tolist():
        last = last if np.isnan(value) else value
        out.append(last)
    return out


@pytest.mark.parametrize("name", VITALS)
@pytest.mark.parametrize("hours", [6, 12, 24])
def test_statistics_of_a_vital_sign(
    material: Material, features: dict[str, NDArray[np.float32]], name: str, hours: int
) -> None:
    expected = []
    for stay in charted(material, name):
        known = carried(stay)
        for row in range(len(known)):
            window = [v for v in known[max(row - hours + 1, 0) : row + 1] if not np.isnan(v)]
            expected.append(
                [min(window), max(window), float(np.mean(window)), float(np.std(window))]
                if window
                else [np.nan] * 4
            )
    statistics = [features[f"{what}_{hours}h:{name}"] for what in ("min", "max", "mean", "sd")]
    np.testing.assert_allclose(np.column_stack(statistics), expected, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("hours", [1, 3, 6, 12, 23])
def test_changes_of_a_vital_sign(
    material: Material, features: dict[str, NDArray[np.float32]], hours: int
) -> None:
    expected = []
    for stay in charted(material, "map"):
        known = carried(stay)
        expected += [
            known[row] - known[row - hours] if row >= hours else np.nan for row in range(len(known))
        ]
    np.testing.assert_allclose(features[f"change_{hours}h:map"], expected, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("name", ["heart_rate", "ph", "creatinine", "wbc", "platelets"])
def test_extremes_mean_and_counts_so_far(
    material: Material, features: dict[str, NDArray[np.float32]], name: str
) -> None:
    expected = []
    for stay in charted(material, name):
        for row in range(len(stay)):
            seen = stay[: row + 1][~np.isnan(stay[: row + 1])]
            three = [seen.min(), seen.max(), seen.mean()] if len(seen) else [np.nan] * 3
            if VARIABLES[INDEX[name]].log_scale:
                three = np.log1p(three).tolist()
            recent = [(~np.isnan(stay[max(row - h + 1, 0) : row + 1])).sum() for h in (8, 24)]
            expected.append([*three, *recent])
    names = ("lowest", "highest", "mean", "measured_8h", "measured_24h")
    statistics = np.column_stack([features[f"{what}:{name}"] for what in names])
    np.testing.assert_allclose(statistics, expected, rtol=1e-4, atol=1e-4)


def test_laboratory_work_and_ratios(
    material: Material, features: dict[str, NDArray[np.float32]]
) -> None:
    labs = [i for i, variable in enumerate(VARIABLES) if not variable.is_vital]
    row = material.cohort.rows(4).start + 30
    values = material.cohort.values[material.cohort.rows(4)][:31, labs]
    stay: NDArray[np.bool_] = np.isfinite(values)
    assert features["labs_now"][row] == stay[30].sum()
    assert features["labs_8h"][row] == stay[23:].sum()
    assert features["labs_per_hour"][row] == pytest.approx(stay.sum() / 31)
    busy = np.flatnonzero(stay.any(axis=1))
    assert features["hours_since_any_lab"][row] == 30 - busy[-1]
    creatinine = charted(material, "creatinine")[4][:31]
    ratio = carried(creatinine)[-1] / np.nanmin(creatinine)
    assert features["creatinine_lowest"][row] == pytest.approx(ratio, rel=1e-5)
    pulse, sbp = (np.mean(carried(charted(material, n)[4])[25:31]) for n in ("heart_rate", "sbp"))
    assert features["shock_index_6h"][row] == pytest.approx(pulse / sbp, rel=1e-4)


def test_the_rise_of_sofa_is_above_its_lowest_of_a_day(
    material: Material, features: dict[str, NDArray[np.float32]]
) -> None:
    organs = sum(
        features[f"sofa:{o}"] for o in ("coagulation", "liver", "circulation", "kidneys", "lungs")
    )
    np.testing.assert_array_equal(features["sofa"], organs)
    for i in range(len(LENGTHS)):
        sofa = features["sofa"][material.cohort.rows(i)]
        rise = [sofa[row] - sofa[max(row - 23, 0) : row + 1].min() for row in range(len(sofa))]
        assert features["sofa_rise"][material.cohort.rows(i)].tolist() == rise
