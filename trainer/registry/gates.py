"""Gates of a promotion: what must hold before a candidate takes over from the champion.

Two gates, of utility and of AUROC on the deciding stays, show that a candidate is not worse: the
lower end of the paired difference must be above a margin. Margins follow what so many septic stays
can show. With 343 septic stays, an equally good model passes 0.02 of utility in nine of ten cases,
and one that is 0.02 worse in one of twenty. Two others, of the newest weeks and of subgroups, have
too few stays for that, and look for a loss: they close where one above the margin is shown, by the
upper end. That they are open shows nothing. A gate that the stays are too few for is
`insufficient`, not `fail`; either keeps the champion.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

POWER: Final = 1.645 + 0.842
"""Normal quantiles of a one-sided 5 % test that has 80 % power."""


class Verdict(StrEnum):
    """The result of a gate."""

    PASS = "pass"
    FAIL = "fail"
    INSUFFICIENT = "insufficient"


@dataclass(frozen=True, slots=True)
class Gate:
    """A gate with its verdict and the figures behind it."""

    name: str
    verdict: Verdict
    text: str


@dataclass(frozen=True, slots=True)
class Limits:
    """What the gates ask for.

    Attributes:
        least_septic: septic stays below which nothing is decided.
        utility_margin: utility that may be lost.
        auroc_margin: AUROC that may be lost.
        gain: utility that makes a change worth while.
        gain_probability: probability of that gain.
        old_days: a champion this old is replaced by a model that is not worse.
        slope: calibration slope, lowest and highest.
        observed_expected: septic hours over the sum of risks, lowest and highest.
        ece: calibration error above the champion's.
        alert_ratio: alert starts over the champion's, lowest and highest.
        most_alerts: alert starts per patient-day.
        sensitivity_drop: share of the septic stays that may lose their alert.
        least_septic_newest: septic stays that the newest weeks need; 0: they are not asked.
        newest_margin: a loss of utility on the newest weeks above it, if shown, closes the gate.
        newest_observed_expected: as above, on the newest weeks.
        least_septic_subgroup: septic stays below which a subgroup is listed and not judged; 0:
            subgroups are not asked.
        subgroup_drop: a loss of AUROC in a subgroup above it, if shown, closes the gate.
        labelled_share: least share of the stays of a month with an outcome.
    """

    least_septic: int = 30
    utility_margin: float = 0.02
    auroc_margin: float = 0.01
    gain: float = 0.005
    gain_probability: float = 0.80
    old_days: float = 180
    slope: tuple[float, float] = (0.8, 1.25)
    observed_expected: tuple[float, float] = (0.8, 1.25)
    ece: float = 0.005
    alert_ratio: tuple[float, float] = (0.5, 1.10)
    most_alerts: float = 0.33
    sensitivity_drop: float = 0.05
    least_septic_newest: int = 30
    newest_margin: float = 0.05
    newest_observed_expected: tuple[float, float] = (0.67, 1.5)
    least_septic_subgroup: int = 50
    subgroup_drop: float = 0.03
    labelled_share: float = 0.90


DEFAULT: Final = Limits()


@dataclass(frozen=True, slots=True)
class Difference:
    """A figure of the candidate minus the champion's, paired by patient.

    Attributes:
        low: one-sided 95 % lower bound.
        high: one-sided 95 % upper bound.
        sd: standard deviation over replicates.
        gain_probability: share of the replicates above ``Limits.gain``.
    """

    low: float
    high: float
    sd: float
    gain_probability: float


@dataclass(frozen=True, slots=True)
class Subgroup:
    """A subgroup of the deciding stays.

    Attributes:
        n_septic: septic stays in it.
        low: lower end of the paired difference of AUROC, 95 % one-sided.
        high: upper end.
    """

    n_septic: int
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Newest:
    """The newest weeks as a second opinion.

    Attributes:
        n_septic: septic stays in them.
        utility: difference of utility.
        observed_expected: of the candidate.
    """

    n_septic: int
    utility: Difference
    observed_expected: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that the gates look at, on patients that neither model was fitted on.

    Attributes:
        n_septic: septic stays among them.
        candidate: its figures by name.
        champion: its figures by name.
        utility: difference of utility.
        auroc: difference of AUROC.
        observed_expected: of the candidate.
        champion_days: age of the champion; 0 where it is not known.
        subgroups: by name, those with enough septic stays.
        newest: the newest weeks; ``None`` where there are none apart, as with files.
        is_archived: whether the stays are of an archive, which has newest weeks and shares.
        labelled_share: by month of discharge, share of the stays that have an outcome.
        looks: how often these stays have decided in the last quarter, and how often they may.
    """

    n_septic: int
    candidate: dict[str, float]
    champion: dict[str, float]
    utility: Difference
    auroc: Difference
    observed_expected: float
    champion_days: float = 0
    subgroups: dict[str, Subgroup] = field(default_factory=dict)
    newest: Newest | None = None
    is_archived: bool = False
    labelled_share: dict[str, float] = field(default_factory=dict)
    looks: tuple[int, int] = (0, 1)


def gates(evidence: Evidence, limits: Limits = DEFAULT) -> list[Gate]:
    """The verdict of each gate; a candidate takes over when all of them pass."""
    if evidence.n_septic < limits.least_septic:
        text = f"{evidence.n_septic} septic stays to decide on, {limits.least_septic} are needed"
        return [Gate("sufficiency", Verdict.INSUFFICIENT, text)]
    return [
        Gate("sufficiency", Verdict.PASS, f"{evidence.n_septic} septic stays to decide on"),
        *_provenance(evidence, limits),
        _not_worse("utility", evidence.utility, limits.utility_margin, evidence.n_septic),
        _not_worse("AUROC", evidence.auroc, limits.auroc_margin, evidence.n_septic),
        _reason(evidence, limits),
        _calibration(evidence, limits),
        _alerts(evidence, limits),
        *_subgroups(evidence, limits),
        *_newest(evidence, limits),
    ]


def all_pass(verdicts: list[Gate]) -> bool:
    """Whether the candidate takes over."""
    return all(gate.verdict is Verdict.PASS for gate in verdicts)


def in_words(verdicts: list[Gate]) -> str:
    """The gates that keep the champion, or that none does."""
    closed = [
        f"{g.name} ({g.verdict}): {g.text}" for g in verdicts if g.verdict is not Verdict.PASS
    ]
    if closed:
        return "; ".join(closed)
    return f"all gates pass: {next(g.text for g in verdicts if g.name == 'utility')}"


def _provenance(evidence: Evidence, limits: Limits) -> list[Gate]:
    """Whether the stays may decide once more, and whether their labels are for all alike."""
    looks, most = evidence.looks
    text = f"these stays decided {looks} times in a quarter, {most} are allowed"
    closed = [Gate("looks", Verdict.PASS if looks < most else Verdict.INSUFFICIENT, text)]
    if evidence.is_archived:
        poor = {m: s for m, s in evidence.labelled_share.items() if s < limits.labelled_share}
        months = ", ".join(f"{month} {share:.0%}" for month, share in sorted(poor.items())[-3:])
        text = (
            f"stays with an outcome: {months}; {limits.labelled_share:.0%} are asked for"
            if poor
            else f"at least {limits.labelled_share:.0%} of each month's stays have an outcome"
        )
        closed.append(Gate("labels", Verdict.INSUFFICIENT if poor else Verdict.PASS, text))
    return closed


def _subgroups(evidence: Evidence, limits: Limits) -> list[Gate]:
    """Closed where a subgroup is shown to lose too much, and where none is large enough for it."""
    if not limits.least_septic_subgroup:
        return []
    judged = {
        name: group
        for name, group in evidence.subgroups.items()
        if group.n_septic >= limits.least_septic_subgroup and not math.isnan(group.high)
    }
    fallen = [name for name, group in judged.items() if group.high < -limits.subgroup_drop]
    few = [name for name in evidence.subgroups if name not in judged]
    text = f"{len(judged)} with {limits.least_septic_subgroup} septic stays or more judged"
    text += f"; too few to judge: {', '.join(few)}" * bool(few)
    drop = f"a loss of AUROC above {limits.subgroup_drop:g}"
    if not judged:
        return [Gate("subgroups", Verdict.INSUFFICIENT, f"nothing judged; {text}")]
    if fallen:
        text = f"{drop} is shown: {', '.join(fallen)}; {text}"
        return [Gate("subgroups", Verdict.FAIL, text)]
    return [Gate("subgroups", Verdict.PASS, f"{drop} is not shown; {text}")]


def _newest(evidence: Evidence, limits: Limits) -> list[Gate]:
    """A check for catastrophe: so few stays show no more."""
    if not evidence.is_archived or not limits.least_septic_newest:
        return []
    newest, name = evidence.newest, "newest weeks"
    if newest is None or newest.n_septic < limits.least_septic_newest:
        n_septic = 0 if newest is None else newest.n_septic
        text = f"{n_septic} septic stays in them, {limits.least_septic_newest} are needed"
        return [Gate(name, Verdict.INSUFFICIENT, text)]
    ratio, (low, high) = newest.observed_expected, limits.newest_observed_expected
    is_fallen = newest.utility.high < -limits.newest_margin
    text = (
        f"a loss of utility above {limits.newest_margin:g} is {'not ' * (not is_fallen)}shown with "
        f"{newest.n_septic} septic stays: difference [{newest.utility.low:+.3f}, "
        f"{newest.utility.high:+.3f}]; observed over expected {ratio:.2f}"
    )
    is_right = not is_fallen and low <= ratio <= high
    return [Gate(name, Verdict.PASS if is_right else Verdict.FAIL, text)]


def needed_septic(difference: Difference, margin: float, n_septic: int) -> int:
    """Septic stays with which an equal model would pass this margin in four of five cases.

    >>> needed_septic(Difference(-0.02, 0.02, 0.0054, 0.1), 0.02, 587)
    265
    """
    return math.ceil(n_septic * (POWER * difference.sd / margin) ** 2)


def _not_worse(name: str, difference: Difference, margin: float, n_septic: int) -> Gate:
    ends = f"difference [{difference.low:+.4f}, {difference.high:+.4f}], margin {margin:g}"
    if math.isnan(difference.low) or math.isnan(difference.high):
        return Gate(name, Verdict.INSUFFICIENT, f"{name} is undefined here")
    if difference.low > -margin:
        return Gate(name, Verdict.PASS, f"{name} is not worse: {ends}")
    if difference.high < 0:
        return Gate(name, Verdict.FAIL, f"{name} is worse: {ends}")
    needed = needed_septic(difference, margin, n_septic)
    return Gate(
        name,
        Verdict.INSUFFICIENT,
        f"not shown to be no worse: {ends}; {n_septic} septic stays, some {needed} would show it",
    )


def _reason(evidence: Evidence, limits: Limits) -> Gate:
    share = evidence.utility.gain_probability
    if share >= limits.gain_probability:
        text = f"utility gains {limits.gain:g} or more with probability {share:.2f}"
        return Gate("reason", Verdict.PASS, text)
    if evidence.champion_days >= limits.old_days:
        text = f"the champion is {evidence.champion_days:.0f} days old"
        return Gate("reason", Verdict.PASS, text)
    text = (
        f"nothing speaks for a change: a gain of {limits.gain:g} utility has probability "
        f"{share:.2f}, {limits.gain_probability:g} is asked for"
    )
    return Gate("reason", Verdict.FAIL, text)


def _calibration(evidence: Evidence, limits: Limits) -> Gate:
    slope, ratio = evidence.candidate["calibration_slope"], evidence.observed_expected
    worse = evidence.candidate["ece"] - evidence.champion["ece"]
    text = f"slope {slope:.2f}, observed over expected {ratio:.2f}, calibration error {worse:+.4f}"
    is_right = (
        limits.slope[0] <= slope <= limits.slope[1]
        and limits.observed_expected[0] <= ratio <= limits.observed_expected[1]
        and worse <= limits.ece
    )
    return Gate("calibration", Verdict.PASS if is_right else Verdict.FAIL, text)


def _alerts(evidence: Evidence, limits: Limits) -> Gate:
    rate, before = (
        figures["alerts_per_patient_day"] for figures in (evidence.candidate, evidence.champion)
    )
    found, earlier = (
        figures["alert_sensitivity"] for figures in (evidence.candidate, evidence.champion)
    )
    text = (
        f"{rate:.2f} alert starts per patient-day, {before:.2f} before; in {found:.0%} of the "
        f"septic stays, {earlier:.0%} before"
    )
    # A champion without alerts has no ratio: the cap alone holds.
    ratio_holds = before <= 0 or limits.alert_ratio[0] <= rate / before <= limits.alert_ratio[1]
    is_right = (
        ratio_holds and rate <= limits.most_alerts and found >= earlier - limits.sensitivity_drop
    )
    return Gate("alerts", Verdict.PASS if is_right else Verdict.FAIL, text)
