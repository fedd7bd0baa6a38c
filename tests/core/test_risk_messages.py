"""Messages made by column are those that a dict for each would be, byte for byte."""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson
import pytest

from streamer.core.assessment import EXPECTED, SHOWN, Assessments, EndReason
from streamer.core.forecast import DIGITS, FORECAST_VITALS, HOURS
from streamer.core.model import Model
from streamer.core.risk_messages import write_risks
from streamer.core.time import MINUTE_MS, rfc3339
from streamer.core.variables import VARIABLES
from tests.support.event_stream import HeartRateModel

N = 200
MODEL: Model = HeartRateModel()


def wave(seed: int, *, has_forecast: bool, is_known: bool) -> Assessments:
    """Assessments of every kind: known or not, early or late, sure or not."""
    draws = np.random.default_rng(seed)
    nothing = np.zeros(N, np.int64)
    age_ms = draws.integers(-5 * MINUTE_MS, 60 * MINUTE_MS, (N, len(SHOWN)))
    age_ms[age_ms < 0] = -1
    shown = np.where(age_ms < 0, np.nan, draws.normal(80, 30, age_ms.shape)).astype(np.float32)
    if is_known:
        age_ms, shown = abs(age_ms), np.nan_to_num(shown)
    forecast = draws.normal(50, 9, (N, 5, 6, 3)).astype(np.float32)
    forecast[draws.random((N, 5)) < 0.2] = np.nan
    return Assessments(
        event=np.arange(N),
        end_reason=EndReason.RISK,
        patients=[f'p{i}"\\ü'[: 2 + i % 5] for i in range(N)],
        time_ms=1_767_225_600_000 + draws.integers(0, 30, N) * 250,
        bins=draws.integers(0, 400, N).astype(np.int32),
        risks=10 ** draws.uniform(-9, 0, (N, 3)).round(7) if seed else np.eye(3)[nothing % 3],
        phase=nothing.astype(np.uint8),
        severity=nothing.astype(np.uint8),
        alert_start_ms=nothing,
        alert_number=nothing.astype(np.int32),
        news2=draws.integers(0 if is_known else -1, 18, N),
        qsofa=draws.integers(0 if is_known else -1, 3, N),
        hours_of_data=draws.integers(1, 400, N).astype(np.int32),
        oldest_vital_ms=age_ms[:, 0],
        missing=draws.random((N, len(EXPECTED))) < 0.5,
        shown=shown,
        shown_age_ms=age_ms,
        causes={},
        forecast=forecast if has_forecast else None,
    )


def content(wave: Assessments, row: int, position: tuple[int, int]) -> dict[str, Any]:
    """One message, the slow way."""
    risks = wave.risks[row].tolist()
    qsofa, news2 = int(wave.qsofa[row]), int(wave.news2[row])
    oldest_ms = int(wave.oldest_vital_ms[row])
    single = {
        "patient_id": wave.patients[row],
        "time": rfc3339(int(wave.time_ms[row])),
        "bin": int(wave.bins[row]),
        "risk": risks[0],
        "horizons": {"6h": risks[0], "24h": risks[1], "48h": risks[2]},
        "threshold": MODEL.threshold,
        "positive": risks[0] > MODEL.threshold,
        "qsofa": qsofa if qsofa >= 0 else None,
        "data": {
            "hours_of_data": int(wave.hours_of_data[row]),
            "oldest_vital_minutes": oldest_ms // MINUTE_MS if oldest_ms >= 0 else None,
            "values_missing": [
                VARIABLES[v].name
                for v, gone in zip(EXPECTED, wave.missing[row], strict=True)
                if gone
            ],
        },
        "news2": news2 if news2 >= 0 else None,
        "last": {
            VARIABLES[v].name: [float(np.float64(value).round(3)), int(age_ms) // MINUTE_MS]
            for v, value, age_ms in zip(SHOWN, wave.shown[row], wave.shown_age_ms[row], strict=True)
            if age_ms >= 0
        },
        "model": MODEL.shown_id,
        "partition": position[0],
        "offset": position[1],
    }
    if wave.forecast is not None:
        single["forecast"] = {"hours": list(HOURS)} | {
            name: None
            if np.isnan(quantiles[0, 1])
            else {
                name: quantiles[:, level].astype(np.float64).round(digits).tolist()
                for level, name in ((1, "median"), (0, "low"), (2, "high"))
            }
            for name, digits, quantiles in zip(
                FORECAST_VITALS, DIGITS, wave.forecast[row], strict=True
            )
        }
    return single


@pytest.mark.parametrize("has_forecast", [False, True])
@pytest.mark.parametrize("is_known", [False, True])
@pytest.mark.parametrize("seed", [0, 1])
def test_columns_make_the_bytes_of_single_messages(
    seed: int, has_forecast: bool, is_known: bool
) -> None:
    drawn = wave(seed, has_forecast=has_forecast, is_known=is_known)
    partitions, offsets = [i % 8 for i in range(N)], [i * 10**9 for i in range(N)]
    written, times = write_risks(drawn, (partitions, offsets), MODEL)
    for row in range(N):
        expected = content(drawn, row, (partitions[row], offsets[row]))
        assert written[row] == orjson.dumps(expected)
        assert times[row] == expected["time"]
