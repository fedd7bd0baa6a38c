from __future__ import annotations

from dataclasses import replace

import pytest

from trainer.registry.gates import (
    DEFAULT,
    Difference,
    Evidence,
    Newest,
    Subgroup,
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
    subgroups={"female": Subgroup(120, -0.02, 0.02)},
)

SOON = Newest(40, Difference(-0.08, 0.06, 0.04, 0.3), observed_expected=1.1)


def verdicts(evidence: Evidence) -> dict[str, Verdict]:
    return {gate.name: gate.verdict for gate in gates(evidence)}


def closed(evidence: Evidence) -> dict[str, Verdict]:
    return {name: v for name, v in verdicts(evidence).items() if v is not Verdict.PASS}


def test_a_better_candidate_passes_every_gate() -> None:
    assert all_pass(gates(GOOD))
    assert set(verdicts(GOOD)) == {
        "sufficiency", "looks", "utility", "AUROC", "reason", "calibration", "alerts", "subgroups"
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


def test_stays_that_decided_often_decide_no_more() -> None:
    assert closed(replace(GOOD, looks=(13, 13))) == {"looks": Verdict.INSUFFICIENT}


def test_labels_that_miss_in_a_month_close_an_archive() -> None:
    archived = replace(GOOD, is_archived=True, newest=SOON, labelled_share={"2026-05": 0.95})
    assert closed(archived) == {}
    poor = replace(archived, labelled_share={"2026-05": 0.95, "2026-06": 0.80})
    assert closed(poor) == {"labels": Verdict.INSUFFICIENT}


def test_the_newest_weeks_catch_a_catastrophe_and_must_have_stays_enough() -> None:
    archived = replace(GOOD, is_archived=True, newest=SOON)
    assert closed(archived) == {}
    fallen = replace(SOON, utility=Difference(-0.2, -0.06, 0.04, 0.0))
    assert closed(replace(archived, newest=fallen)) == {"newest weeks": Verdict.FAIL}
    assert "a loss of utility above 0.05 is shown" in in_words(
        gates(replace(archived, newest=fallen))
    )
    assert "a loss of utility above 0.05 is not shown" in gates(archived)[-1].text
    off = replace(SOON, observed_expected=2.0)
    assert closed(replace(archived, newest=off)) == {"newest weeks": Verdict.FAIL}
    for few in (None, replace(SOON, n_septic=29)):
        assert closed(replace(archived, newest=few)) == {"newest weeks": Verdict.INSUFFICIENT}
    unasked = gates(replace(archived, newest=None), replace(DEFAULT, least_septic_newest=0))
    assert all_pass(unasked)


def test_a_subgroup_that_falls_fails_and_a_small_one_is_listed() -> None:
    fallen = replace(GOOD, subgroups={"female": Subgroup(60, -0.09, -0.031)})
    assert closed(fallen) == {"subgroups": Verdict.FAIL}
    assert "a loss of AUROC above 0.03 is shown: female" in in_words(gates(fallen))
    small = Subgroup(49, -0.09, -0.031)
    listed = replace(GOOD, subgroups={**GOOD.subgroups, "male": small})
    assert closed(listed) == {}
    assert "is not shown; 1 with 50" in gates(listed)[-1].text
    assert "too few to judge: male" in gates(listed)[-1].text


def test_where_no_subgroup_can_be_judged_nothing_is_open() -> None:
    undefined = Subgroup(60, float("nan"), float("nan"))
    for groups in ({}, {"male": Subgroup(49, 0.0, 0.01)}, {"male": undefined}):
        nothing = replace(GOOD, subgroups=groups)
        assert closed(nothing) == {"subgroups": Verdict.INSUFFICIENT}
        assert "nothing judged" in in_words(gates(nothing))
        assert all_pass(gates(nothing, replace(DEFAULT, least_septic_subgroup=0)))
