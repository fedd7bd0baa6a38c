"""The model card of a bundle: its intended use, data and figures, and what was not shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from streamer.bundles.manifest import FORECAST, Figures, is_of_stay
from streamer.core.model import ID_DIGITS
from trainer.decisions.chosen_stays import VALIDATION
from trainer.forecast.table import forecast_rows
from trainer.reports.metric_words import SHORT, figure, interval, shown_metrics
from trainer.reports.outcome_words import outcome_words
from trainer.reports.provenance_words import chosen_on, provenance_words

_CHALLENGE: Final = """\
PhysioNet/Computing in Cardiology Challenge 2019, hospitals A and B, licence CC BY 4.0. Cite: Reyna
MA, Josef CS, Jeter R, et al. Early Prediction of Sepsis From Clinical Data: The PhysioNet/Computing
in Cardiology Challenge 2019. Crit Care Med 48(2):210-217 (2020),
doi 10.1097/CCM.0000000000004145; data doi 10.13026/v64v-d857."""

_OTHER: Final = """\
Data of the institution that trained this bundle. Its licence and the consent to its use are that
institution's to state."""

_TEMPLATE: Final = """\
# Model card: hourly {title}

## What it is
An encoder of the hour (two layers of {encoder} units) and an LSTM ({hidden} units, layers:
{layers}), stepped once an hour for each ICU stay. It sees
{inputs}, whether and how long ago each was measured, their trends, and
age, sex, kind of ICU and hours since hospital admission. Its {first} learned from {target}
patients. It gives {risks} It runs strictly forwards in time: nothing after an hour is used for
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
   (`trainer archive run`), and look at {looked_at}, calibration and alerts on your own stays.
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
{label_limit}
- Chance in the fit itself: it is one, with one seed. The intervals are of other patients.
- The calibration slope and intercept hold for the share of septic patients found here. Elsewhere,
  calibrate again.

## How it was made
Vigil {vigil}, PyTorch {torch}, NumPy {numpy}; {epochs} epochs, the weights of epoch {best_epoch}
kept. The whole recipe, the scaling and every figure are in `manifest.json`.
"""

_RULES: Final = """\
- **positive** above {threshold:.4f}: {best} on {patients} patients.
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
them ({n_chosen_septic:,} septic) were the validation stays{seen}. The figures
are those of {n_judged:,} stays of the test side ({n_judged_septic:,} septic).{left_out}

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
    shown = shown_metrics(about)
    return _TEMPLATE.format(
        **outcome_words(about),
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
        table=_table(columns, shown),
        subgroup_table=_table_of_groups(
            about["metrics"]["subgroups"], [name for name in SHORT if name in shown]
        ),
        forecast=_forecast(about["metrics"].get(FORECAST)),
        rules=_rules(thresholds, about, chosen_on(about)),
        **{name: about["versions"][name] for name in ("vigil", "torch", "numpy")},
        **{name: about["training"][name] for name in ("epochs", "best_epoch")},
    )


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
    for name, words in shown_metrics(about).items():
        cells = figure(before, name), figure(after, name), interval(difference_ci[name], name)
        lines.append(f"| {words} | " + " | ".join(cells) + " |")
    seen = made["chosen_on_seen"]
    new = _SITE_TEMPLATE.format(
        title=outcome_words(about)["title"],
        source=made["from"][:ID_DIGITS],
        **{name: data[name] for name in ("n_patients", "n_septic", "n_rows")},
        fingerprint=data["sha256"][:16],
        n_chosen=chosen["n_patients"],
        n_chosen_septic=chosen["n_septic"],
        seen=f"; the bundle before was stopped or calibrated on {seen:,} of these" if seen else "",
        left_out=_left_out_of_site(about),
        n_judged=judged["n_patients"],
        n_judged_septic=judged["n_septic"],
        n_bootstrap=about["metrics"]["n_bootstrap"],
        table="\n".join(lines),
        rules=_rules(thresholds, about, VALIDATION),
    )
    return new + "".join(
        f"#{line}" if line.startswith("#") else line for line in card.splitlines(keepends=True)
    )


def _left_out_of_site(about: Figures) -> str:
    """The stays of the site that nothing rests on; empty where there are none."""
    made = about["recalibration"]
    n_used = made["chosen_on"]["n_patients"] + made["judged_on"]["n_patients"]
    n = made["data"]["n_patients"] - n_used
    if n <= 0:
        return ""
    why = "the bundle before was fitted on them"
    if (about.get("split") or {}).get("decided"):
        why = f"they decide on promotions, or {why}"
    return f"\n{n:,} more are left out of both: {why}."


def _rules(thresholds: dict[str, float], about: Figures, patients: str) -> str:
    never_high, budget = thresholds["high"] >= 1, about["alert_budget"]
    return _RULES.format(
        **thresholds,
        best="most sensitivity and specificity of hours together"
        if is_of_stay(about)
        else "best official utility",
        patients=patients,
        high_words="never, since too few stays would tell it apart from medium"
        if never_high
        else "a stay that exceeds it is twice as likely septic as one that exceeds medium",
        budget=f"{budget.get('within', budget['budget']):.3g}",
        cost=budget["starts_per_patient_day"],
        sensitivity=budget["sensitivity"],
    )


def _table(columns: dict[str, Figures], shown: Mapping[str, str]) -> str:
    lines = ["| | " + " | ".join(columns) + " |", "|---|" + "---|" * len(columns)]
    for name in ("n_patients", "n_septic"):
        counts = " | ".join(f"{part[name]:,}" for part in columns.values())
        lines.append(f"| {'stays' if name == 'n_patients' else 'septic stays'} | {counts} |")
    for name, words in shown.items():
        cells = " | ".join(figure(part, name) for part in columns.values())
        lines.append(f"| {words} | {cells} |")
    return "\n".join(lines)


def _forecast(forecast: Figures | None) -> str:
    if forecast is None:
        return ""
    lines = ["| " + " | ".join(row) + " |" for row in forecast_rows(forecast["test"])]
    lines.insert(1, "|---" * (lines[0].count("|") - 1) + "|")
    return _FORECAST.format(table="\n".join(lines))


def _table_of_groups(groups: dict[str, Figures], shown: Sequence[str]) -> str:
    if not groups:
        return "None: no subgroup here holds enough septic stays to be measured."
    head = ("group", "stays", "septic", *(name.replace("_", " ") for name in shown))
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for name, part in groups.items():
        cells = [f"{part['n_patients']:,}", f"{part['n_septic']:,}"]
        cells += [figure(part, metric) for metric in shown]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)
