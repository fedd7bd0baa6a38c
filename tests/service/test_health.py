from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from streamer.core.codec import Era
from streamer.ports.log import LogNotAllowed, LogUnavailable
from streamer.ports.states import StoreNotAllowed, StoreUnavailable
from streamer.service import metrics
from streamer.service.health import SLOW_S, STUCK_S, Health, Progress
from streamer.service.metrics import Waiting
from streamer.service.takeover import BlockedPartition, Partition
from tests.support.fake_service import FakeService, event, library

START = 1_800_000_000.0


class Clock:
    """A clock that is wound by hand."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now


def partition(number: int, position: int, silent_until: int, epoch: int = 1) -> Partition:
    return Partition(number, epoch, position, position, silent_until, "log", Era("model"))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def health(clock: Clock) -> Health:
    return Health(clock, clock)


def kinds(health: Health) -> list[str]:
    return [reason.kind for reason in health.reasons]


def test_health_waits_for_the_first_assignment(health: Health) -> None:
    (reason,) = health.reasons
    assert reason.text == "waiting for the first assignment"
    assert reason.as_json() == {
        "kind": "waiting",
        "says": "waiting for the first assignment",
        "since": "2027-01-15T08:00:00Z",
        "waiting_on": "assignment",
    }
    health.observe([], {})
    assert kinds(health) == ["waiting"], "a spare has no partition and stays so"
    health.observe([partition(0, 5, 5)], {})
    assert health.reasons == ()
    health.observe([], {})
    assert health.reasons == (), "its share may go elsewhere"


def test_a_reason_keeps_its_beginning(clock: Clock, health: Health) -> None:
    health.observe([partition(0, 5, 5)], {})
    clock.now += 10
    health.note_outage(StoreUnavailable("Redis: away"))
    clock.now += 10
    health.note_outage(StoreUnavailable("Redis: still away"))
    (reason,) = health.reasons
    assert (reason.since, reason.message) == (START + 10, "waiting for Redis: still away")
    assert health.waiting_on == Waiting.STORE
    clock.now += 10
    health.note_outage(LogUnavailable("Kafka: away"))
    (reason,) = health.reasons
    assert (reason.since, reason.waiting_on) == (START + 30, Waiting.LOG)
    health.observe([partition(0, 5, 5)], {})
    assert not health.reasons
    clock.now += 10
    health.note_outage(LogUnavailable("Kafka: away"))
    assert [reason.since for reason in health.reasons] == [START + 40]


def test_a_refused_partition_is_a_reason_and_the_others_go_on(clock: Clock, health: Health) -> None:
    refused = {3: BlockedPartition("its log is another one", 0, 0)}
    health.observe([partition(0, 5, 5)], refused)
    clock.now += 60
    health.observe([partition(0, 9, 5)], refused)
    (reason,) = health.reasons
    assert reason.text == "partition 3: its log is another one"
    assert (reason.kind, reason.partition, reason.since) == ("refused", 3, START)
    health.observe([partition(0, 9, 5), partition(3, 0, 0)], {})
    assert health.reasons == ()


def test_a_rebuild_says_how_far_it_is_and_how_long_it_takes(clock: Clock, health: Health) -> None:
    rebuilt = partition(2, 1_000, 1_400)
    health.observe([rebuilt, partition(1, 7, 7)], {})
    (reason,) = health.reasons
    assert reason.as_json()["progress"] == {
        "done": 0, "total": 400, "percent": 0.0, "seconds_left": None
    }  # fmt: skip
    clock.now += 10
    rebuilt.position = 1_100
    health.observe([rebuilt], {})
    (reason,) = health.reasons
    assert reason.since == START
    assert reason.as_json()["progress"] == {
        "done": 100, "total": 400, "percent": 25.0, "seconds_left": 30.0
    }  # fmt: skip
    assert metrics.REGISTRY.get_sample_value("vigil_rebuild_done_ratio", {"partition": "2"}) == 0.25
    assert (
        metrics.REGISTRY.get_sample_value("vigil_rebuild_left_records", {"partition": "2"}) == 300
    )
    rebuilt.position = 1_400
    health.observe([rebuilt], {})
    assert health.reasons == ()
    assert metrics.REGISTRY.get_sample_value("vigil_rebuild_done_ratio", {"partition": "2"}) is None


def test_a_partition_that_is_taken_again_begins_anew(clock: Clock, health: Health) -> None:
    health.observe([partition(2, 1_200, 1_400)], {})
    clock.now += 5
    health.observe([], {})
    health.observe([partition(2, 1_000, 1_400, epoch=2)], {})
    (reason,) = health.reasons
    assert reason.since == START + 5
    assert reason.progress is not None
    assert (reason.progress.done, reason.progress.total) == (0, 400)


def test_a_loop_that_does_not_move_is_stuck(clock: Clock, health: Health) -> None:
    health.observe([partition(0, 5, 5)], {})
    clock.now += STUCK_S
    assert health.alive
    assert health.reasons == ()
    clock.now += 1
    assert not health.alive
    (reason,) = health.reasons
    assert (reason.kind, reason.since) == ("stuck", START)
    assert metrics.REGISTRY.get_sample_value("vigil_loop_age_seconds") == STUCK_S + 1
    health.beat()
    assert health.alive
    assert health.reasons == ()


@pytest.mark.parametrize("set_by_s", [-7_200.0, 7_200.0])
def test_a_clock_that_is_set_neither_hides_nor_makes_a_loop_that_hangs(
    clock: Clock, set_by_s: float
) -> None:
    wall = Clock()
    health = Health(wall, clock)
    rebuilt = partition(2, 1_000, 1_400)
    health.observe([rebuilt], {})
    wall.now += set_by_s
    clock.now += 10
    health.beat()
    rebuilt.position = 1_100
    health.observe([rebuilt], {})
    with health.waiting_for(Waiting.LOG, "Kafka to take a transaction"):
        wall.now += set_by_s
        assert health.alive
        assert kinds(health) == ["rebuilding"]
        assert health.reasons[0].progress == Progress(done=100, total=400, seconds_left=30)
        clock.now += SLOW_S + 1
        assert kinds(health) == ["waiting", "rebuilding"]
    health.note_outage(StoreUnavailable("Redis: away"))
    clock.now += 12
    with capture_logs() as logged:
        health.observe([partition(0, 5, 5)], {})
    assert [line["waited_seconds"] for line in logged] == [12]
    clock.now += STUCK_S
    (reason,) = health.reasons
    assert not health.alive
    assert reason.message == f"the loop has not moved for {health.loop_age_s:.0f} s"
    assert reason.since == wall.now - health.loop_age_s, "in the time of those who read it"


def test_an_answer_that_takes_long_is_a_reason_while_the_loop_waits(
    clock: Clock, health: Health
) -> None:
    health.observe([partition(0, 5, 5)], {})
    with health.waiting_for(Waiting.LOG, "Kafka to take a transaction"):
        assert kinds(health) == []
        clock.now += SLOW_S + 1
        (reason,) = health.reasons
        assert reason.text == "waiting for Kafka to take a transaction"
        assert (reason.since, reason.waiting_on) == (START, Waiting.LOG)
        assert metrics.REGISTRY.get_sample_value("vigil_ready") == 0
        assert metrics.REGISTRY.get_sample_value("vigil_waiting", {"on": "log"}) == 1
    assert kinds(health) == []
    assert metrics.REGISTRY.get_sample_value("vigil_ready") == 1


@pytest.mark.parametrize(("error", "on"), [(LogUnavailable, "log"), (StoreUnavailable, "store")])
def test_the_gauges_agree_with_the_reasons(
    health: Health, error: type[LogUnavailable | StoreUnavailable], on: str
) -> None:
    def shown(name: str, **labels: str) -> float | None:
        return metrics.REGISTRY.get_sample_value(name, labels)

    assert shown("vigil_ready") == 0
    assert shown("vigil_waiting", on="assignment") == 1
    health.observe([partition(0, 5, 5)], {})
    assert shown("vigil_ready") == 1
    health.note_outage(error("away"))
    assert [shown("vigil_waiting", on=dependency) for dependency in ("assignment", on)] == [0, 1]
    health.observe([partition(0, 5, 5)], {4: BlockedPartition("no", 0, 0)})
    assert shown("vigil_partition_refused", partition="4") == 1
    assert shown("vigil_waiting", on=on) == 0
    health.observe([partition(0, 5, 5)], {})
    assert shown("vigil_partition_refused", partition="4") is None


def test_a_worker_tells_of_its_rebuild() -> None:
    fake = FakeService(library(5)[0], n_partitions=1)
    fake.send([event(0, "p", minute, values={"heart_rate": 70}) for minute in range(40)])
    first = fake.process()
    fake.drain(first)
    fake.kill(first)
    fake.states.wipe()
    process = fake.process(max_batch=10)
    seen = []
    for _ in range(5):
        process.step()
        seen += [r.progress.percent for r in process.worker.health.reasons if r.progress]
    assert seen == [0.0, 25.0, 50.0, 75.0]
    assert process.worker.not_ready == []


@pytest.mark.parametrize(
    ("refusal", "outage", "on"),
    [
        (LogNotAllowed("Kafka: no right"), LogUnavailable("Kafka: away"), "log"),
        (StoreNotAllowed("Redis: no right"), StoreUnavailable("Redis: away"), "store"),
    ],
)
def test_what_is_not_allowed_is_no_outage(
    health: Health,
    refusal: LogUnavailable | StoreUnavailable,
    outage: LogUnavailable | StoreUnavailable,
    on: str,
) -> None:
    health.note_outage(refusal)
    (reason,) = health.reasons
    assert (reason.kind, reason.waiting_on, reason.text) == ("not_allowed", on, str(refusal))
    assert health.waiting_on == on
    health.note_outage(outage)
    assert [r.kind for r in health.reasons] == ["waiting"], "one reason at a time"
    health.note_outage(refusal)
    health.observe([partition(0, 5, 5)], {})
    assert health.reasons == ()
