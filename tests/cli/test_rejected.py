"""`streamer rejected` on the real Kafka: counted, listed, shown; mistakes are refused."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from bench.services import environment
from streamer.local import LocalStack
from tests.support.rejected_topic import RejectedTopic


@pytest.fixture
def topic(stack: LocalStack, topic_prefix: str) -> Iterator[RejectedTopic]:
    rejected_topic = RejectedTopic(environment(stack, topic_prefix, partitions=4))
    yield rejected_topic
    rejected_topic.close()


def test_an_empty_topic(topic: RejectedTopic) -> None:
    assert topic.json("list") == {"total": 0, "reasons": [], "records": []}
    assert "No matching rejected records" in topic.cli("list").stdout
    assert topic.json("replay", "--yes")["re_entered"] == 0
    missing = topic.cli("show", "0")
    assert missing.exit_code == 1
    assert "it is empty" in missing.stderr
    assert topic.entered() == []


def test_the_list_counts_by_reason_and_shows_the_newest(topic: RejectedTopic) -> None:
    for i in range(5):
        topic.put(f"late-{i}")
    last = topic.put("clock", "future_time", partition=2)
    listed = topic.json("list", "--limit", "2")
    assert listed["total"] == 6
    assert [(r["reason"], r["count"], r["waiting"]) for r in listed["reasons"]] == [
        ("too_late", 5, 5), ("future_time", 1, 1),
    ]  # fmt: skip
    assert all(r["oldest"] <= r["newest"] for r in listed["reasons"])
    assert [r["key"] for r in listed["records"]] == ["clock", "late-4"]
    assert listed["records"][0]["offset"] == last
    assert listed["records"][0]["origin"] == f"{topic.settings.topic_vitals}/2/5"
    assert topic.json("list", "--reason", "future_time")["total"] == 1
    assert topic.json("list", "--since", "1h")["total"] == 6
    assert topic.json("list", "--since", "2100-01-01T00:00:00Z")["total"] == 0
    shown = topic.cli("list").stdout
    assert "too_late" in shown
    assert "late-4" in shown


def test_show_tells_all_of_one_record(topic: RejectedTopic) -> None:
    offset = topic.put("p1", "future_time", partition=3, traceparent="00-a-b-01")
    record = topic.json("show", str(offset))
    assert (record["reason"], record["key"], record["standing"]) == ("future_time", "p1", "waiting")
    assert record["origin"] == record["first_origin"] == f"{topic.settings.topic_vitals}/3/5"
    assert json.loads(record["value"])["patient_id"] == "p1"
    assert record["headers"]["traceparent"] == "00-a-b-01"
    shown = topic.cli("show", str(offset)).stdout
    assert '"patient_id": "p1"' in shown
    assert "ahead of the record's timestamp" in shown


def test_what_was_rejected_does_not_reach_the_terminal_as_it_is(topic: RejectedTopic) -> None:
    offset = topic.put("[red]\x1b[2Jp", detail="\x1b]0;owned\x07")
    for shown in (topic.cli("show", str(offset)).stdout, topic.cli("list").stdout):
        assert "\x1b" not in shown
        assert "[red]" in shown


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["show", "99"], 1, "it holds offsets 0 to 0"),
        (["show", "first"], 2, "Invalid value"),
        (["list", "--reason", "boredom"], 2, "boredom"),
        (["list", "--since", "yesterday"], 2, "RFC 3339"),
        (["list", "--since", "2026-01-01T00:00:00"], 2, "needs an offset"),
        (["replay", "--offsets", "5-"], 2, "two with a dash"),
        (["replay", "--offsets", "90-99"], 1, "offset in 90-99"),
        (["replay", "--offsets", "90", "--yes"], 1, "offset in 90"),
    ],
)  # fmt: skip
def test_a_wrong_option_is_an_error_that_names_it(
    topic: RejectedTopic, arguments: list[str], code: int, message: str
) -> None:
    topic.put("p")
    result = topic.cli(*arguments)
    assert result.exit_code == code
    assert message in " ".join(result.stderr.replace("│", " ").split())
    assert topic.entered() == []
