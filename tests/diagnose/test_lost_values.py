"""`check` names what senders lose."""

from __future__ import annotations

from collections import Counter

import pytest

from streamer.core.reasons import Loss, ValueProblem
from streamer.diagnose.finding import Level
from streamer.diagnose.lost_values import lost_values
from streamer.service import http
from streamer.service.health import Health
from streamer.service.losses import Losses
from tests.service.test_http import free_port


def test_variable_unit_and_number_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    losses = Losses()
    losses.count(
        Counter(
            {
                Loss(ValueProblem.UNKNOWN_UNIT, "lactate", "furlong\x1b[2J"): 12,
                Loss(ValueProblem.UNKNOWN_CODE, "sex", None): 2,
                Loss(ValueProblem.OUT_OF_LIMITS, "ph", None): 1,
                Loss(ValueProblem.UNKNOWN_VARIABLE, "Mary Smith", None): 3,
                Loss(ValueProblem.CENSORED, "troponin_i", None): 99,
            }
        )
    )
    monkeypatch.setattr(http, "LOSSES", losses)
    with http.serving("127.0.0.1", free_port(), Health()) as port:
        assert port is not None
        findings = list(lost_values("127.0.0.1", port, 5))
    sentence = ValueProblem.UNKNOWN_UNIT.sentence
    assert [finding.message for finding in findings] == [
        f"lactate in {'furlong' + chr(92) + 'x1b[2J'!r}: 12 values since the service started. "
        + sentence
        + " It takes mmol/L, mg/dL, meq/L, and other units of the same quantities.",
        "other: 3 values since the service started. "
        + ValueProblem.UNKNOWN_VARIABLE.sentence
        + " The names are in docs/variables.md.",
        "sex: 2 values since the service started. "
        + ValueProblem.UNKNOWN_CODE.sentence
        + " It takes female, male, other, unknown.",
        "ph: 1 value since the service started. "
        + ValueProblem.OUT_OF_LIMITS.sentence
        + " It takes 6.6 to 7.9 [pH], which a value without a unit is taken to be in.",
    ]
    assert {finding.level for finding in findings} == {Level.WARN}


def test_many_kinds_are_cut_and_the_list_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    losses = Losses()
    losses.count(
        Counter({Loss(ValueProblem.UNKNOWN_UNIT, "ph", f"u{i}"): i + 1 for i in range(500)})
    )
    assert len(losses.listed()) == 200
    monkeypatch.setattr(http, "LOSSES", losses)
    with http.serving("127.0.0.1", free_port(), Health()) as port:
        assert port is not None
        findings = list(lost_values("127.0.0.1", port, 5))
    assert len(findings) == 21
    assert findings[-1].message.startswith("180 further kinds")


def test_without_a_service_nothing_is_said() -> None:
    assert list(lost_values("127.0.0.1", free_port(), 5)) == []
