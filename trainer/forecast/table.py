"""The figures of the forecast as a table for people: rows of texts, the first of them the head."""

from __future__ import annotations

from typing import Any, Final

WORDS: Final = {"last": "last value", "ar1": "AR(1)", "ar1_mean": "AR(1), mean"}
"""What a forecast is compared with, in the words of a reader."""

SHOWN_HOURS: Final = (1, 3, 6)
_AGAINST: Final = ("last", "ar1_mean")  # whoever has nothing, and the best of the simple ones


def forecast_rows(figures: dict[str, Any]) -> list[tuple[str, ...]]:
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
            *(f"less than {WORDS[other]}" for other in _AGAINST),
            "in the interval",
            "its width",
        )
    ]
    for name, of in figures.items():
        if name == "hours":
            continue
        for place, hour in enumerate(figures["hours"]):
            if hour in SHOWN_HOURS:
                errors = (of[key][place] for key in ("mae", *(f"mae_{other}" for other in WORDS)))
                rows.append(
                    (
                        f"{name}, {of['unit']}",
                        str(hour),
                        *(_cell(error, ".2f") for error in errors),
                        *(_gain(of, other, place) for other in _AGAINST),
                        _cell(of["coverage"][place], ".1%"),
                        _cell(of["width"][place], ".2f"),
                    )
                )
    return rows


def _gain(of: dict[str, Any], other: str, place: int) -> str:
    """By what share the error is less than another's, with its interval where there is one.

    >>> _gain({"mae": [4.5], "mae_last": [5.0], "mae_minus_last_ci": [[-0.6, -0.4]]}, "last", 0)
    '10.0% [8.0%, 12.0%]'
    """
    mine, theirs = of["mae"][place], of[f"mae_{other}"][place]
    if mine is None or not theirs:
        return "none"
    shown = f"{1 - mine / theirs:.1%}"
    ends = of.get(f"mae_minus_{other}_ci")
    if ends is None or None in ends[place]:
        return shown
    low, high = ends[place]
    return f"{shown} [{-high / theirs:.1%}, {-low / theirs:.1%}]"


def _cell(value: float | None, shape: str) -> str:
    return "none" if value is None else format(value, shape)
