from __future__ import annotations

import pytest

from streamer.service import metrics
from tests.service.test_metrics import figure
from tests.support.fake_service import MINUTE_MS, ORIGIN_MS, FakeService, event, library


def test_events_are_counted_by_what_became_of_them() -> None:
    names = (
        "vigil_events_total",
        "vigil_late_total",
        "vigil_redundant_total",
        "vigil_risks_total",
        "vigil_event_age_seconds_count",
    )

    def counts() -> dict[str, float]:
        figures = {name: figure(name) for name in names[:-1]}
        figures["age"] = figure(names[-1], since="record")
        figures["not_json"] = figure("vigil_rejected_total", reason="not_json")
        figures["dropped"] = figure("vigil_values_dropped_total", reason="out_of_limits")
        figures["starts"] = sum(
            figure("vigil_alerts_total", phase="start", severity=severity)
            for severity in ("medium", "high")
        )
        return figures

    fake = FakeService(library(5)[0])
    process = fake.process(max_batch=1)  # so that nothing meets within one evaluation interval
    before = counts()
    early = event(0, "p", 10, values={"heart_rate": 71})
    fake.send(
        [
            event(0, "p", 0, values={"heart_rate": 70}),
            early,
            event(0, "p", 130, values={"heart_rate": 90}),
            early,  # a duplicate, and of a closed hour
            event(0, "p", 20, values={"heart_rate": 75}),  # late
            event(0, "p", 131, values={"heart_rate": 9_000}),
            (0, b"p", b"{"),
        ]
    )
    fake.drain(process)
    after = counts()
    starts = sum(m["phase"] == "start" for m in fake.messages("alerts"))
    assert {name: after[name] - before[name] for name in after} == {
        "vigil_events_total": 7,
        "vigil_late_total": 2,
        "vigil_redundant_total": 1,
        "vigil_risks_total": len(fake.messages("risk")),
        "age": 6,
        "not_json": 1,
        "dropped": 1,
        "starts": starts,
    }


def test_silently_replayed_events_are_counted_apart() -> None:
    fake = FakeService(library(5)[0])
    events = [event(0, "p", minute, values={"heart_rate": 70}) for minute in range(20)]
    fake.send(events)
    first = fake.process()
    fake.drain(first)
    fake.kill(first)
    fake.states.wipe()
    taken, replayed = figure("vigil_events_total"), figure("vigil_replayed_total")
    second = fake.process()
    fake.send([event(0, "p", 30, values={"heart_rate": 70})])
    fake.drain(second)
    assert figure("vigil_replayed_total") - replayed == 20
    assert figure("vigil_events_total") - taken == 1


def test_ages_count_from_the_measurement_and_from_the_record() -> None:
    fake = FakeService(library(5)[0])
    process = fake.process()
    sums = {
        since: figure("vigil_event_age_seconds_sum", since=since)
        for since in ("record", "measurement")
    }
    hour_ms = 60 * MINUTE_MS
    for lag_ms in (0, hour_ms):
        partition, key, value = event(0, "p", 600 - lag_ms / MINUTE_MS, values={"heart_rate": 70})
        fake.broker.append(partition, key, value, ORIGIN_MS + 600 * MINUTE_MS)
    fake.drain(process)
    more = {
        since: figure("vigil_event_age_seconds_sum", since=since) - before
        for since, before in sums.items()
    }
    assert more["measurement"] - more["record"] == pytest.approx(3600, abs=0.01)


def test_new_patients_are_counted_by_partition_once_and_not_by_a_replay() -> None:
    def counts() -> list[float]:
        return [figure("vigil_new_patients_total", partition=str(n)) for n in range(3)]

    fake = FakeService(library(5)[0])
    first = fake.process(max_batch=3)
    fake.drain(first)
    assert all(
        metrics.REGISTRY.get_sample_value("vigil_new_patients_total", {"partition": str(n)})
        is not None
        for n in range(3)
    )
    before = counts()
    ids = ["a", "b", "a", "c", "b"]
    fake.send([event(1, patient, 0, values={"heart_rate": 70}) for patient in ids])
    fake.send([event(2, "d", 0, values={"heart_rate": 70}), event(2, "e", 0, type="discharge")])
    fake.drain(first)
    assert [now - then for now, then in zip(counts(), before, strict=True)] == [0, 3, 1]
    fake.kill(first)
    fake.states.wipe()
    fake.send([event(1, "a", 1, values={"heart_rate": 70}), event(1, "f", 1, values={"map": 70})])
    fake.drain(fake.process())
    assert [now - then for now, then in zip(counts(), before, strict=True)] == [0, 4, 1]
