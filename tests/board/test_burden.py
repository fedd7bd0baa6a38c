from __future__ import annotations

import orjson
import pytest

from streamer.board.burden import Span, count, quantile
from streamer.board.messages import AlertMessage, read
from streamer.core.alert_messages import Content
from streamer.core.time import DAY_MS, HOUR_MS
from streamer.service.model_facts import ModelFacts
from tests.support.board import NOW_MS, alert


def messages(*contents: Content) -> list[AlertMessage]:
    parsed = [read(AlertMessage, orjson.dumps(content)) for content in contents]
    return [message for message in parsed if message is not None]


def test_figures_of_two_days() -> None:
    verdicts = [("a", "true"), ("b", "false"), ("a", "false"), ("c", "unsure")]  # `a` thought again
    listed = messages(
        *(alert("start", -60 * i, alert_id=f"p/{i}/1") for i in range(5)),
        alert("start", -60 * 24 * 9, alert_id="p/old/1"),
        *(alert("acknowledge", -60 * i + i + 1, alert_id=f"p/{i}/1") for i in range(1, 4)),
        alert("acknowledge", 50, alert_id="p/3/1"),  # the first one counts
        alert("overdue", 0, alert_id="p/4/1"),
        *(alert("feedback", 0, alert_id="p/1/1", by={"user": u}, verdict=v) for u, v in verdicts),
    )
    spans = [
        Span(NOW_MS - 9 * DAY_MS, NOW_MS),
        Span(NOW_MS - DAY_MS, NOW_MS - 12 * HOUR_MS),
        Span(NOW_MS - 9 * DAY_MS, NOW_MS - 8 * DAY_MS),
    ]
    burden = count(listed, spans, 2, NOW_MS, ModelFacts(0.02, 0.11, "a test set"))
    assert (burden["starts"], burden["beds"]) == (5, 1)
    assert (burden["bed_days"], burden["starts_per_bed_day"]) == (2.5, 2.0)
    assert (burden["acknowledge_p50_s"], burden["acknowledge_p90_s"]) == (180, 240)
    assert burden["overdue_share"] == 0.2
    assert burden["verdicts"] == {"n": 3, "true": 0, "false": 2, "unsure": 1, "ppv": 0.0}
    assert (burden["model_ppv"], burden["model_ppv_source"]) == (0.11, "a test set")
    assert sum(day["starts"] for day in burden["by_day"]) == 5


def test_nothing_is_no_division() -> None:
    burden = count([], [], 7, NOW_MS, ModelFacts())
    assert (burden["bed_days"], burden["starts_per_bed_day"]) == (0, None)
    assert burden["overdue_share"] is None
    assert burden["verdicts"]["ppv"] is None


@pytest.mark.parametrize(
    ("n", "share", "expected"), [(1, 0.5, 1), (10, 0.5, 5), (10, 0.9, 9), (11, 0.9, 10)]
)
def test_quantiles_are_nearest_ranks(n: int, share: float, expected: float) -> None:
    assert quantile([float(i) for i in range(1, n + 1)], share) == expected
