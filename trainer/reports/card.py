"""The model card of a bundle: its intended use, data and figures, and what was not shown."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from streamer.bundles.manifest import FORECAST, Figures
from streamer.core.model import ID_DIGITS
from streamer.core.own_variables import read_own
from streamer.core.variables import VARIABLES
from trainer.forecast.table import forecast_rows
from trainer.reports.provenance_words import VALIDATION, chosen_on, provenance_words

SHOWN: Final = {
    "utility": "normalised utility (PhysioNet 2019)",
    "auroc": "AUROC, hours",
    "auprc": "AUPRC, hours",
    "patient_auroc": "AUROC, patients (highest risk of the stay)",
    "ppv_at_80_sensitivity": "precision at 80 % sensitivity, hours",
    "ece": "expected calibration error",
    "brier": "Brier score",
    "calibration_slope": "calibration slope",
    "calibration_intercept": "calibration intercept, beside that slope",
    "alerts_per_patient_day": "alert starts per patient-day",
    "alert_sensitivity": "septic stays in which an alert starts from 48 hours before onset on",
    "alert_ppv": "share of alert starts that are such alerts",
    "lead_hours_median": "median lead of a found onset, hours",
    "alerted_within_48h": "septic stays under an alert at any time from 48 hours before onset on",
    "alerted_at_onset": "septic stays under an alert at onset",
    "non_septic_stays_alerted": "other stays with an alert at any time",
    "non_septic_hours_alerted": "hours of other stays under an alert",
}
"""Every metric of the manifest, with its name for readers."""

SHORT: Final = ("utility", "auroc", "auprc", "calibration_slope", "alerts_per_patient_day")
"""The metrics that the subgroup table has room for."""

_CHALLENGE: Final = """\
PhysioNet/Computing in Cardiology Challenge 2019, hospitals A and B, licence CC BY 4.0. Cite: Reyna
MA, Josef CS, Jeter R, et al. Early Prediction of Sepsis From Clinical Data: The PhysioNet/Computing
in Cardiology Challenge 2019. Crit Care Med 48(2):210-217 (2020),
doi 10.1097/CCM.0000000000004145; data doi 10.13026/v64v-d857."""

_OTHER: Final = """\
Data of the institution that trained this bundle. Its licence and the consent to its use are that
institution's to state."""

_SEPSIS_LABEL: Final = """\
That the label is right. It is Sepsis-3 from orders and cultures, and its onset is uncertain by
  hours. Records of septic stays stop some 3 hours after onset, so hours later than that are hardly
  represented."""

_OWN_LABEL: Final = """\
That the label is right: {outcome}. In this card a *septic* stay is one with this outcome, *onset*
  is its hour, and the utility is that of the sepsis challenge, which was not made for it."""

_TEMPLATE: Final = """\
# Model card: hourly {title}

## What it is
An encoder of the hour (two layers of {encoder} units) and an LSTM ({hidden} units, layers:
{layers}), stepped once an hour for each ICU stay. It sees
{inputs}, whether and how long ago each was measured, their trends, and
age, sex, kind of ICU and hours since hospital admission. Its 6 h risk learned from {target}
patients. It gives three calibrated probabilities:
that {outcome} comes within 6 hours or has happened,
{longer}. It runs strictly forwards in time: nothing after an hour is used for
that hour.

Intended use: research on early warning, retrospective and in silent mode, as decision support that
a clinician reads beside everything else that is known.

Not intended: **this is research software, not a medical device.** It must not decide on treatment,
not be the reason to withhold it, and not be used for children, outside of an ICU, or at a hospital
where it was not evaluated on that hospital's own patients first.

## Data
{source}

{n_patients:,} stays ({n_septic:,} septic, {n_rows:,} hours). Fingerprint {fingerprint}.
Patients were split {rule}: {sides}.
{chosen} The test patients served for the figures below; no choice in a fit rests on them.{left_out}

## Figures on held-out test patients
{n_test:,} stays, {n_test_septic:,} septic, {n_test_rows:,} hours. In brackets the 95 % interval of
a bootstrap over patients ({n_bootstrap} replicates).

{table}

Subgroups (all hospitals together; small groups have wide intervals):

{subgroup_table}

{forecast}
## Thresholds
{rules}

## At another hospital
What it is worth at a hospital that it was not trained at is not known from these figures.
Use it there in this order, and let the figures of your own patients decide each step:
1. **Silent first**: run it where nobody is paged, keep what streams by and the outcomes
   (`trainer archive run`), and look at utility, AUROC, calibration and alerts on your own stays.
2. **Recalibrate** (`trainer recalibrate`, from 20 septic stays on): calibration, thresholds and
   alert budget for your share of septic patients. It does not mend a ranking that is poor.
3. **Retrain** on your stays (`trainer run`, `trainer fit --from`), judged on patients that serve
   for nothing else. If none of it is better than what you have, do not use it.

## What was not shown
- No use at a bedside, no effect on any patient's outcome, and no comparison with clinicians.
- No hospital other than those above, no later years, and no prospective hour: charting habits are
  part of what the network sees, and they change from place to place and with time.
- Fairness beyond the subgroups above: the data say nothing of ethnicity, language or insurance.
- {label_note}
- Values as a hospital sees them live. The data are hourly bins written afterwards; late results and
  corrections are not in them.
- The longer horizons (24 h, 48 h) count a stay that ended without sepsis as negative to its last
  hour.
- Chance in the fit itself: it is one, with one seed. The intervals are of other patients.
- The calibration slope and intercept hold for the share of septic patients found here. Elsewhere,
  calibrate again.

## How it was made
Vigil {vigil}, PyTorch {torch}, NumPy {numpy}; {epochs} epochs, the weights of epoch {best_epoch}
kept. The whole recipe, the scaling and every figure are in `manifest.json`.
"""

_RULES: Final = """\
- **positive** above {threshold:.4f}: best official utility on {patients} patients.
- **alert** (medium) above {medium:.4f}: detects most septic stays within {budget} alert starts per
  patient-day on {patients} patients ({cost:.2f} there, {sensitivity:.0%} of septic stays detected).
- **high** above {high:.4f}: {high_words}.
- an alert **ends** below {off:.4f}, which is 0.6 of medium's odds."""

_SITE_TEMPLATE: Final = """\
# Model card: hourly {title}, calibrated for a site

Network, scaling and forecast are those of bundle {source}, whose card stands below.
Calibration, threshold and alert policy were chosen anew on patients of one site; for that site, the
values on this card are in force. Intended use and limits are as below.

## The site's data
{n_patients:,} stays ({n_septic:,} septic, {n_rows:,} hours). Fingerprint `{fingerprint}`. Their
licence and the consent to their use are the site's to state. {n_chosen:,} of
them ({n_chosen_septic:,} septic) were the validation patients{seen}. The figures
are those of the other {n_judged:,} ({n_judged_septic:,} septic), who are on the test side of the
bundle's split.

## Figures on the site's held-out patients
In brackets the 95 % interval of a bootstrap over patients ({n_bootstrap} replicates). The last
column is that of after minus before on the same patients: where it holds 0, nothing was shown to
have changed.

{table}

## Thresholds
{rules}

"""

_FORECAST: Final = """\
## Forecast of vital signs
On the same patients: the mean absolute error of the median at each horizon, in the hours in which
the vital sign was measured, beside the last value carried forward and autoregressions (on the last
value; on it and the patient's running mean), fitted to the same training patients by least absolute
error. The interval is meant to hold four of five values. A value in an hour in which somebody chose
to measure does not stand for every hour. A forecast does not know what will be done about it: it
holds for patients who are treated as these were.

{table}
"""


def write_card(about: Figures, thresholds: dict[str, float], on_public_data: bool) -> str:
    """Fills the card of a fitted bundle.

    Args:
        about: the manifest's parts that ``trainer fit`` makes.
        thresholds: ``threshold``, ``medium``, ``high`` and ``off``, risks of onset within 6 h.
        on_public_data: whether the data is the challenge's, by its content.
    """
    data, test = about["data"], about["metrics"]["test"]
    recipe = about["recipe"]
    sides = ", ".join(
        f"{counts['n_patients']:,} {side} ({counts['n_septic']:,} septic)"
        for side, counts in data["sides"].items()
    )
    columns = {"all": test} | {f"hospital {name}": part for name, part in test["by_site"].items()}
    words = _outcome(about.get("task"))
    return _TEMPLATE.format(
        inputs=words["inputs"],
        title=words["title"],
        outcome=words["outcome"],
        longer=words["longer"],
        label_note=words["label_note"],
        **{name: recipe[name] for name in ("encoder", "hidden", "layers", "teacher_share", "salt")},
        source=_CHALLENGE if on_public_data else _OTHER,
        **{name: data[name] for name in ("n_patients", "n_septic", "n_rows")},
        fingerprint=f"`{data['sha256'][:16]}`",
        sides=sides,
        **provenance_words(about),
        n_test=test["n_patients"],
        n_test_septic=test["n_septic"],
        n_test_rows=test["n_rows"],
        n_bootstrap=about["metrics"]["n_bootstrap"],
        table=_table(columns, tuple(SHOWN), SHOWN),
        subgroup_table=_table_of_groups(about["metrics"]["subgroups"]),
        forecast=_forecast(about["metrics"].get(FORECAST)),
        rules=_rules(thresholds, about["alert_budget"], chosen_on(about)),
        **{name: about["versions"][name] for name in ("vigil", "torch", "numpy")},
        **{name: about["training"][name] for name in ("epochs", "best_epoch")},
    )


def _outcome(task: Mapping[str, object] | None) -> dict[str, str]:
    """The words of a card that depend on the task."""
    if task is None:
        return {
            "inputs": f"{len(VARIABLES)} vital signs and laboratory values",
            "title": "sepsis risk",
            "outcome": "onset of sepsis (Sepsis-3, as the challenge labels it)",
            "longer": "within 24 and within 48 hours",
            "label_note": _SEPSIS_LABEL,
        }
    named = cast(Mapping[str, object], task["variables"])
    _, middle, long = cast(Sequence[int], task.get("horizons", (6, 24, 48)))
    return {
        "inputs": f"{len(named)} vital signs and laboratory values{_own_variables(task)}",
        "title": f"risk: {task['outcome']}",
        "outcome": f"the outcome ({task['outcome']})",
        "longer": f"within {middle} and within {long} hours",
        "label_note": _OWN_LABEL.format(outcome=task["outcome"]),
    }


def _own_variables(task: Mapping[str, object]) -> str:
    """The variables that the task defines, with units and limits; empty without any."""
    own = [
        f"{v.display} in {v.ucum} from {v.low:g} to {v.high:g}"
        for v in read_own(task.get("new_variables", {}))
    ]
    return f"\n(the task's own: {'; '.join(own)})" if own else ""


def write_site_card(
    about: Figures,
    thresholds: dict[str, float],
    before: Figures,
    difference_ci: Mapping[str, Sequence[float]],
    card: str,
) -> str:
    """The card of a bundle calibrated for a site, followed by the card of the original bundle.

    Args:
        about: the new manifest's parts.
        thresholds: ``threshold``, ``medium``, ``high`` and ``off``.
        before: figures on the site's held-out patients with the old calibration.
        difference_ci: 95 % intervals of after minus before.
        card: that of the original bundle; its headings sink by a level.
    """
    made, after = about["recalibration"], about["metrics"]["test"]
    data, chosen, judged = made["data"], made["chosen_on"], made["judged_on"]
    lines = ["| | before | after | difference |", "|---|---|---|---|"]
    for name, words in SHOWN.items():
        cells = figure(before, name), figure(after, name), interval(difference_ci[name], name)
        lines.append(f"| {words} | " + " | ".join(cells) + " |")
    seen = made["chosen_on_seen"]
    new = _SITE_TEMPLATE.format(
        title=_outcome(about.get("task"))["title"],
        source=made["from"][:ID_DIGITS],
        **{name: data[name] for name in ("n_patients", "n_septic", "n_rows")},
        fingerprint=data["sha256"][:16],
        n_chosen=chosen["n_patients"],
        n_chosen_septic=chosen["n_septic"],
        seen=f"; the network was fitted on {seen:,} of these" if seen else "",
        n_judged=judged["n_patients"],
        n_judged_septic=judged["n_septic"],
        n_bootstrap=about["metrics"]["n_bootstrap"],
        table="\n".join(lines),
        rules=_rules(thresholds, about["alert_budget"], VALIDATION),
    )
    return new + "".join(
        f"#{line}" if line.startswith("#") else line for line in card.splitlines(keepends=True)
    )


def _rules(thresholds: dict[str, float], budget: Figures, patients: str) -> str:
    never_high = thresholds["high"] >= 1
    return _RULES.format(
        **thresholds,
        patients=patients,
        high_words="never, since too few stays would tell it apart from medium"
        if never_high
        else "a stay that exceeds it is twice as likely septic as one that exceeds medium",
        budget=f"{budget.get('within', budget['budget']):.3g}",
        cost=budget["starts_per_patient_day"],
        sensitivity=budget["sensitivity"],
    )


def figure(figures: Mapping[str, Any], name: str) -> str:
    """A metric as text, with its interval where there is one.

    >>> figure({"auroc": 0.8312, "auroc_ci": [0.81, 0.85]}, "auroc")
    '0.831 [0.810, 0.850]'
    """
    value, ends = figures.get(name), figures.get(f"{name}_ci")
    if value is None:
        return "none"
    shown = f"{value:.{_digits(name)}f}"
    if ends is None or None in ends:
        return shown
    return f"{shown} {interval(ends, name)}"


def interval(ends: Sequence[float], name: str) -> str:
    """An interval of a metric as text; empty where there is none.

    >>> interval([0.81, 0.85], "auroc")
    '[0.810, 0.850]'
    """
    if any(math.isnan(end) for end in ends):
        return ""
    return f"[{ends[0]:.{_digits(name)}f}, {ends[1]:.{_digits(name)}f}]"


def _digits(name: str) -> int:
    return 1 if name == "lead_hours_median" else 4 if name in ("ece", "brier") else 3


def _table(columns: dict[str, Figures], rows: tuple[str, ...], words: dict[str, str]) -> str:
    lines = ["| | " + " | ".join(columns) + " |", "|---|" + "---|" * len(columns)]
    for name in ("n_patients", "n_septic"):
        counts = " | ".join(f"{part[name]:,}" for part in columns.values())
        lines.append(f"| {'stays' if name == 'n_patients' else 'septic stays'} | {counts} |")
    for name in rows:
        cells = " | ".join(figure(part, name) for part in columns.values())
        lines.append(f"| {words[name]} | {cells} |")
    return "\n".join(lines)


def _forecast(forecast: Figures | None) -> str:
    if forecast is None:
        return ""
    lines = ["| " + " | ".join(row) + " |" for row in forecast_rows(forecast["test"])]
    lines.insert(1, "|---" * (lines[0].count("|") - 1) + "|")
    return _FORECAST.format(table="\n".join(lines))


def _table_of_groups(groups: dict[str, Figures]) -> str:
    if not groups:
        return "None: no subgroup here holds enough septic stays to be measured."
    head = ("group", "stays", "septic", *(name.replace("_", " ") for name in SHORT))
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for name, part in groups.items():
        cells = [f"{part['n_patients']:,}", f"{part['n_septic']:,}"]
        cells += [figure(part, metric) for metric in SHORT]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)
