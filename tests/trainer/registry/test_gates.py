from __future__ import annotations

from dataclasses import replace

import pytest

from trainer.registry.gates import (
    DEFAULT,
    Difference,
    Evidence,
    Verdict,
    all_pass,
    gates,
    in_words,
    needed_septic,
)

FIGURES = {
    "calibration_slope": 1.0,
    "ece": 0.002,
    "alerts_per_patient_day": 0.30,
    "alert_sensitivity": 0.63,
}
GOOD = Evidence(
    343,
    FIGURES,
    FIGURES,
    utility=Difference(0.004, 0.03, 0.008, 0.93),
    auroc=Difference(-0.004, 0.008, 0.003, 0.5),
    observed_expected=1.0,
)


def verdicts(evidence: Evidence) -> dict[str, Verdict]:
    return {gate.name: gate.verdict for gate in gates(evidence)}


def closed(evidence: Evidence) -> dict[str, Verdict]:
    return {name: v for name, v in verdicts(evidence).items() if v is not Verdict.PASS}


def test_a_better_candidate_passes_every_gate() -> None:
    assert all_pass(gates(GOOD))
    assert set(verdicts(GOOD)) == {
        "sufficiency", "utility", "AUROC", "reason", "calibration", "alerts"
    }  # fmt: skip
    assert "all gates pass" in in_words(gates(GOOD))


def test_with_few_septic_stays_nothing_is_decided() -> None:
    few = replace(GOOD, n_septic=DEFAULT.least_septic - 1)
    assert verdicts(few) == {"sufficiency": Verdict.INSUFFICIENT}
    assert not all_pass(gates(few))
    assert "30 are needed" in in_words(gates(few))


def test_not_worse_must_be_shown() -> None:
    margin = DEFAULT.utility_margin
    just = replace(GOOD, utility=replace(GOOD.utility, low=-margin + 1e-6))
    assert closed(just) == {}
    wide = replace(GOOD, utility=Difference(-margin, 0.05, 0.02, 0.9))
    assert closed(wide) == {"utility": Verdict.INSUFFICIENT}
    assert "septic stays" in in_words(gates(wide))
    worse = replace(GOOD, auroc=Difference(-0.03, -0.001, 0.01, 0.0))
    assert closed(worse) == {"AUROC": Verdict.FAIL}
    nothing = replace(GOOD, auroc=Difference(float("nan"), float("nan"), float("nan"), 0.0))
    assert closed(nothing) == {"AUROC": Verdict.INSUFFICIENT}


def test_not_worse_alone_changes_nothing() -> None:
    equal = replace(GOOD, utility=Difference(-0.01, 0.01, 0.006, 0.2))
    assert closed(equal) == {"reason": Verdict.FAIL}
    assert closed(replace(equal, champion_days=DEFAULT.old_days)) == {}


@pytest.mark.parametrize(
    ("changed", "gate"),
    [
        ({"calibration_slope": 0.7}, "calibration"),
        ({"calibration_slope": 1.4}, "calibration"),
        ({"calibration_slope": float("nan")}, "calibration"),
        ({"ece": 0.0071}, "calibration"),
        ({"alerts_per_patient_day": 0.331}, "alerts"),
        ({"alerts_per_patient_day": 0.14}, "alerts"),
        ({"alert_sensitivity": 0.57}, "alerts"),
    ],
)
def test_calibration_and_alerts_must_hold(changed: dict[str, float], gate: str) -> None:
    assert closed(replace(GOOD, candidate={**FIGURES, **changed})) == {gate: Verdict.FAIL}


def test_too_many_expected_hours_fail_and_a_silent_champion_has_no_ratio() -> None:
    assert closed(replace(GOOD, observed_expected=0.7)) == {"calibration": Verdict.FAIL}
    silent = {**FIGURES, "alerts_per_patient_day": 0.0, "alert_sensitivity": 0.0}
    assert closed(replace(GOOD, champion=silent)) == {}


def test_needed_stays_grow_with_the_square_of_the_margin() -> None:
    difference = Difference(-0.02, 0.02, 0.01, 0.1)
    assert needed_septic(difference, 0.01, 100) == pytest.approx(
        4 * needed_septic(difference, 0.02, 100), abs=4
    )
