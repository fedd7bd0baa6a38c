"""Dead letters on the real Kafka: counted, listed, shown."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator

import pytest

from bench.services import environment
from streamer.core.columns import Record
from streamer.local import LocalStack
from streamer.service import metrics
from tests.support.fake_service import ORIGIN_MS, TOPICS, Twins, library
from tests.support.rejected_topic import RejectedTopic


@pytest.fixture
def topic(stack: LocalStack, topic_prefix: str) -> Iterator[RejectedTopic]:
    opened_desk = RejectedTopic(environment(stack, topic_prefix, partitions=4))
    yield opened_desk
    opened_desk.close()


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
    found = topic.json("list", "--limit", "2")
    assert found["total"] == 6
    assert [(r["reason"], r["count"], r["waiting"]) for r in found["reasons"]] == [
        ("too_late", 5, 5), ("future_time", 1, 1),
    ]  # fmt: skip
    assert all(r["oldest"] <= r["newest"] for r in found["reasons"])
    assert [r["key"] for r in found["records"]] == ["clock", "late-4"]
    assert found["records"][0]["offset"] == last
    assert found["records"][0]["origin"] == f"{topic.settings.topic_vitals}/2/5"
    assert topic.json("list", "--reason", "future_time")["total"] == 1
    assert topic.json("list", "--since", "1h")["total"] == 6
    assert topic.json("list", "--since", "2100-01-01T00:00:00Z")["total"] == 0
    shown = topic.cli("list").stdout
    assert "too_late" in shown
    assert "late-4" in shown


def test_show_tells_all_of_one_record(topic: RejectedTopic) -> None:
    offset = topic.put("p1", "future_time", partition=3, traceparent="00-a-b-01")
    found = topic.json("show", str(offset))
    assert (found["reason"], found["key"], found["standing"]) == ("future_time", "p1", "waiting")
    assert found["origin"] == found["first_origin"] == f"{topic.settings.topic_vitals}/3/5"
    assert json.loads(found["value"])["patient_id"] == "p1"
    assert found["headers"]["traceparent"] == "00-a-b-01"
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
def test_a_mistake_is_told(
    topic: RejectedTopic, arguments: list[str], code: int, message: str
) -> None:
    topic.put("p")
    result = topic.cli(*arguments)
    assert result.exit_code == code
    assert message in " ".join(result.stderr.replace("│", " ").split())
    assert topic.entered() == []


def test_counts_by_reason_are_metrics_too_and_what_a_record_carried_goes_with_it() -> None:
    def counted() -> Counter[str]:
        samples = next(iter(metrics.REJECTED.collect())).samples
        return Counter(
            {s.labels["reason"]: int(s.value) for s in samples if s.name.endswith("_total")}
        )

    before = counted()
    twins = Twins(library(1)[0], n_partitions=1)
    for offset, (key, value) in enumerate(((b"p", b"{"), (b"p", b"{}"), (b"p", b"{"))):
        record = Record(0, offset, ORIGIN_MS, key, value, b"00-a-b-01", b"vitals/0/5")
        twins.broker.partitions[0].append(record)
    twins.drain(twins.process())
    rejected = [dict(o.headers) for o in twins.broker.outputs if o.topic == TOPICS.rejected]
    reasons = Counter(said["reason"].decode() for said in rejected)
    assert reasons == {"not_json": 2, "no_patient": 1}
    assert counted() - before == reasons
    for said in rejected:
        assert (said["traceparent"], said["replayed-of"]) == (b"00-a-b-01", b"vitals/0/5")
