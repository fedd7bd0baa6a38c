"""Dead letters on the real Kafka: re-entered exactly once, whatever happens."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from kafka import KafkaAdminClient, KafkaProducer

from bench.services import ServiceProcess, environment, running, settings_of
from streamer.adapters.kafka.read import committed_reader
from streamer.core.dead_letters import Selection
from streamer.local import LocalStack
from streamer.ports.log import Interrupted, LogUnavailable
from streamer.service.dead_letters import Replay, open_rejected_topic, overview, replay
from streamer.service.topics import ensure_topics, service_topics
from tests.support.rejected_topic import RejectedTopicTrial
from tests.support.running_service import ServiceClient, headers
from tests.support.wait import wait_until

DEADLINE_S = 60.0
EVERYTHING = Selection()


@pytest.fixture
def topic(stack: LocalStack, topic_prefix: str) -> Iterator[RejectedTopicTrial]:
    rejected_topic = RejectedTopicTrial(environment(stack, topic_prefix, partitions=4))
    yield rejected_topic
    rejected_topic.close()


def test_viewing_creates_no_topic_and_a_replay_makes_what_it_writes(
    stack: LocalStack, topic_prefix: str
) -> None:
    settings = settings_of(environment(stack, topic_prefix, partitions=1))
    with pytest.raises(LogUnavailable, match=r"vitals\.rejected is missing"):
        open_rejected_topic(settings)
    ensure_topics(settings, service_topics(settings))
    with contextlib.closing(KafkaAdminClient(**settings.kafka_connection())) as admin:

        def topics() -> set[str]:
            return {name for name in admin.list_topics() if name.startswith(topic_prefix)}

        before = topics()
        assert settings.topic_replayed not in before
        assert overview(open_rejected_topic(settings), EVERYTHING, 5).groups == {}
        with contextlib.closing(committed_reader(settings.kafka_connection(), "no-such")) as reader:
            reader.poll(timeout_ms=300)
        assert topics() == before
        open_rejected_topic(settings, to_replay=True)
        assert topics() == before | {settings.topic_replayed}


# --- replay


def test_a_replay_counts_first_and_then_re_enters_each_record_once(
    topic: RejectedTopicTrial,
) -> None:
    for i in range(6):
        topic.put(f"p{i}", "too_late" if i % 2 else "future_time", partition=i % 4)
    would = topic.json("replay", "--reason", "too_late")
    assert (would["dry_run"], would["by_reason"], would["re_entered"]) == (
        True, {"too_late": 3}, 0,
    )  # fmt: skip
    assert "Add --yes" in topic.cli("replay").stdout
    assert topic.input_records() == []
    assert topic.json("replay", "--reason", "too_late", "--yes")["re_entered"] == 3
    again = topic.json("replay", "--yes")
    assert again["by_reason"] == {"future_time": 3}
    assert again["left_alone"] == {"re-entered": 3}
    assert topic.json("replay", "--yes")["re_entered"] == 0
    assert topic.keys() == {f"p{i}": 1 for i in range(6)}
    listed = topic.json("list")
    assert {r["reason"]: r["re_entered"] for r in listed["reasons"]} == {
        "too_late": 3, "future_time": 3,
    }  # fmt: skip
    assert topic.json("show", "0")["re_entered"] is not None


def test_what_is_re_entered_is_as_it_came_and_where_it_came_in(topic: RejectedTopicTrial) -> None:
    began_ms = int(time.time() * 1000)
    for partition in range(4):
        topic.put("p", partition=partition, traceparent="00-a-b-01")
    topic.put("p", partition=9)  # the topic had more partitions once
    topic.json("replay", "--yes")
    input_records = topic.input_records()
    assert {r.key for r in input_records} == {b"p"}
    assert {json.loads(r.value)["patient_id"] for r in input_records} == {"p"}
    vitals = topic.settings.topic_vitals
    by_rule = next(
        r.partition for r in input_records if headers(r)["replayed-of"] == f"{vitals}/9/5"
    )
    came = Counter(r.partition for r in input_records)
    assert came == Counter([0, 1, 2, 3, by_rule])
    assert sum(headers(r).get("traceparent") == "00-a-b-01" for r in input_records) == 4
    assert all(r.timestamp >= began_ms for r in input_records)
    probe = KafkaProducer(**topic.settings.kafka_connection())
    assert probe.send(vitals, b"x", b"p").get(timeout=10).partition == by_rule
    probe.close()


def test_a_record_without_anything_in_it_stops_no_other(topic: RejectedTopicTrial) -> None:
    topic.put("p")
    topic.put_empty()
    topic.put("q")
    done = topic.json("replay", "--yes")
    assert (done["re_entered"], done["left_alone"]) == (2, {"without value": 1})
    assert "without value" in topic.cli("replay").stdout
    assert topic.json("list", "--reason", "empty")["reasons"][0]["without_value"] == 1
    assert topic.keys() == {"p": 1, "q": 1}


def test_what_is_only_a_beginning_is_not_replayed(topic: RejectedTopicTrial) -> None:
    topic.put("p", "too_large", truncated="20000000")
    topic.put("q")
    done = topic.json("replay", "--again", "--yes")
    assert (done["re_entered"], done["left_alone"]) == (1, {"truncated": 1})
    assert topic.keys() == {"q": 1}


def test_a_repartition_puts_all_of_a_key_where_kafka_would(topic: RejectedTopicTrial) -> None:
    for partition in range(4):
        topic.put("p", partition=partition)
    topic.json("replay", "--repartition", "--yes")
    input_records = topic.input_records()
    assert len(input_records) == 4
    assert len({r.partition for r in input_records}) == 1


@pytest.mark.parametrize(
    ("arguments", "chosen"),
    [
        (["--offsets", "1-2"], {"p1", "p2"}),
        (["--offsets", "3"], {"p3"}),
        (["--partition", "2"], {"p2"}),
        (["--reason", "no_time", "--reason", "bad_time"], {"p1", "p3"}),
        (["--reason", "no_time", "--partition", "3"], {"p3"}),
        (["--since", "1h"], {"p0", "p1", "p2", "p3"}),
        (["--since", "2100-01-01T00:00:00Z"], set()),
    ],
)
def test_a_replay_takes_what_was_chosen(
    topic: RejectedTopicTrial, arguments: list[str], chosen: set[str]
) -> None:
    for i, reason in enumerate(["too_late", "bad_time", "too_late", "no_time"]):
        assert topic.put(f"p{i}", reason, partition=i) == i
    topic.json("replay", *arguments, "--yes")
    assert topic.keys() == dict.fromkeys(chosen, 1)


def test_marks_of_a_topic_that_was_made_anew_count_no_more(topic: RejectedTopicTrial) -> None:
    topic.put("old")
    topic.json("replay", "--yes")
    admin = KafkaAdminClient(**topic.settings.kafka_connection())
    admin.delete_topics([topic.settings.topic_rejected])
    wait_until(
        lambda: topic.settings.topic_rejected not in admin.list_topics(), DEADLINE_S, "the end"
    )
    admin.close()
    ensure_topics(topic.settings)
    wait_until(lambda: _accepts(topic), DEADLINE_S, "the new topic")
    topic.json("replay", "--yes")
    assert topic.keys() == {"old": 1, "new": 1}


def _accepts(topic: RejectedTopicTrial) -> bool:
    if topic.json("list")["total"] == 0:
        topic.put("new")
    return bool(topic.json("list")["total"] == 1)


# --- cut off, and two at a time

_DYING = """
import os, sys
from streamer.core.records import Record
from streamer.core.dead_letters import Selection
from streamer.service import dead_letters
from streamer.service.settings import Settings

dead_letters._MOST_RECORDS = 2
left = int(sys.argv[2])

def fault(point):
    global left
    left -= point == sys.argv[1]
    if left < 0:
        os._exit(9)

topic = dead_letters.open_rejected_topic(Settings())
dead_letters.replay(topic, Selection(), dead_letters.Replay(), fault=fault)
"""


@pytest.mark.parametrize(
    ("point", "before"),
    [
        ("before_transaction", 1),
        ("before_commit", 0),
        ("before_commit", 2),
        ("after_commit", 0),
    ],
)
def test_a_replay_that_is_killed_and_run_again_doubles_nothing(
    topic: RejectedTopicTrial, point: str, before: int
) -> None:
    for i in range(7):
        topic.put(f"p{i}")
    dead = subprocess.run(
        [sys.executable, "-c", _DYING, point, str(before)],
        env=os.environ | topic.environment, timeout=DEADLINE_S, check=False,
    )  # fmt: skip
    assert dead.returncode == 9
    done = topic.json("replay", "--yes")
    committed = before if point != "after_commit" else before + 1
    assert done["left_alone"] == ({"re-entered": 2 * committed} if committed else {})
    assert done["re_entered"] == 7 - 2 * committed
    assert topic.keys() == {f"p{i}": 1 for i in range(7)}


@pytest.mark.parametrize(
    ("point", "skipped", "committed"),
    [
        ("before_transaction", 0, 0),
        ("before_record", 1, 0),  # what it sends then is refused: its id is an old one
        ("before_record", 4, 3),
        ("before_commit", 0, 0),
        ("after_commit", 0, 3),
    ],
)
def test_of_two_replays_at_a_time_the_later_wins_and_nothing_is_doubled(
    topic: RejectedTopicTrial,
    point: str,
    skipped: int,
    committed: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("streamer.service.dead_letters._MOST_RECORDS", 3)
    for i in range(7):
        topic.put(f"p{i}")
    waits, go_on = threading.Event(), threading.Event()
    ended: list[BaseException] = []
    passed: Counter[str] = Counter()

    def wait_there(reached: str) -> None:
        passed[reached] += 1
        if reached == point and passed[point] == skipped + 1:
            waits.set()
            assert go_on.wait(DEADLINE_S)

    def first() -> None:
        try:
            replay(open_rejected_topic(topic.settings), EVERYTHING, Replay(), fault=wait_there)
        except (Interrupted, LogUnavailable) as error:
            ended.append(error)

    earlier = threading.Thread(target=first)
    earlier.start()
    try:
        assert waits.wait(DEADLINE_S)
        replay(open_rejected_topic(topic.settings), EVERYTHING, later := Replay())
    finally:
        go_on.set()
        earlier.join(DEADLINE_S)
    assert not earlier.is_alive()
    assert [type(error) for error in ended] == [Interrupted]
    assert later.chosen.total() == 7 - committed
    assert topic.keys() == {f"p{i}": 1 for i in range(7)}


def test_a_replay_that_was_overtaken_says_so(
    topic: RejectedTopicTrial, monkeypatch: pytest.MonkeyPatch
) -> None:
    def overtaken(*_: object, **__: object) -> None:
        raise Interrupted("ProducerFencedError")

    monkeypatch.setattr("streamer.cli.rejected.replayed", overtaken)
    result = topic.cli("replay", "--yes")
    assert result.exit_code == 1
    assert "ProducerFencedError" in result.stderr
    assert "nothing is doubled" in result.stderr


# --- through the service


@pytest.mark.timeout(300)
def test_after_a_fix_a_record_counts_once_and_what_is_still_bad_comes_back_once(
    stack: LocalStack, tmp_path: Path, topic_prefix: str
) -> None:
    variables = environment(stack, topic_prefix, partitions=2, kafka_session_timeout_ms=6000)
    topic = RejectedTopicTrial(variables)
    strict = variables | {"STREAMER_FUTURE_LIMIT": "60"}
    with running([ServiceProcess(strict, tmp_path / "strict.log")]):
        client = ServiceClient(topic.settings)
        ahead_ms = int(time.time() * 1000) + 600_000
        ahead = client.event("p", time=ahead_ms, values={"heart_rate": 80})
        broken = client.send(b"{", b"p")
        assert headers(client.rejection_of(ahead))["reason"] == "future_time"
        assert headers(client.rejection_of(broken))["reason"] == "not_json"
    vitals = topic.settings.topic_vitals
    with running([ServiceProcess(variables, tmp_path / "mended.log")]):
        assert topic.json("replay", "--yes")["by_reason"] == {"future_time": 1, "not_json": 1}
        input_records = {headers(r).get("replayed-of"): r for r in topic.input_records()}
        again = {
            name: (input_records[f"{vitals}/{position[0]}/{position[1]}"])
            for name, position in (("ahead", ahead), ("broken", broken))
        }
        position = again["ahead"].partition, again["ahead"].offset
        assert client.risk_of(position)["patient_id"] == "p"
        back = client.rejection_of((again["broken"].partition, again["broken"].offset))
        assert (back.key, back.value) == (b"p", b"{")
        assert headers(back)["replayed-of"] == f"{vitals}/{broken[0]}/{broken[1]}"
        assert headers(back)["reason"] == "not_json"

        left = topic.json("replay", "--yes")
        assert (left["re_entered"], left["left_alone"]) == (
            0, {"re-entered": 2, "refused again": 1},
        )  # fmt: skip
        assert topic.json("replay", "--again", "--yes")["by_reason"] == {"not_json": 1}
        wait_until(
            lambda: topic.json("list", "--reason", "not_json")["total"] == 3,
            DEADLINE_S,
            "the third",
        )
        newest = topic.json("list", "--reason", "not_json", "--limit", "1")["records"][0]
        assert newest["standing"] == "refused again"
        shown = topic.json("show", str(newest["offset"]))
        assert shown["first_origin"] == f"{vitals}/{broken[0]}/{broken[1]}" != shown["origin"]
        client.collect()
        assert len([r for r in client.risks if r["patient_id"] == "p"]) == 1
        client.close()
    topic.close()
