from __future__ import annotations

from streamer.core.columns import Record
from streamer.service.lag import QUIET_S, Lag

NOW = 1_800_000_000.0


def record(partition: int, age_s: float) -> Record:
    return Record(partition, 0, round((NOW - age_s) * 1000), b"p", b"{}")


def lag() -> tuple[Lag, list[float]]:
    """A lag and its clock: the last of the times is now."""
    times = [NOW]
    return Lag(lambda: times[-1]), times


def test_of_a_partition_without_an_answer_nothing_is_said() -> None:
    seen, _ = lag()
    seen.observe([0, 1], {1: 0}, [])
    assert seen.records() == {"1": 0}
    assert seen.seconds() == {"1": 0}


def test_behind_it_is_the_age_of_the_newest_record_taken() -> None:
    seen, times = lag()
    seen.observe([0, 1], {0: 500, 1: 0}, [record(0, 900), record(0, 600), record(1, 3_000)])
    assert seen.records() == {"0": 500, "1": 0}
    assert seen.seconds() == {"0": 600, "1": 0}, "where all is read the last record may be old"
    times.append(NOW + 2)
    assert seen.seconds() == {"0": 602, "1": 0}
    seen.observe([0, 1], {}, [record(0, 100)])  # nobody has asked how much is left
    assert seen.records() == {"0": 500, "1": 0}
    assert seen.seconds()["0"] == 102


def test_without_an_answer_for_a_while_it_grows() -> None:
    seen, times = lag()
    seen.observe([0], {0: 0}, [record(0, 1)])
    times.append(NOW + QUIET_S)
    assert seen.seconds() == {"0": 0}
    times.append(NOW + QUIET_S + 100)
    assert seen.seconds() == {"0": QUIET_S + 100}
    seen.observe([0], {0: 0}, [])
    assert seen.seconds() == {"0": 0}


def test_what_is_lost_is_forgotten() -> None:
    seen, _ = lag()
    seen.observe([0, 1], {0: 3, 1: 4}, [record(0, 5), record(1, 6)])
    seen.observe([1], {}, [])
    assert seen.records() == {"1": 4}


def test_a_record_stamped_ahead_is_no_negative_lag() -> None:
    seen, _ = lag()
    seen.observe([0], {0: 1}, [record(0, -30)])
    assert seen.seconds() == {"0": 0}
