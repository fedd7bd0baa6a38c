from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from zlib import crc32

import pytest

from streamer.canary.golden import Expected, GoldenStay
from streamer.canary.probes import Outcome, Step
from streamer.canary.watch import Verdict, Watch
from streamer.ports.canary import Heard, Widths

STAY = GoldenStay({}, [{}, {}])
EXPECTED = Expected({0: 0.25, 1: 0.5}, ("start", "end"), ends_by_discharge=True)
MODEL = "abc"
RISK_0: Mapping[str, Any] = {"bin": 0, "risk": 0.25}
RISK_1: Mapping[str, Any] = {"bin": 1, "risk": 0.500009}
START: Mapping[str, Any] = {"phase": "start", "alert_id": "a"}
END: Mapping[str, Any] = {"phase": "end", "alert_id": "a"}


def expected_of(model: str, _stay: GoldenStay) -> Expected | None:
    return EXPECTED if model == MODEL else None


def landing(n: int) -> Any:
    return lambda key: crc32(key) % n


class Probed:
    """One probe of partition 0, sent at second 100."""

    def __init__(self) -> None:
        self.watch = Watch("i", 60, 10)
        self.watch.widen(Widths(1, 1), 100, landing(1))
        probe = self.watch.begin(0, STAY, b"trace", 100)
        assert probe is not None
        self.key = probe.patient.encode()

    def hear(
        self, *messages: object, at: float = 101, partition: int = 0, trace: bytes = b"trace"
    ) -> list[Verdict]:
        records = []
        for message in messages:
            content = message
            if isinstance(message, dict):
                content = {"model": MODEL, "partition": partition} | message
            value = json.dumps(content).encode() if not isinstance(content, bytes) else content
            records.append(Heard("risk", partition, self.key, value, trace))
        return list(self.watch.hear(records, at, expected_of))


def test_all_that_must_be_heard_in_any_order_of_topics() -> None:
    for messages in ((RISK_0, RISK_1, START, END), (START, END, RISK_1, RISK_0)):
        (verdict,) = Probed().hear(*messages)
        assert verdict.outcome is Outcome.OK
        assert set(verdict.seconds) == {"risk", "start", "end"}
        assert set(verdict.seconds.values()) == {1.0}


def test_the_slowest_step_makes_it_late() -> None:
    probed = Probed()
    assert not probed.hear(RISK_0, RISK_1, START)
    (verdict,) = probed.hear(END, at=110.5)
    assert (verdict.outcome, verdict.seconds[Step.END]) == (Outcome.LATE, 10.5)


@pytest.mark.parametrize(
    ("messages", "why"),
    [
        ([{**RISK_0, "risk": 0.25002}], "not 0.25"),
        ([{**RISK_0, "risk": float("nan")}], "not 0.25"),
        ([{**RISK_0, "bin": 7}], "none is due"),
        ([RISK_0, RISK_0], "twice"),
        ([{**RISK_0, "model": "xyz"}], "not in force"),
        ([{**START, "model": "xyz"}], "not in force"),
        ([END], "end after no phase"),
        ([START, START], "start after start"),
        ([START, {**START, "phase": "escalate"}], "escalate after start"),
        ([START, {**END, "alert_id": "b"}], "another alert"),
        ([RISK_0, RISK_1, START, {**END, "partition": 3}], "heard of partition 3"),
        ([b"no json"], "no JSON object"),
        ([b"[" * 100_000], "no JSON object"),
        ([[]], "no JSON object"),
        ([{"bin": "x"}], "cannot be read"),
        ([{**RISK_0, "bin": float("inf")}], "cannot be read"),
    ],
)
def test_what_must_not_be_heard_is_wrong(messages: list[object], why: str) -> None:
    (verdict,) = Probed().hear(*messages)
    assert verdict.outcome is Outcome.WRONG
    assert why in verdict.why


def test_another_partition_is_wrong() -> None:
    probed = Probed()
    (verdict,) = probed.hear(RISK_0, partition=1)
    assert "sent to 0" in verdict.why


def test_it_is_lost_when_the_next_is_due_and_what_comes_then_changes_nothing() -> None:
    probed = Probed()
    assert not probed.hear(RISK_0, START)
    assert not list(probed.watch.lose(159.9))
    assert probed.watch.due(159.9) == []
    assert probed.watch.due(160) == [0]
    (verdict,) = probed.watch.lose(160)
    assert (verdict.outcome, verdict.why) == (Outcome.LOST, "not heard: risk, end")
    assert not probed.hear(RISK_1, END, at=161)
    assert probed.watch.strangers == 0
    assert not probed.hear(RISK_1, trace=b"of nobody")
    assert probed.watch.strangers == 1


def test_each_id_lands_on_its_partition_and_partitions_take_turns() -> None:
    watch = Watch("icu-7", 60, 10)
    watch.widen(Widths(6, 6), 0, landing(6))
    assert watch.due(0) == [0]
    assert watch.due(10) == [0, 1]
    for partition in range(6):
        probe = watch.begin(partition, STAY, b"%d" % partition, partition * 10)
        assert probe is not None
        assert crc32(probe.patient.encode()) % 6 == partition
    assert watch.due(59.9) == []
    assert watch.due(60) == [0]
    watch.widen(Widths(8, 8), 61, landing(8))
    assert watch.due(61) == [0, 6]
    probe = watch.begin(3, STAY, b"again", 90)
    assert probe is not None
    assert crc32(probe.patient.encode()) % 8 == 3, "sought anew"


def test_what_was_missed_is_not_made_up_for() -> None:
    watch = Watch("i", 60, 10, at_once=True)
    watch.widen(Widths(2, 2), 0, landing(2))
    assert watch.due(0) == [0, 1]
    watch.begin(0, STAY, b"1", 1)  # a little late: the turns stay where they are
    assert 0 in watch.due(60)
    watch.begin(0, STAY, b"2", 600)  # the machine slept
    assert 0 not in watch.due(659)
    assert 0 in watch.due(660)
