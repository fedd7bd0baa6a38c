from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from streamer.core import features
from streamer.core.own_variables import read_own
from streamer.core.variables import BUILT_IN, INDEX, N_VARIABLES, VARIABLES, VariableTable
from tests.support.task_files import NEW_VARIABLES

OWNER = features.features_of(BUILT_IN).owner
UNKNOWN = np.full((1, 4), np.nan, np.float32)


def run(rows: list[dict[str, float]], static: features.Floats = UNKNOWN) -> features.Floats:
    """Features ``(T, F)`` of one stay."""
    memory = features.empty_memory(1)
    seen = []
    for i, row in enumerate(rows):
        values = np.array([[row.get(v.name, np.nan) for v in VARIABLES]], np.float32)
        step, memory = features.step(values, np.array([i], np.int32), static, memory)
        seen.append(step[0])
    return np.array(seen)


def feature(seen: features.Floats, name: str) -> list[float]:
    column: list[float] = seen[:, features.NAMES.index(name)].tolist()
    return column


def test_names_are_unique_and_each_variable_owns_its_own() -> None:
    assert len(set(features.NAMES)) == features.N_FEATURES == len(OWNER)
    for name, owner in zip(features.NAMES, OWNER.tolist(), strict=True):
        _, _, variable = name.partition(":")
        if variable:
            assert VARIABLES[owner].name == variable
    assert set(OWNER.tolist()) == {-1, *range(N_VARIABLES)}


def test_what_one_variable_leaves_behind() -> None:
    seen = run([{}, {"heart_rate": 80}, {}, {"heart_rate": 100}, {}])
    nan = np.nan
    expected: dict[str, NDArray[np.float64]] = {
        "value:heart_rate": np.array([nan, 80, 80, 100, 100]),
        "measured:heart_rate": np.array([0.0, 1, 0, 1, 0]),
        "log_hours_since:heart_rate": np.log1p([336, 0, 1, 0, 1]),
        "change:heart_rate": np.array([nan, nan, nan, 20, 20]),
        "log_count:heart_rate": np.log1p([0, 1, 1, 2, 2]),
        "hour": np.array([1.0, 2, 3, 4, 5]),
        "log_hour": np.log1p([1, 2, 3, 4, 5]),
    }
    for name, values in expected.items():
        # float32 of a float64 formula: one unit in the last place is 6e-8 relative
        np.testing.assert_allclose(np.array(feature(seen, name)), values, rtol=1.2e-7, err_msg=name)


def test_trends_have_the_half_lives_that_they_say() -> None:
    rows = [{"map": 60.0}] + [{"map": 100.0}] * 24
    seen = run(rows)
    trend = np.array(feature(seen, "trend:map"))
    deviation = np.array(feature(seen, "deviation:map"))
    for hours, of_slow in ((12, 0.5), (24, 0.25)):
        assert deviation[hours] == pytest.approx(40 * of_slow, rel=1e-5)  # 24 float32 steps
    fast_gap = deviation - trend  # value - fast mean
    for hours, of_fast in ((3, 0.5), (6, 0.25)):
        assert fast_gap[hours] == pytest.approx(40 * of_fast, rel=1e-5)
    assert feature(seen, "spread:map")[0] == 0
    of_new = 1 - 0.5 ** (1 / 12)  # West 1979: the new value's share, then what the old keeps
    assert feature(seen, "spread:map")[1] == pytest.approx(
        40 * np.sqrt(of_new * (1 - of_new)),
        rel=1e-6,  # a few float32 operations
    )


def test_ratios_and_logarithms() -> None:
    seen = run([{"heart_rate": 120, "sbp": 80, "dbp": 50, "spo2": 92, "fio2": 0.4,
                 "bun": 30, "creatinine": 1.5, "lactate": 4}])  # fmt: skip
    for name, value in {
        "shock_index": 1.5, "pulse_pressure": 30, "spo2_fio2": 230,
        "bun_creatinine": np.log1p(20), "value:lactate": np.log1p(4), "value:heart_rate": 120,
    }.items():  # fmt: skip
        assert feature(seen, name)[0] == pytest.approx(value, rel=2e-7), name


@pytest.mark.parametrize(
    ("static", "expected"),
    [
        ([70, 1, 0, 24], [70, 1, 1, 0, np.log1p(24)]),
        ([20, 0, 1, -5], [20, 0, 0, 1, 0]),
        ([20, 0, 2, 0], [20, 0, 0, 0, 0]),
        ([np.nan] * 4, [np.nan, np.nan, 0, 0, np.nan]),
    ],
)
def test_static_facts(static: list[float], expected: list[float]) -> None:
    seen = run([{}], np.array([static], np.float32))
    names = ("age", "sex", "medical", "surgical", "log_hours_in_hospital")
    np.testing.assert_allclose(
        [feature(seen, name)[0] for name in names],
        expected,
        rtol=1.2e-7,  # float32
    )


def test_bins_before_the_origin_and_after_two_weeks_stay_in_range() -> None:
    memory = features.empty_memory(3)
    rows = np.full((3, N_VARIABLES), np.nan, np.float32)
    bins = np.array([-48, 10_000, 2**31 - 1], np.int32)
    seen, _ = features.step(rows, bins, np.repeat(UNKNOWN, 3, 0), memory)
    assert feature(seen, "hour") == [0, 336, 336]


OWN = VariableTable(read_own(NEW_VARIABLES))


def test_features_of_the_34_are_the_same_beside_variables_of_a_task() -> None:
    wide, rows = features.features_of(OWN), random_rows(3, 12, stays=4)
    here, there = features.features_of(BUILT_IN).shared(wide)
    assert here.tolist() == [*range(features.N_FEATURES)]
    names = [wide.names[i] for i in there]
    assert names == [*features.NAMES]
    own = np.random.default_rng(0).uniform(0, 400, (12, 4, 2)).astype(np.float32)
    own[::3] = np.nan
    memory, static = wide.empty_memory(4), np.full((4, 4), 1, np.float32)
    seen = []
    for i, row in enumerate(np.concatenate([rows, own], axis=2)):
        step, memory = wide.step(row, np.full(4, i, np.int32), static, memory)
        seen.append(step)
    assert np.stack(seen)[:, :, there].tobytes() == sequence(rows).tobytes()
    moved = wide.moved_memory(memory, features.features_of(BUILT_IN))
    narrow = features.empty_memory(4)
    for i, row in enumerate(rows):
        _, narrow = features.step(row, np.full(4, i, np.int32), static, narrow)
    assert moved.tobytes() == narrow.tobytes()
    at = wide.names.index("value:procalcitonin")
    np.testing.assert_array_equal(seen[1][:, at], np.log1p(own[1, :, 0]))  # it is skewed
    assert wide.owner[at] == N_VARIABLES
    assert np.isnan(wide.never_measured()[at])
    assert wide.never_measured()[wide.names.index("log_hours_since:sodium")] == np.log1p(
        np.float32(336)
    )


def random_rows(seed: int, hours: int, stays: int = 1) -> features.Floats:
    rng = np.random.default_rng(seed)
    low = np.array([v.low for v in VARIABLES])
    high = np.array([v.high for v in VARIABLES])
    rows = rng.uniform(low, high, (hours, stays, N_VARIABLES)).astype(np.float32)
    rows[rng.random(rows.shape) < 0.6] = np.nan
    return rows


def sequence(rows: features.Floats) -> features.Floats:
    memory = features.empty_memory(rows.shape[1])
    static = np.full((rows.shape[1], 4), 1, np.float32)
    seen = []
    for i, row in enumerate(rows):
        step, memory = features.step(row, np.full(len(row), i, np.int32), static, memory)
        seen.append(step)
    return np.stack(seen)


@pytest.mark.parametrize("at", [0, 7, 19])
def test_the_future_does_not_change_the_past(at: int) -> None:
    rows = random_rows(0, 20)
    other = rows.copy()
    other[at:] = random_rows(1, 20)[at:]
    one, two = sequence(rows), sequence(other)
    assert one[:at].tobytes() == two[:at].tobytes()
    assert not np.array_equal(one[at], two[at], equal_nan=True)


def test_a_stay_is_the_same_bits_in_any_batch() -> None:
    rows = random_rows(2, 12, stays=67)
    together = sequence(rows)
    for stays in (slice(0, 1), slice(5, 13), slice(30, 67)):
        assert sequence(rows[:, stays].copy()).tobytes() == together[:, stays].tobytes()


@pytest.mark.parametrize("hours", [1, 48, 400])
def test_silent_hours_at_once_are_those_of_one_by_one(hours: int) -> None:
    memory, static = features.empty_memory(5), np.repeat(UNKNOWN, 5, 0)
    for row in random_rows(4, 6, stays=5):
        _, memory = features.step(row, np.zeros(5, np.int32), static, memory)
    bins = np.arange(5, dtype=np.int32) * 50 - 60
    at_once, after = features.step_silence(hours, bins, static, memory)
    nothing = np.full((5, N_VARIABLES), np.nan, np.float32)
    for hour, seen in enumerate(at_once.reshape(hours, 5, -1)):
        expected, memory = features.step(nothing, bins + np.int32(hour), static, memory)
        assert seen.tobytes() == expected.tobytes()
    assert after.tobytes() == memory.tobytes()


def test_memory_is_an_argument_and_is_not_changed() -> None:
    rows = random_rows(3, 1, stays=4)[0]
    memory = features.empty_memory(4)
    before = memory.tobytes()
    features.step(rows, np.zeros(4, np.int32), np.repeat(UNKNOWN, 4, 0), memory)
    assert memory.tobytes() == before


def test_limits_give_finite_features() -> None:
    for limit in ("low", "high"):
        row = {v.name: float(getattr(v, limit)) for v in VARIABLES}
        seen = run([row, row], np.array([[120, 1, 0, 87_840]], np.float32))
        assert np.isfinite(seen[1]).all()


def test_indices_of_ratios_stand_where_names_say() -> None:
    assert OWNER[features.NAMES.index("shock_index")] == INDEX["heart_rate"]
    assert OWNER[features.NAMES.index("spo2_fio2")] == INDEX["fio2"]


def test_vital_signs_are_neighbours_in_the_table_so_a_slice_takes_them() -> None:
    vital = np.array([variable.is_vital for variable in VARIABLES])
    assert vital[features._VITALS].all()
    assert vital[features._VITALS].sum() == vital.sum()
