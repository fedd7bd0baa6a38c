"""The report of a chaos run, and the page that it is written to."""

from __future__ import annotations

from collections import Counter

from bench.chaos.report import document, report
from bench.chaos.run import Outcome, Plan
from bench.chaos.tally import Fault
from bench.oracle import KINDS, Differences
from tests.support.paths import ROOT

PLAN = Plan(seed=4, seconds=60, events=100)


def test_the_page_has_the_introduction_of_the_program() -> None:
    introduction, heading, _ = document(PLAN, Outcome([], []), "a machine").partition(
        "\n## A run\n"
    )
    assert (ROOT / "docs/chaos.md").read_text().startswith(introduction + heading)


def test_the_report_counts_faults_events_and_differences() -> None:
    outcome = Outcome(
        [Fault(1.0, "Redis wiped"), Fault(2.0, "Redis wiped")],
        [],
        events=1_100,
        differences={kind: Differences(expected=7) for kind in KINDS},
        service_events=Counter({"saves fenced": 3}),
    )
    lines = report(PLAN, outcome, "a machine").splitlines()
    assert "| 1,100 | 7 | 7 | 7 | 7 | 7 | 7 | 2 | 1 | 0 |" in lines
    assert "| Redis wiped | 2 |" in lines
    assert "| saves fenced | 3 |" in lines


def test_the_report_lists_errors_and_examples() -> None:
    missing = Differences(expected=1)
    missing.count("missing", "risk/0/5")
    text = report(PLAN, Outcome([], ["broker did not end"], differences={"risk": missing}), "here")
    assert "- broker did not end\n- risk: missing: risk/0/5" in text
