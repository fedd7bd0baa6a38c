"""Checks of the shape of stays: lengths, empty ends, values that stand still, who was chosen."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final

import numpy as np

from streamer.core.variables import VARIABLES
from streamer.datasets.cohort import NO_LABEL, Cohort
from trainer.data.finding import Finding, Kind
from trainer.data.public_2019 import StayFigures, VariableFigures, public_2019

LEAST_STAYS: Final = 50
"""Of fewer stays the shares below say little."""

EMPTY_END_HOURS: Final = 6
"""A patient in intensive care has a heart rate within six hours; without one nobody is there."""

LATE_START_HOURS: Final = 24
STILL: Final = 0.5
"""Share of neighbouring values that are equal. Public: at most 0.35, of whole percents of SpO2."""


def shape_findings(
    cohort: Cohort, variables: Mapping[str, VariableFigures], stays: StayFigures
) -> Iterator[Finding]:
    """What is wrong with the shape of stays; arguments as ``report_checks.findings``."""
    yield from _absent(cohort, variables)
    yield from _still(variables)
    if len(cohort) < LEAST_STAYS:
        return
    yield from _ends(cohort)
    yield from _starts(cohort)
    if (cohort.label != NO_LABEL).all():
        yield from _chosen(cohort, stays)


def _absent(cohort: Cohort, variables: Mapping[str, VariableFigures]) -> Iterator[Finding]:
    """The variables of a task's own that no hour has: nobody would name one that is not there."""
    own = (v.name for v in cohort.variables.own)
    if absent := [name for name in own if math.isnan(variables[name]["quantiles"][0])]:
        yield Finding(
            Kind.WARNING,
            "never_measured",
            f"no hour has a value of {', '.join(absent)}, which the task defines: another column, "
            "or a unit in which all of them are outside the limits?",
        )


def _still(variables: Mapping[str, VariableFigures]) -> Iterator[Finding]:
    public = public_2019()["variables"]
    still = [
        v.name
        for v in VARIABLES
        if v.is_vital
        and variables[v.name]["present"] > 1 / 5
        and variables[v.name]["repeated"] > max(STILL, 1.5 * public[v.name]["repeated"])
    ]
    if len(still) > 1:
        yield Finding(
            Kind.WARNING,
            "still",
            f"{', '.join(still)} are equal from one hour to the next in most hours: a value of the "
            "day in each hour, or carried forward? Give what was charted in the hour",
        )


def _ends(cohort: Cohort) -> Iterator[Finding]:
    measured = (~np.isnan(cohort.values)).any(axis=1)
    row = np.arange(cohort.n_rows)
    newest = np.maximum.reduceat(np.where(measured, row, -1), cohort.starts[:-1])
    empty = cohort.starts[1:] - 1 - np.maximum(newest, cohort.starts[:-1])
    share = float((empty >= EMPTY_END_HOURS).mean())
    if share > 0.2:
        yield Finding(
            Kind.WARNING,
            "padded",
            f"{share:.0%} of the stays end with {EMPTY_END_HOURS} or more hours in which nothing "
            "was measured: padded to one length? End a stay with its last charted hour",
        )
    length, times = Counter(cohort.lengths.tolist()).most_common(1)[0]
    if times > len(cohort) / 2:
        yield Finding(
            Kind.WARNING,
            "same_length",
            f"{times:,} of {len(cohort):,} stays have {length} rows: cut or padded to one length? "
            "A stay ends with the patient's discharge",
        )


def _starts(cohort: Cohort) -> Iterator[Finding]:
    first = float(np.median(cohort.iculos[cohort.starts[:-1]]))
    if first > LATE_START_HOURS:
        yield Finding(
            Kind.WARNING,
            "late_start",
            f"the median stay begins with ICULOS {first:g}, 1 in the public data: counted from "
            "hospital admission? It is the hour in intensive care",
        )


def _chosen(cohort: Cohort, stays: StayFigures) -> Iterator[Finding]:
    if stays["septic"] > 1 / 2:
        yield Finding(
            Kind.WARNING,
            "mostly_septic",
            f"{stays['septic']:.0%} of the stays are septic, 7 % in the public data: chosen by "
            "their outcome? Risks are as high as sepsis is common here, and so are the thresholds",
        )
    elif not cohort.septic.any():
        yield Finding(
            Kind.WARNING,
            "no_septic",
            f"none of {len(cohort):,} stays is septic: is SepsisLabel 0 where nobody looked?",
        )
