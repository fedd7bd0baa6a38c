from __future__ import annotations

import pytest

from streamer.core.records import Record
from streamer.service.lag import QUIET_S, Lag

NOW = 1_800_000_000.0


def record(partition: int, age_s: float) -> Record:
    return Record(partition, 0, round((NOW - age_s) * 1000), b"p", b"{}")


def lag() -> tuple[Lag, list[float]]:
    """A lag and its clock: the last of the times is now."""
    times = [NOW]
    return Lag(lambda: times[-1], lambda: times[-1]), times


def test_a_partition_without_a_report_has_no_lag() -> None:
    seen, _ = lag()
    seen.observe([0, 1], {1: 0}, [])
    assert seen.records() == {"1": 0}
    assert seen.seconds() == {"1": 0}


def test_the_lag_in_seconds_is_the_age_of_the_newest_record_taken() -> None:
    seen, times = lag()
    seen.observe([0, 1], {0: 500, 1: 0}, [record(0, 900), record(0, 600), record(1, 3_000)])
    assert seen.records() == {"0": 500, "1": 0}
    assert seen.seconds() == {"0": 600, "1": 0}, "where all is read the last record may be old"
    times.append(NOW + 2)
    assert seen.seconds() == {"0": 602, "1": 0}
    seen.observe([0, 1], {}, [record(0, 100)])  # nobody has asked how much is left
    assert seen.records() == {"0": 500, "1": 0}
    assert seen.seconds()["0"] == 102


def test_without_a_report_for_a_while_the_lag_grows() -> None:
    seen, times = lag()
    seen.observe([0], {0: 0}, [record(0, 1)])
    times.append(NOW + QUIET_S)
    assert seen.seconds() == {"0": 0}
    times.append(NOW + QUIET_S + 100)
    assert seen.seconds() == {"0": QUIET_S + 100}
    seen.observe([0], {0: 0}, [])
    assert seen.seconds() == {"0": 0}


@pytest.mark.parametrize("set_by_s", [-7_200, 7_200])
def test_a_clock_that_is_set_is_no_silence_of_the_log(set_by_s: float) -> None:
    wall_s, now = [NOW], [0.0]
    seen = Lag(lambda: wall_s[0], lambda: now[0])
    seen.observe([0], {0: 0}, [record(0, 1)])
    wall_s[0] += set_by_s
    assert seen.seconds() == {"0": 0}
    now[0] += QUIET_S + 5
    assert seen.seconds() == {"0": QUIET_S + 5}


def test_all_is_read_only_where_the_log_has_said_so_since() -> None:
    seen, times = lag()
    assert seen.is_read_since(NOW), "it has no partition"
    seen.observe([0, 1], {0: 0}, [])
    assert not seen.is_read_since(NOW), "nobody knows the end of one"
    seen.observe([0, 1], {1: 2}, [])
    assert not seen.is_read_since(NOW)
    times.append(NOW + 1)
    seen.observe([0, 1], {1: 0}, [])
    assert seen.is_read_since(NOW)
    assert not seen.is_read_since(NOW + 1), "what was said of the other is older"


def test_a_lost_partition_is_forgotten() -> None:
    seen, _ = lag()
    seen.observe([0, 1], {0: 3, 1: 4}, [record(0, 5), record(1, 6)])
    seen.observe([1], {}, [])
    assert seen.records() == {"1": 4}


def test_a_record_stamped_ahead_gives_a_lag_of_zero() -> None:
    seen, _ = lag()
    seen.observe([0], {0: 1}, [record(0, -30)])
    assert seen.seconds() == {"0": 0}
