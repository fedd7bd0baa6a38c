"""The comparison as a Markdown page, which shows every model, better or worse."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from trainer.compare.protocol.family import Level
from trainer.compare.protocol.intervals import COMPARED, Standing
from trainer.compare.protocol.results import Entry
from trainer.compare.report.findings import Findings, RankedEntry
from trainer.data.public_2019 import public_2019
from trainer.reports.metric_words import SHOWN, figure

FILE, PICTURES = "comparison.md", "comparison"

_LEVELS: Final = {
    Level.SEQUENCE: "Sequence: hours one after another, with a state",
    Level.WINDOW: "Window: statistics of the hours before",
    Level.SNAPSHOT: "Snapshot: last values, their ages, demographics",
    Level.REFERENCE: "Reference: nothing of the patient, or a score of the bedside",
    Level.TRUTH: (
        "Not live: uses the true status, which is unknown at the bedside; a bound, not a competitor"
    ),
}

_SHORT: Final = {"utility": "utility", "auroc": "AUROC", "auprc": "AUPRC"}
_REST: Final = tuple(name for name in SHOWN if name not in COMPARED)

_HEAD: Final = """\
# Model families on the same patients

Made by `trainer compare`, which shows every model that it was given.
The final LSTM is model `{model}`.
It is loaded as it is shipped, everything else was fitted for this page.

## In short
{short}

## How it was compared
- **Data**: {n_patients:,} stays ({n_septic:,} septic, {n_rows:,} hours), fingerprint
  `{fingerprint}`.
- **Split** by a hash of the patient id (salt `{salt}`): {sides}. Models learn from training
  patients. Settings are chosen on validation patients, by utility at the best threshold and AUROC
  together; calibration and thresholds on the same ones. Test patients decide nothing here.{seen}
- **Equal chances**: the same hours, labels and scorer for all. A family that has settings to choose
  has {candidates} of them; `settings` below are those chosen. The final LSTM had more: its recipe
  was developed on these validation patients, and trees may have taught it (`no teacher` among the
  ablations shows what that is worth). The networks of the families learn from the labels alone.
- **Decisions**: every model is calibrated in the same way, gets the threshold of the best official
  utility, and the alert threshold that finds most septic stays within {budget} alert starts per
  patient-day, all on validation patients.
- **Intervals**: 95 %, a bootstrap over test patients ({n_bootstrap} replicates{few}). Differences
  are paired: both models on the same resampled patients. `better` and `worse` stand only where the
  interval of the difference leaves out 0.
- **Cost**: microseconds of one thread from the streamer's features (or from the charted hours, for
  models that use no features) to the score of an hour, in batches of whole stays; bytes that must
  be kept of a stay from one hour to the next. The cost of an average is that of both its models.
- **Machine**: {machine}; {threads} threads, seed {seed}. {versions}.
- **Time**: {minutes_fit:.0f} min for all fits. The run that wrote this page took {minutes:.0f} min
  and fitted {n_fitted} of {n_entries} models; the others were kept from runs before.
"""

_LEGEND: Final = """\
Differences are shown for all live models. Curves are shown for the final LSTM, its average with the
trees, and the model of each level that was best on validation patients; all on test patients. Dots
are the thresholds that were chosen on validation patients. Reliability has logarithmic axes, which
cannot show a bin without a positive hour. A curve of alerts ends where a lower threshold gives
fewer of them."""

_FEWEST_REPLICATES: Final = 500
"""With 20 replicates an end of an interval is the outermost one; with 500, 12 lie beyond each."""

_ECE_NOTE: Final = (
    "Resampling adds noise to every bin of the calibration error, so its interval lies high: the "
    "figure can be at its lower end or below.\n"
)

_LIMITS: Final = """\
## What this does not show
- An interval is about other patients of these hospitals. It holds for the models as they were
  fitted; a fit with another seed differs as well (the ablations have one).
- {n_pairs} models are compared with one, by three figures each. Some of so many 95 % intervals
  leave out 0 by chance.
- `No difference shown` is not "equal": the interval says how much could be hidden.
- A family may do better with more settings, other inputs, or more care than it had here.
- Labels are the challenge's, hours are rows of files written afterwards. Nothing here is about use
  at a bedside.
"""


def write(findings: Findings, folder: Path) -> Path:
    """Writes ``comparison.md``, which shows the pictures of the folder ``comparison``."""
    file = folder / FILE
    parts = [_head(findings), *_blocks(findings), _rest(findings), _chosen(findings)]
    if findings.ablations:
        parts.append(_ablations(findings))
    if findings.transfers:
        parts.append(_transfers(findings))
    parts.append(_groups(findings))
    if findings.daily:
        parts.append(_daily(findings))
    drawn = sorted((folder / PICTURES).glob("*.png"))
    shown = "\n\n".join(f"![{_title(file)}]({PICTURES}/{file.name})" for file in drawn)
    parts += [f"## Pictures\n{_LEGEND}\n\n{shown}\n", _limits(findings)]
    file.write_text("\n".join(parts), "utf-8")
    return file


_SEEN: Final = """
  The test utilities of four earlier recipes of the final LSTM were seen while it was developed, so
  its own may be slightly optimistic."""


def _head(findings: Findings) -> str:
    setup, data = findings.setup, findings.setup.data
    sides = ", ".join(
        f"{part['n_patients']:,} {side} ({part['n_septic']:,} septic)"
        for side, part in data["sides"].items()
    )
    return _HEAD.format(
        model=setup.model_id,
        short=_short(findings),
        **{name: data[name] for name in ("n_patients", "n_septic", "n_rows")},
        fingerprint=data["sha256"][:16],
        salt=setup.salt,
        sides=sides,
        seen=_SEEN if public_2019()["model"].startswith(setup.model_id) else "",
        candidates=findings.most_candidates,
        budget=setup.alert_budget,
        n_bootstrap=setup.n_bootstrap,
        few=", too few for ends to rely on" if setup.n_bootstrap < _FEWEST_REPLICATES else "",
        machine=setup.machine,
        threads=setup.threads,
        seed=setup.seed,
        versions=", ".join(f"{name} {version}" for name, version in setup.versions.items()),
        minutes_fit=findings.effort.fit_seconds / 60,
        minutes=findings.effort.seconds / 60,
        n_fitted=findings.effort.n_fitted,
        n_entries=findings.effort.n_entries,
    )


def _short(findings: Findings) -> str:
    figures = findings.final.standing.figures
    lines = [
        f"- Final LSTM, {figures['n_patients']:,} test patients ({figures['n_septic']:,} septic): "
        + ", ".join(f"{_SHORT[name]} {figure(figures, name)}" for name in COMPARED)
        + "."
    ]
    live = [model for model in findings.families if model.entry.level is not Level.TRUTH]
    for metric in COMPARED:
        better, worse, open_ = (
            [m.name for m in live if m.standing.differences[metric].verdict == verdict]
            for verdict in ("better", "worse", "no difference shown")
        )
        lines.append(
            f"- {_SHORT[metric]}: of {len(live)} other live models {len(worse)} are worse; better: "
            f"{'; '.join(better) or 'none'}; no difference shown: {'; '.join(open_) or 'none'}."
        )
    if findings.absent:
        lines.append(f"- Not fitted yet, so not in this page: {'; '.join(findings.absent)}.")
    return "\n".join(lines)


def _blocks(findings: Findings) -> Iterable[str]:
    yield "## Test patients, by what a model may know\n"
    for level, words in _LEVELS.items():
        ranked = findings.at(level)
        if ranked:
            yield f"### {words}\n{_compared([(model.name, model.standing) for model in ranked])}"


def _compared(rows: Sequence[tuple[str, Standing]], first: str = "model") -> str:
    head = [first]
    for name in COMPARED:
        head += [_SHORT[name], "difference"]
    lines = [
        [
            name,
            *(
                cell
                for metric in COMPARED
                for cell in (figure(standing.figures, metric), _difference(standing, metric))
            ),
        ]
        for name, standing in rows
    ]
    return _table(head, lines)


def _difference(standing: Standing, metric: str) -> str:
    if not standing.differences:
        return "-"
    by = standing.differences[metric]
    return f"{by.value:+.3f} [{by.low:+.3f}, {by.high:+.3f}] {by.verdict}"


def _rest(findings: Findings) -> str:
    lines = [
        [model.name, *(figure(model.standing.figures, name) for name in _REST)]
        for level in _LEVELS
        for model in findings.at(level)
    ]
    table = _table(["model", *(SHOWN[n] for n in _REST)], lines)
    return f"### The other metrics\n{_ECE_NOTE}\n{table}"


def _chosen(findings: Findings) -> str:
    lines = [_cost(model.entry) for level in _LEVELS for model in findings.at(level)]
    head = ["model", "settings", "tried", "fit, s", "µs an hour", "state, bytes"]
    return f"### Settings and cost\n{_table(head, lines)}"


def _cost(entry: Entry) -> list[str]:
    return [
        entry.name,
        settings_of(entry) or "-",
        str(len(entry.attempts)) if entry.attempts else "-",
        f"{entry.seconds:.0f}" if entry.attempts else "-",
        f"{entry.microseconds:.2f}",
        f"{entry.state_bytes:,}",
    ]


def settings_of(entry: Entry) -> str:
    """The chosen settings in a line."""
    return ", ".join(f"{name} {value}" for name, value in entry.settings.items())


def _ablations(findings: Findings) -> str:
    rows = [("final LSTM", findings.final.standing)]
    rows += [(_changed(model), model.standing) for model in findings.ablations]
    return (
        "## Ablations\n`encoder alone` is the final network without what its LSTM adds. The others "
        "are the shipped recipe, trained again with one thing changed; the trees were fitted once "
        "for all of them. `another seed` changes nothing but chance: a loss as small as its own "
        f"says nothing.\n\n{_compared(rows, 'recipe')}"
    )


def _changed(model: RankedEntry) -> str:
    settings = settings_of(model.entry)
    return f"{model.name} ({settings})" if settings else model.name


def _transfers(findings: Findings) -> str:
    lines = [
        [
            result.name,
            result.trained_on,
            result.judged_on,
            result.calibrated_on,
            figure(standing.figures, "utility"),
            _difference(standing, "utility"),
            figure(standing.figures, "auroc"),
            _difference(standing, "auroc"),
            figure(standing.figures, "calibration_slope"),
            figure(standing.figures, "alerts_per_patient_day"),
        ]
        for result, standing in findings.transfers
    ]
    head = ["model", "trained at", "judged at", "calibrated at", "utility", "difference", "AUROC"]
    head += ["difference", "calibration slope", "alerts per patient-day"]
    return (
        "## At a hospital it was not trained at\nTraining and validation patients of one hospital, "
        "test patients of the other; then calibration and thresholds chosen anew on validation "
        "patients of the other, which leaves the ranking as it is. Differences are to the final "
        "LSTM, which learned from both, on the same patients: a model of one hospital also "
        "learned from fewer patients. The recipes themselves were developed on validation patients "
        f"of both.\n\n{_table(head, lines)}"
    )


def _groups(findings: Findings) -> str:
    names = ("utility", "auroc", "auprc", "ece", "calibration_slope", "alerts_per_patient_day")
    lines = [
        [
            name,
            f"{standing.figures['n_patients']:,}",
            f"{standing.figures['n_septic']:,}",
            *(figure(standing.figures, metric) for metric in names),
        ]
        for name, standing in findings.groups
    ]
    head = ["group", "stays", "septic", *(SHOWN[name] for name in names)]
    return (
        "## The final LSTM on parts of the test patients\nOne threshold for all. Small groups have "
        f"wide intervals.\n\n{_table(head, lines)}"
    )


def _daily(findings: Findings) -> str:
    lines = [
        [
            row["outcome"],
            row["name"],
            f"{row['n_positive']:,} of {row['n_rows']:,}",
            *(figure(dict(row), metric) for metric in ("auroc", "auprc")),
        ]
        for row in findings.daily
    ]
    return (
        "## The daily form of the task\nOne row for each ICU day: vital signs, laboratory values "
        "and demographics; onset on the same day or the next. The hourly LSTM was not fitted for "
        "this: its prediction is taken at the same hours, from the head of the shortest horizon "
        "that reaches the end of the predicted day.\n\n"
        + _table(["onset", "model", "positive days", "AUROC", "AUPRC"], lines)
    )


def _limits(findings: Findings) -> str:
    return _LIMITS.format(n_pairs=len(findings.families) + len(findings.ablations))


def _title(picture: Path) -> str:
    return picture.stem.replace("_", " ")


def _table(head: Sequence[str], lines: Sequence[Sequence[Any]]) -> str:
    rule = "|---" * len(head) + "|"
    rows = ["| " + " | ".join(map(str, line)) + " |" for line in (head, *lines)]
    return "\n".join([rows[0], rule, *rows[1:], ""])
