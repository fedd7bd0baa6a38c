"""A judge of right messages finds nothing; of messages with one thing wrong, that thing."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable

import pytest

from bench.core_trial import FUTURE_LIMIT_MS, INTERVAL_MS, answers
from bench.independent_oracle.judge import Answer, Judge
from bench.independent_oracle.ledger import Record
from bench.independent_oracle.network import Bundle
from bench.invented_log import invented_log
from streamer.bundles import bundle


@pytest.fixture(scope="module")
def log() -> list[Record]:
    return invented_log(seed=5, n_patients=4)[:700]


@pytest.fixture(scope="module")
def good(log: list[Record]) -> list[Answer]:
    return answers(log, random.Random(5))


def faults(log: list[Record], altered: list[Answer]) -> set[str]:
    shipped = Bundle.read(bundle.SHIPPED)
    judge = Judge({str(shipped.manifest["model"])[:12]: shipped}, INTERVAL_MS, FUTURE_LIMIT_MS)
    for record, answer in zip(log, altered, strict=True):
        judge.take(record, answer)
    assert judge.checked["risk"] > 150
    return set(judge.faults)


def test_right_messages_have_no_fault(log: list[Record], good: list[Answer]) -> None:
    assert not faults(log, good)


def drop_risk(answer: Answer) -> None:
    answer.risks.clear()


def double_risk(answer: Answer) -> None:
    answer.risks *= 2


def change_risk(answer: Answer) -> None:
    risk = answer.risks[0]
    for horizons in risk["horizons"]:
        risk["horizons"][horizons] += 1.2e-5
    risk["risk"] = risk["horizons"]["6h"]


def other_model(answer: Answer) -> None:
    answer.risks[0]["model"] = "unknown"


def other_bin(answer: Answer) -> None:
    answer.risks[0]["bin"] += 1


def other_offset(answer: Answer) -> None:
    answer.risks[0]["offset"] += 1


def drop_alert(answer: Answer) -> None:
    answer.alerts.clear()


def other_number(answer: Answer) -> None:
    answer.alerts[0]["alert_id"] += "1"


def reverse_reasons(answer: Answer) -> None:
    answer.alerts[0]["reasons"].reverse()


def other_value(answer: Answer) -> None:
    answer.alerts[0]["threshold"] *= 2


def drop_rejection(answer: Answer) -> None:
    answer.rejected.clear()


def other_reason(answer: Answer) -> None:
    answer.rejected = ["unreadable"]


@pytest.mark.parametrize(
    ("change", "kind", "where"),
    [
        (drop_risk, "evaluation", "risks"),
        (double_risk, "several", "risks"),
        (change_risk, "risk", "risks"),
        (other_model, "model", "risks"),
        (other_bin, "risk message", "risks"),
        (other_offset, "position", "risks"),
        (drop_alert, "alert", "alerts"),
        (other_number, "alert", "alerts"),
        (reverse_reasons, "reasons", "alerts"),
        (other_value, "alert message", "alerts"),
        (drop_rejection, "rejection", "rejected"),
        (other_reason, "reason", "rejected"),
    ],
)
def test_one_wrong_message_is_noticed(
    log: list[Record],
    good: list[Answer],
    change: Callable[[Answer], None],
    kind: str,
    where: str,
) -> None:
    # Not the very last: a missing risk may have no consequence.
    at = [
        i
        for i, answer in enumerate(good)
        if getattr(answer, where) and (where != "alerts" or len(answer.alerts[0]["reasons"]) > 1)
    ][3 if where != "alerts" else 0]
    wrong = [*good[:at], copy.deepcopy(good[at]), *good[at + 1 :]]
    change(wrong[at])
    assert kind in faults(log, wrong)


def test_an_unpause_beside_a_risk_is_of_no_alert(log: list[Record], good: list[Answer]) -> None:
    altered = copy.deepcopy(good)
    for answer in altered:
        for risk in answer.risks:
            named = {name: risk[name] for name in ("patient_id", "partition", "offset")}
            answer.alerts.append({"phase": "unpause", "alert_id": None, **named})
    assert not faults(log, altered)
