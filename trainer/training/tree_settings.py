"""LightGBM settings that the teacher, the compared families and the daily form share.

What differs between them stays where it is used: the learning rate, the leaves, and whether
histograms are built by rows or by columns. The tables of the examples have settings of their own
(``trainer.examples.tabular``): they hold thousands of rows, where these hold a million.
"""

from __future__ import annotations

from typing import Final, TypeAlias

TreeSettings: TypeAlias = dict[str, str | float | bool]

BASE_SETTINGS: Final[TreeSettings] = {
    "objective": "binary",
    "feature_fraction": 0.3,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "lambda_l2": 10.0,
    "deterministic": True,
    "verbose": -1,
}
"""For any table of stays."""

HOURLY_SETTINGS: Final[TreeSettings] = {
    **BASE_SETTINGS,
    "min_data_in_leaf": 500,  # hours, some 13 stays: smaller leaves are single patients
    "max_bin": 127,
}
"""For tables with a row for each hour."""
