"""Real stays with late laboratory results: up to 48 hours late changes no closed hour."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from bench.parity import TOLERANCE, offline_risks
from streamer.bundles import bundle
from streamer.bundles.build import build
from streamer.core.hour_ring import LATE_BINS
from streamer.core.time import HOUR_MS
from streamer.core.variables import INDEX, VARIABLES
from streamer.datasets.cohort import Cohort, site
from streamer.feeds.replay import replay
from tests.support.event_stream import MINUTE_MS, ORIGIN_MS, Event, Stream
from tests.support.paths import DATA
from trainer.data.cohort import load_cohort

CINC2019 = DATA / "cinc2019"
pytestmark = pytest.mark.skipif(not CINC2019.exists(), reason="the real ICU data is not here")

LONGEST, OTHERS = 4, 16  # of each hospital: long ones outgrow the ring of 48 hours
MOST_HOURS = 120  # longer ones take longer and show nothing more
CLOSING_HOURS = 41  # after the last row: later than any result, and in the ring still

StayHour = tuple[str, int]  # patient, hour bin
Delay = Callable[[np.random.Generator], float]  # hours


@dataclass(frozen=True)
class Arrival:
    """An event, when it arrives, and the hour bin that it is about."""

    event: Event
    at_ms: int
    bin_: int
    is_late: bool = False

    @property
    def hour(self) -> StayHour:
        return self.event["patient_id"], self.bin_


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    everyone = load_cohort([CINC2019])
    chosen: list[int] = []
    for hospital in ("A", "B"):
        here = np.array([site(patient) == hospital for patient in everyone.patient_ids])
        stays = np.flatnonzero(here & (everyone.lengths <= MOST_HOURS))
        by_length = stays[np.argsort(everyone.lengths[stays], kind="stable")]
        spread = np.linspace(0, len(by_length) - 1 - LONGEST, OTHERS).astype(int)
        chosen += [*by_length[-LONGEST:].tolist(), *by_length[spread].tolist()]
    return everyone.take(np.array(chosen))


@pytest.fixture(scope="module")
def expected(cohort: Cohort) -> dict[StayHour, float]:
    """The trainer's risks of the same rows."""
    return offline_risks(cohort)


def rows(cohort: Cohort, *, discharged: bool = False) -> Iterator[Arrival]:
    """The stays as they happened: admissions, hour rows, and perhaps discharges."""
    for message in replay(cohort, ORIGIN_MS):
        kept = ("admission", "observation", "discharge") if discharged else (
            "admission", "observation",
        )  # fmt: skip
        if message.value["type"] in kept:
            bin_ = (message.due_ms - ORIGIN_MS) // HOUR_MS
            yield Arrival(message.value, message.due_ms, bin_)


def with_late_results(in_time: Sequence[Arrival], delay: Delay, seed: int = 1) -> list[Arrival]:
    """The same events in order of arrival, the laboratory results of each hour after a delay."""
    draws = np.random.default_rng(seed)
    arrivals = []
    for row in in_time:
        values: dict[str, float] = row.event.get("values", {})
        results = {n: v for n, v in values.items() if not VARIABLES[INDEX[n]].is_vital}
        if not results:
            arrivals.append(row)
            continue
        vitals = {name: value for name, value in values.items() if name not in results}
        arrivals.append(Arrival({**row.event, "values": vitals}, row.at_ms, row.bin_))
        at_ms = row.at_ms + round(delay(draws) * HOUR_MS)
        late = {**row.event, "values": results}
        arrivals.append(Arrival(late, at_ms, row.bin_, is_late=True))
    return sorted(arrivals, key=lambda arrival: arrival.at_ms)


def closing(cohort: Cohort) -> list[Arrival]:
    """An empty observation of each patient, long after the last row."""
    arrivals = []
    for i, patient in enumerate(cohort.patient_ids):
        bin_ = int(cohort.iculos[cohort.rows(i)][-1]) - 1 + CLOSING_HOURS
        time_ms = ORIGIN_MS + bin_ * HOUR_MS
        event = {"type": "observation", "patient_id": patient, "time": time_ms, "values": {}}
        arrivals.append(Arrival(event, time_ms, bin_))
    return sorted(arrivals, key=lambda arrival: arrival.at_ms)


@pytest.fixture(scope="module")
def model() -> Any:
    return build(bundle.load(bundle.SHIPPED))


def streamed(model: Any, arrivals: Sequence[Arrival]) -> Stream:
    """Takes them in batches of uneven size, as polls bring them."""
    stream = Stream(model, interval_s=60)
    ends = np.cumsum(np.random.default_rng(0).integers(1, 400, len(arrivals)))
    stream.take(*(arrival.event for arrival in arrivals), ends=ends.tolist())
    return stream


@pytest.fixture(scope="module")
def prompt(cohort: Cohort, model: Any) -> Stream:
    """The stays without a delay, and what closes their hours."""
    return streamed(model, [*rows(cohort), *closing(cohort)])


@pytest.fixture(scope="module")
def once(cohort: Cohort, model: Any) -> Stream:
    """The stays with their discharges, without a delay or a repetition."""
    return streamed(model, list(rows(cohort, discharged=True)))


def risk_by_hour(stream: Stream) -> dict[StayHour, float]:
    """The last risk of each hour; late laboratory values are evaluations of their own."""
    risks = [m.content for m in stream.messages if m.kind == "risk"]
    return {(r["patient_id"], r["bin"]): r["risk"] for r in risks}


def assert_close(one: Stream, other: Stream, patients: Sequence[str]) -> None:
    """Closed bins, committed state and the risk that they lead to, to 1e-5."""
    for patient in patients:
        mine, theirs = one.committed(patient), other.committed(patient)
        for name, value in mine.items():
            if value.dtype.kind == "f":
                np.testing.assert_allclose(
                    value, theirs[name], rtol=0, atol=TOLERANCE, err_msg=f"{patient} {name}"
                )
            else:
                np.testing.assert_array_equal(value, theirs[name], err_msg=f"{patient} {name}")
        np.testing.assert_allclose(one.risks(patient), other.risks(patient), rtol=0, atol=TOLERANCE)


def outstanding(arrivals: Sequence[Arrival]) -> set[StayHour]:
    """The hours whose risk lacked some result of the stay that arrived later."""
    last_ms: dict[str, int] = {}
    hours = set()
    for arrival in sorted(arrivals, key=lambda a: (a.bin_, not a.is_late)):
        patient, _ = arrival.hour
        if arrival.is_late:
            last_ms[patient] = max(last_ms.get(patient, 0), arrival.at_ms)
        elif last_ms.get(patient, 0) > arrival.at_ms:
            hours.add(arrival.hour)
    return hours


DELAYS: dict[str, Delay] = {
    "30 to 90 minutes": lambda draws: draws.uniform(0.5, 1.5),
    "up to 40 hours": lambda draws: draws.uniform(0.5, 40),
    "40 hours each": lambda _draws: 40.0,
}


@pytest.mark.parametrize("delay", DELAYS.values(), ids=DELAYS)
def test_late_results_of_real_patients_count_as_if_they_had_come_in_time(
    cohort: Cohort, expected: dict[StayHour, float], model: Any, prompt: Stream, delay: Delay
) -> None:
    late = with_late_results(list(rows(cohort)), delay)
    end = closing(cohort)
    delayed = streamed(model, sorted([*late, *end], key=lambda arrival: arrival.at_ms))
    assert prompt.rejections == delayed.rejections == []

    wanted, got = risk_by_hour(prompt), risk_by_hour(delayed)
    assert wanted.keys() == got.keys() > expected.keys()
    assert max(abs(wanted[hour] - risk) for hour, risk in expected.items()) <= TOLERANCE
    waiting = outstanding(late)
    complete = expected.keys() - waiting
    assert len(complete) > 50
    assert max(abs(got[hour] - expected[hour]) for hour in complete) <= TOLERANCE
    assert max(abs(got[hour] - expected[hour]) for hour in waiting) > 0.01, "they matter"
    last = {arrival.hour for arrival in end}
    assert max(abs(got[hour] - wanted[hour]) for hour in last) <= TOLERANCE
    assert_close(prompt, delayed, cohort.patient_ids)


def test_results_that_come_after_the_discharge_still_count(
    cohort: Cohort, model: Any, once: Stream
) -> None:
    in_time = list(rows(cohort, discharged=True))
    late = with_late_results(in_time, DELAYS["up to 40 hours"])
    delayed = streamed(model, late)
    discharged_ms = {
        a.hour[0]: a.at_ms for a in in_time if a.event["type"] == "discharge"
    }  # fmt: skip
    assert sum(a.is_late and a.at_ms > discharged_ms[a.hour[0]] for a in late) > 100
    assert once.rejections == delayed.rejections == []
    assert_close(once, delayed, cohort.patient_ids)


def test_results_that_are_older_are_rejected_and_change_nothing(cohort: Cohort, model: Any) -> None:
    late = with_late_results(list(rows(cohort)), lambda draws: draws.choice([1.0, 50.0, 90.0]))
    open_bin: dict[str, int] = {}
    rejected = []
    for i, (patient, bin_) in enumerate(arrival.hour for arrival in late):
        open_bin[patient] = max(open_bin.get(patient, 0), bin_)
        if bin_ < open_bin[patient] - LATE_BINS:
            rejected.append(i)
    stream = streamed(model, late)
    assert len(rejected) > 100
    assert stream.rejections == [(i, "too_late") for i in rejected]
    kept = [late[i] for i in sorted(set(range(len(late))) - set(rejected))]
    assert_close(stream, streamed(model, kept), cohort.patient_ids)


@pytest.mark.parametrize("hours", [0, 1, 40, 60])
def test_an_event_of_a_real_patient_that_is_repeated_later_changes_nothing(
    cohort: Cohort, model: Any, once: Stream, hours: float
) -> None:
    in_time = list(rows(cohort, discharged=True))
    repeated = [
        Arrival(a.event, a.at_ms + MINUTE_MS + round(hours * HOUR_MS), a.bin_) for a in in_time
    ]
    double = streamed(model, sorted([*in_time, *repeated], key=lambda arrival: arrival.at_ms))
    assert risk_by_hour(double) == risk_by_hour(once)
    ends = [
        [{k: v for k, v in m.content.items() if k != "offset"} for m in stream.messages]
        for stream in (once, double)
    ]
    assert ends[0] == ends[1]
    assert {reason for _, reason in double.rejections} == ({"too_late"} if hours == 60 else set())
    for patient in cohort.patient_ids:
        before, after = once.committed(patient), double.committed(patient)
        assert all(before[name].tobytes() == after[name].tobytes() for name in before)
