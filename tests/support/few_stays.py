"""A policy under which some five septic stays decide, and what a run's child leaves of them."""

from __future__ import annotations

from trainer.loop.runs import Retraining
from trainer.registry.policy import Policy, PolicyInForce

_POLICY = Policy()

# The gates as they are need thirty septic stays to decide on: beyond what a file may ask for.
FEW = _POLICY.model_copy(
    update={
        "mode": "automatic",
        "data": _POLICY.data.model_copy(
            update={"least_septic_frozen": 2, "least_septic_newest": 0, "least_septic_fit": 20}
        ),
        "quality": _POLICY.quality.model_copy(update={"utility_margin": 0.3, "auroc_margin": 0.3}),
        "calibration": _POLICY.calibration.model_copy(
            update={"slope": (0.0, 99.0), "observed_expected": (0.0, 99.0), "ece": 1.0}
        ),
        "alerts": _POLICY.alerts.model_copy(
            update={"ratio": (0.0, 99.0), "most_per_patient_day": 99.0, "sensitivity_drop": 1.0}
        ),
        "subgroups": _POLICY.subgroups.model_copy(update={"least_septic": 0}),
        "pace": _POLICY.pace.model_copy(update={"least_days_between": 0.0}),
    }
)
ASKS = FEW.model_copy(update={"mode": "ask"})


class OnFewStays(Retraining):
    """Runs under a policy that no file could set."""

    few: Policy = FEW

    def policy(self) -> PolicyInForce:
        """The policy of tests."""
        return PolicyInForce(self.few, "few")
