"""Checks of the stays given to the trainer: refusals, warnings and notes.

A refusal is what cannot be right: a model of it would be of something else. A warning is what a
bedside does not record. The public data raise neither. What cannot be seen, such as labels that are
all three hours late, is listed in `docs/data.md`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from streamer.core.cleaning import clean
from streamer.core.variables import INDEX, VARIABLES, Variable
from streamer.datasets.cohort import NO_LABEL, Cohort
from trainer.data.finding import Finding, Kind
from trainer.data.labels import is_of_stay
from trainer.data.public_2019 import (
    StayFigures,
    VariableFigures,
    public_2019,
    public_figures,
)
from trainer.data.shape_checks import shape_findings
from trainer.data.stay_content import stay_content

Floats: TypeAlias = NDArray[np.float32]

LEAST_VALUES: Final = 100
"""Of fewer values a share or a median says little."""

LEAST_SEPTIC: Final = 10
MOST_NAMED: Final = 6
MOST_DROPPED: Final = 0.02
"""Public: at most 0.5 % of a variable, but for 11 % of calcium, which is ionised."""

ALL_DROPPED: Final = 0.9
ROWS_AT_ONCE: Final = 1 << 14
"""Four arrays of 4 MB each, within the processor's cache."""

LEAST_MEASURED: Final = 6
"""Values in a row that no other stay has by chance: on the public data 0.05 % of such rows."""


def findings(
    cohort: Cohort, variables: Mapping[str, VariableFigures], stays: StayFigures
) -> list[Finding]:
    """Everything that is found in a cohort, the worst first.

    Args:
        cohort: stays, with or without labels.
        variables: their figures.
        stays: their figures.
    """
    kept = clean(cohort.values, cohort.variables)
    zeros = _zeros(variables)  # said once, and not again as a value outside its limits, or a median
    others = [i for i, name in enumerate(cohort.variables.names) if name not in zeros]
    everything = [
        *_dropped(cohort, kept, variables, others),
        *_units(cohort, kept, variables, others),
        *_filled(variables, zeros),
        *_pressures(kept),
        *_order(cohort, kept),
        *_copies(cohort),
        *_people(cohort),
        *_lengths(stays),
        *shape_findings(cohort, variables, stays),
    ]
    by_stay = is_of_stay(cohort)
    if (cohort.label != NO_LABEL).all() and not by_stay:
        everything += _labels(cohort, stays)
    order = list(Kind)
    return sorted(everything, key=lambda finding: order.index(finding.kind))


def _dropped(
    cohort: Cohort, kept: Floats, variables: Mapping[str, VariableFigures], looked_at: list[int]
) -> Iterator[Finding]:
    lost = []
    for i, variable in enumerate(cohort.variables.all):
        own, raw = variables[variable.name], cohort.values[:, i]
        n = int((~np.isnan(raw)).sum())
        if n < LEAST_VALUES:
            continue
        if variable.is_vital and own["dropped"] > ALL_DROPPED:
            lost.append(variable.name)
        too_many = own["dropped"] > MOST_DROPPED + 2 * public_figures(variable.name)["dropped"]
        if too_many and i in looked_at:
            outside = raw[~np.isnan(raw) & np.isnan(kept[:, i])]
            commonest, times = Counter(outside.tolist()).most_common(1)[0]
            many = f", most often {commonest:g}" if times > len(outside) / 2 else ""
            hint = _hint(variable, float(np.nanmedian(raw))) or _hint(
                variable, float(np.median(outside))
            )
            yield Finding(
                Kind.WARNING,
                f"dropped:{variable.name}",
                f"{len(outside):,} of {n:,} values of {variable.name} are outside "
                f"{variable.low:g} to {variable.high:g}{_unit(variable)} and are dropped{many}"
                + (f"; {hint}" if hint else ""),
            )
    if len(lost) > 1:
        yield Finding(
            Kind.REFUSAL,
            "no_vital_signs",
            f"nothing is left of {', '.join(lost)}: standardised values or other units? Give them "
            "as they were charted",
        )


def _units(
    cohort: Cohort, kept: Floats, variables: Mapping[str, VariableFigures], looked_at: list[int]
) -> Iterator[Finding]:
    for i in (i for i in looked_at if i < len(VARIABLES)):
        variable = VARIABLES[i]
        own, public = variables[variable.name], public_2019()["variables"][variable.name]
        n = int((~np.isnan(cohort.values[:, i])).sum())
        if n < LEAST_VALUES or own["dropped"] > MOST_DROPPED + 2 * public["dropped"]:
            continue
        median = float(np.nanmedian(kept[:, i]))
        low, high = public["quantiles"][0], public["quantiles"][-1]
        hint = _hint(variable, median)
        if hint or not low <= median <= high:
            yield Finding(
                Kind.WARNING,
                f"unit:{variable.name}",
                f"the median of {variable.name} is {median:.4g}{_unit(variable)}, "
                f"{public['quantiles'][2]:.4g} in the public data" + (f"; {hint}" if hint else ""),
            )


def _unit(variable: Variable) -> str:
    """Its unit after a number; nothing where it is a ratio."""
    return "" if variable.ucum == "1" else f" {variable.ucum}"


def _hint(variable: Variable, median: float) -> str:
    """The unit that a median would be in, where it fits another one much better; else empty."""
    quantiles = public_figures(variable.name)["quantiles"]
    if not quantiles:
        return ""
    low, q25, middle, q75, high = quantiles
    if variable.log_scale:
        is_near, spread = middle / 2 <= median <= middle * 2, middle / 4
    else:
        spread = max(q75 - q25, abs(middle) / 10)
        is_near = abs(median - middle) < 2 * spread and low <= median <= high
    if is_near:
        return ""
    powers = (0.001, 0.01, 0.1, 10, 100, 1000)
    also = {f"{power:g} times the unit": 1 / power for power in powers}
    units = {unit: (c.factor, c.offset) for unit, c in variable.conversions.items()}
    candidates = units | {words: (factor, 0.0) for words, factor in also.items()}
    for name, (factor, offset) in candidates.items():
        if abs(median * factor + offset - middle) < spread:
            return f"in {name}?"
    return ""


def _zeros(variables: Mapping[str, VariableFigures]) -> list[str]:
    """The variables that are 0 too often."""
    return [
        name
        for name, own in variables.items()
        if own["zeros"] > max(1 / 20, 2 * public_figures(name)["zeros"])
    ]


def _filled(variables: Mapping[str, VariableFigures], zeros: list[str]) -> Iterator[Finding]:
    public = public_2019()["variables"]
    labs = [v.name for v in VARIABLES if not v.is_vital and public[v.name]["present"] < 1 / 5]
    dense = [name for name in labs if variables[name]["present"] > 1 / 2]
    if len(dense) >= len(labs) / 4:
        yield Finding(
            Kind.WARNING,
            "filled",
            f"{len(dense)} laboratory values have a value in most hours (public: a few percent), "
            f"such as {', '.join(dense[:3])}: filled in? Whether something was measured is part of "
            "the input: leave empty what was not",
        )
    vitals = [v.name for v in VARIABLES if v.is_vital and variables[v.name]["present"] == 1]
    if len(vitals) > len([v for v in VARIABLES if v.is_vital]) / 2:
        yield Finding(
            Kind.WARNING, "never_missing", f"{', '.join(vitals)} are never missing: filled in?"
        )
    if zeros:
        named = ", ".join(zeros[:MOST_NAMED])
        more = f" and {len(zeros) - MOST_NAMED} others" * (len(zeros) > MOST_NAMED)
        yield Finding(
            Kind.WARNING,
            "zeros",
            f"more than 5 % of the values of {named}{more} are 0: zeros for missing cells? "
            "Leave them empty",
        )
    constant = [
        name
        for name, own in variables.items()
        if own["present"] > 1 / 5
        and own["commonest"] > max(0.4, 2 * public_figures(name)["commonest"])
        and name not in zeros
    ]
    if constant:
        yield Finding(
            Kind.WARNING,
            "constant",
            f"one value makes up most of {', '.join(constant)}: a mean or normal value for missing "
            "cells?",
        )


def _pressures(kept: Floats) -> Iterator[Finding]:
    sbp, mean, dbp = (kept[:, INDEX[name]] for name in ("sbp", "map", "dbp"))
    for name, lower, higher in (("dbp above sbp", sbp, dbp), ("map above sbp", sbp, mean)):
        both = ~np.isnan(lower) & ~np.isnan(higher)
        if both.sum() >= LEAST_VALUES and (share := float((higher > lower)[both].mean())) > 0.02:
            yield Finding(
                Kind.WARNING,
                "pressures",
                f"{name} in {share:.0%} of the hours with both: columns exchanged?",
            )


def _order(cohort: Cohort, kept: Floats) -> Iterator[Finding]:
    """Heart rates of neighbouring hours are alike; in another order of the hours they are not."""
    rate = kept[:, INDEX["heart_rate"]]
    same = np.diff(cohort.patient_of_row) == 0
    mixed = np.lexsort((np.random.default_rng(0).random(len(rate)), cohort.patient_of_row))
    steps, by_chance = np.abs(np.diff(rate))[same], np.abs(np.diff(rate[mixed]))[same]
    steps, by_chance = steps[steps > 0], by_chance[by_chance > 0]
    if min(len(steps), len(by_chance)) < 10 * LEAST_VALUES:
        return
    ratio = float(steps.mean() / by_chance.mean())
    if ratio > 0.9:
        yield Finding(
            Kind.WARNING,
            "order",
            f"heart rates of neighbouring hours differ as much as those of any two hours of a stay "
            f"(ratio {ratio:.2f}, public 0.5): are the rows in the order of time?",
        )


def _copies(cohort: Cohort) -> Iterator[Finding]:
    texts = [text for text in stay_content(cohort) if text is not None]
    n = sum(count - 1 for count in Counter(texts).values())
    if n:
        bad = n > 0.05 * len(texts)
        yield Finding(
            Kind.REFUSAL if bad else Kind.WARNING,
            "copies",
            f"{n} stays begin with the heart rates of another stay: copies under other ids, which "
            "lie on both sides of the split",
        )
    share = _rows_in_two_stays(cohort)
    if share > 0.01:
        yield Finding(
            Kind.REFUSAL if share > 0.2 else Kind.WARNING,
            "shared_rows",
            f"{share:.1%} of the hours are in two stays, value for value (public: 0.05 %): stays "
            "cut into overlapping windows, or joined twice? Give each stay once and whole",
        )


def _rows_in_two_stays(cohort: Cohort) -> float:
    enough = (~np.isnan(cohort.values)).sum(axis=1) >= LEAST_MEASURED
    if enough.sum() < LEAST_VALUES:
        return 0.0
    rows = np.flatnonzero(enough)
    digest = np.concatenate(
        [
            _digests(cohort.values[rows[i : i + ROWS_AT_ONCE]])
            for i in range(0, len(rows), ROWS_AT_ONCE)
        ]
    )
    stay = cohort.patient_of_row[rows]
    unique, which = np.unique(digest, return_inverse=True)
    low, high = np.full(len(unique), len(cohort)), np.full(len(unique), -1)
    np.minimum.at(low, which, stay)
    np.maximum.at(high, which, stay)
    return float((low != high)[which].mean())


def _digests(values: Floats) -> NDArray[np.uint64]:
    """(n,) a number for each row (n, 34), by which equal rows are known."""
    draws = np.random.default_rng(0)
    factors = draws.integers(1, 2**63, values.shape[1], dtype=np.uint64) | np.uint64(1)
    mixed = values.view(np.uint32).astype(np.uint64) * factors
    digests: NDArray[np.uint64] = (mixed ^ (mixed >> np.uint64(29))).sum(axis=1, dtype=np.uint64)
    return digests


def _people(cohort: Cohort) -> Iterator[Finding]:
    n = len(cohort)
    age = cohort.age
    wrong = ~np.isnan(age) & ((age > 120) | (age < 0))
    if wrong.any():
        yield Finding(
            Kind.WARNING,
            "age",
            f"{wrong.sum():,} of {n:,} ages are not between 0 and 120 years: in days, or a code?",
        )
    if (unknown := int((cohort.sex == "unknown").sum())) > n / 2:
        yield Finding(
            Kind.WARNING,
            "sex",
            f"the sex of {unknown:,} of {n:,} stays is unknown: Gender is 0 (female) or 1 (male)",
        )
    at_zero = int((cohort.hours_since_hospital_admission == 0).sum())
    if at_zero > n / 2:
        yield Finding(
            Kind.WARNING,
            "hospital_admission",
            f"HospAdmTime of {at_zero:,} of {n:,} stays is 0 or above: it is minus the hours from "
            "hospital to ICU admission",
        )
    if cohort.persons is None:
        yield Finding(
            Kind.NOTE,
            "persons",
            "no column `person`: stays of one person count as those of several, and lie on both "
            "sides of the split",
        )


def _lengths(stays: StayFigures) -> Iterator[Finding]:
    median, public = stays["hours_median"], public_2019()["stays"]["hours_median"]
    if not public / 5 <= median <= public * 5:
        yield Finding(
            Kind.WARNING,
            "hours",
            f"the median stay has {median:g} rows, {public:g} in the public data: a row is an hour",
        )


def _labels(cohort: Cohort, stays: StayFigures) -> Iterator[Finding]:
    label = cohort.label
    positive = float((label == 1).mean())
    if positive > 1 / 2:
        yield Finding(
            Kind.REFUSAL,
            "label_exchanged",
            f"{positive:.0%} of the hours are positive: are 0 and 1 exchanged?",
        )
    n_septic = int(cohort.septic.sum())
    if n_septic < LEAST_SEPTIC:
        return
    falls = _falls(label, cohort.starts)
    if falls:
        yield Finding(
            Kind.WARNING,
            "label_falls",
            f"SepsisLabel goes back to 0 in {falls} of {n_septic} septic stays; it is 1 from six "
            "hours before onset to the end of the stay, and utility is defined for that alone",
        )
    from_start = stays["positive_from_start"]
    if from_start >= 0.95:
        yield Finding(
            Kind.REFUSAL,
            "label_of_stay",
            f"{from_start:.0%} of the septic stays are positive from their first hour: a label of "
            "the stay, not of the hour",
        )
    elif from_start > 1 / 2:
        yield Finding(
            Kind.WARNING,
            "label_from_start",
            f"{from_start:.0%} of the septic stays are positive from their first hour (public: "
            "15 %)",
        )
    hours = stays["positive_hours_median"]
    if hours < 3:
        yield Finding(
            Kind.WARNING,
            "label_short",
            f"a septic stay has {hours:g} positive hours (median; public: 10): the label is 1 from "
            "six hours before onset on, not in one hour",
        )
    elif hours > 24:
        yield Finding(
            Kind.WARNING,
            "label_long",
            f"a septic stay has {hours:g} positive hours (median; public: 10, records end three "
            "hours after onset): hours under treatment become most of what is learned",
        )


def _falls(label: NDArray[np.int8], starts: NDArray[np.int64]) -> int:
    falls = np.zeros(len(label), np.bool_)
    falls[1:] = (label[1:] == 0) & (label[:-1] == 1)
    falls[starts[:-1]] = False
    return int(np.logical_or.reduceat(falls, starts[:-1]).sum())
