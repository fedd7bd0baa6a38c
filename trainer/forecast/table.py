"""Rows of text for a table of the forecast's figures, the head first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

WORDS: Final = {"last": "last value", "ar1": "AR(1)", "ar1_mean": "AR(1), mean"}
"""The baselines of a forecast, in the words of a reader."""

SHOWN_HOURS: Final = (1, 3, 6)
_AGAINST: Final = ("last", "ar1_mean")  # no model at all, and the best of the simple ones


def forecast_rows(figures: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """The head, and a row for each vital sign and shown hour.

    Args:
        figures: as ``forecast_figures`` gives them.
    """
    rows = [
        (
            "vital sign",
            "hours ahead",
            "error",
            *WORDS.values(),
            *(f"less than {WORDS[baseline]}" for baseline in _AGAINST),
            "in the interval",
            "its width",
        )
    ]
    for name, by_hour in figures.items():
        if name == "hours":
            continue
        for i, hour in enumerate(figures["hours"]):
            if hour in SHOWN_HOURS:
                errors = (by_hour[key][i] for key in ("mae", *(f"mae_{b}" for b in WORDS)))
                rows.append(
                    (
                        f"{name}, {by_hour['unit']}",
                        str(hour),
                        *(_cell(error, ".2f") for error in errors),
                        *(_gain(by_hour, baseline, i) for baseline in _AGAINST),
                        _cell(by_hour["coverage"][i], ".1%"),
                        _cell(by_hour["width"][i], ".2f"),
                    )
                )
    return rows


def _gain(by_hour: Mapping[str, Any], baseline: str, i: int) -> str:
    """The share by which the error is below a baseline's, with its interval where there is one.

    A manifest keeps the interval of the difference alone; it is divided by the baseline's error.

    >>> _gain({"mae": [4.5], "mae_last": [5.0], "less_than_last_ci": [[0.07, 0.13]]}, "last", 0)
    '10.0% [7.0%, 13.0%]'
    >>> _gain({"mae": [4.5], "mae_last": [5.0], "mae_minus_last_ci": [[-0.6, -0.4]]}, "last", 0)
    '10.0% [8.0%, 12.0%]'
    """
    mine, theirs = by_hour["mae"][i], by_hour[f"mae_{baseline}"][i]
    if mine is None or not theirs:
        return "none"
    shown = f"{1 - mine / theirs:.1%}"
    drawn = by_hour.get(f"less_than_{baseline}_ci")
    if drawn is not None and None not in drawn[i]:
        return f"{shown} [{drawn[i][0]:.1%}, {drawn[i][1]:.1%}]"
    ends = by_hour.get(f"mae_minus_{baseline}_ci")
    if ends is None or None in ends[i]:
        return shown
    low, high = ends[i]
    return f"{shown} [{-high / theirs:.1%}, {-low / theirs:.1%}]"


def _cell(value: float | None, shape: str) -> str:
    return "none" if value is None else format(value, shape)
