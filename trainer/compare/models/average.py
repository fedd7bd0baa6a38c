"""The average of two models: the mean of their calibrated log odds."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trainer.compare.protocol.family import Level
from trainer.compare.protocol.results import Entry, HeldOut
from trainer.decisions.operating_point import choose_operating_point
from trainer.metrics.calibration_error import logit


def average(one: Entry, other: Entry, held_out: HeldOut, alert_budget: float) -> Entry:
    """The entry of an average, calibrated anew on validation patients.

    Its cost is the sum of both; nothing is fitted.

    Args:
        one: the first model.
        other: the second model.
        held_out: the patients that both scored.
        alert_budget: most alert starts per patient-day.
    """
    score = (_log_odds(one) + _log_odds(other)) / 2
    side = held_out.validation
    operating_point, _ = choose_operating_point(score[: side.n_rows], side, alert_budget)
    return Entry(
        f"average of {one.name} and {other.name}",
        Level.SEQUENCE,
        operating_point,
        score,
        (),
        {},
        one.microseconds + other.microseconds,
        one.state_bytes + other.state_bytes,
    )


def _log_odds(entry: Entry) -> NDArray[np.float64]:
    return logit(entry.operating_point.calibration.risks(entry.score))
