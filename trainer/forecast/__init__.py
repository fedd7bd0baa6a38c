"""The forecast of vital signs: how its head is trained, and what it is compared with."""

from typing import Final

BASELINES: Final = "forecast_baselines"
FIGURES: Final = "forecast_test"
"""Where a manifest keeps what a forecast is compared with, and the figures on test patients."""
