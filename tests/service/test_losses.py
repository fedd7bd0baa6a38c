"""A lost value is counted by variable and said once, and nothing odd reaches the log."""

from __future__ import annotations

from collections import Counter

from structlog.testing import capture_logs

from streamer.core.reasons import Loss, ValueProblem
from streamer.service import metrics
from streamer.service.losses import Losses

UNIT, NAME = ValueProblem.UNKNOWN_UNIT, ValueProblem.UNKNOWN_VARIABLE


def lost(variable: str) -> float:
    value: float = metrics.VALUES_LOST.labels(variable)._value.get()
    return value


def logged(*losses: Loss) -> list[dict[str, str | None]]:
    report = Losses()
    with capture_logs() as lines:
        report.count(Counter(losses))
        report.count(Counter(losses))
    return [{name: line[name] for name in ("reason", "variable", "unit")} for line in lines]


def test_each_variable_and_unit_is_said_once_and_counted_each_time() -> None:
    before = lost("lactate"), lost(metrics.OTHER_VARIABLE)
    furlong = Loss(UNIT, "lactate", "furlong")
    assert logged(furlong, furlong, Loss(UNIT, "lactate", "mile"), Loss(NAME, "mood", None)) == [
        {"reason": "unknown_unit", "variable": "lactate", "unit": "furlong"},
        {"reason": "unknown_unit", "variable": "lactate", "unit": "mile"},
        {"reason": "unknown_variable", "variable": "other", "unit": None},
    ]
    assert lost("lactate") == before[0] + 6
    assert lost(metrics.OTHER_VARIABLE) == before[1] + 2


def test_a_particular_of_an_admission_is_said_by_its_name() -> None:
    """The codes of HL7, M and F, would cost the sex of every patient without a word."""
    before = lost("sex")
    code = Loss(ValueProblem.UNKNOWN_CODE, "sex", None)
    assert logged(code) == [{"reason": "unknown_code", "variable": "sex", "unit": None}]
    assert lost("sex") == before + 2


def test_artefacts_and_bounds_are_counted_and_not_said() -> None:
    before = lost("heart_rate")
    assert not logged(
        Loss(ValueProblem.OUT_OF_LIMITS, "heart_rate", None),
        Loss(ValueProblem.CENSORED, "heart_rate", None),
        Loss(ValueProblem.NOT_FINITE, "heart_rate", None),
    )
    assert lost("heart_rate") == before + 6


def test_a_unit_is_shown_without_control_characters_and_a_name_of_nobody_is_not_shown() -> None:
    (line, other) = logged(Loss(UNIT, "ph", "\x1b[2J\n" + "x" * 5_000), Loss(NAME, "Mary", "Smith"))
    unit = line["unit"] or ""
    assert unit.isprintable()
    assert 0 < len(unit) <= 32
    assert "Mary" not in str(other)
    assert "Smith" not in str(other)


def test_an_invented_flood_of_units_ends() -> None:
    assert len(logged(*[Loss(UNIT, "ph", f"unit {i}") for i in range(5_000)])) == 200
