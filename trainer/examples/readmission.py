"""``trainer example readmission``: readmission within 30 days, predicted at each discharge."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch.nn.functional import binary_cross_entropy_with_logits

from streamer.datasets.cohort import Progress
from trainer.data.split import Split, split_patients
from trainer.errors import TooLittleData
from trainer.examples import drawing
from trainer.examples.admissions import Admissions, generate
from trainer.examples.diabetes_file import read_diabetes
from trainer.examples.estimates import Estimate, bootstrap, join_names, verdicts
from trainer.examples.handout import Handout, Table, write_handout
from trainer.examples.ranked import FIGURES, Comparison, PatientLabels, best_threshold, compare
from trainer.examples.recurrent import Recurrent, Sequences, TrainingSchedule, fit, predict
from trainer.examples.tabular import Side, fit_logistic, fit_trees, spread
from trainer.metrics.ranking import Ranking, curve
from trainer.progress import Reporter

Floats = NDArray[np.float64]

LOGISTIC, LOGISTIC_PAST = "logistic regression", "logistic regression + history"
TREES_PAST, LSTM = "boosted trees + history", "LSTM, 2 x 64"
MODELS: Final = (LOGISTIC, LOGISTIC_PAST, TREES_PAST, LSTM)
HIDDEN, LAYERS, DROPOUT = 64, 2, 0.3
GROUPS: Final = ((0, 0, "1st"), (1, 1, "2nd"), (2, 3, "3rd to 4th"), (4, 10_000, "5th on"))
"""Admissions in groups: the least and greatest number of admissions before, and the name."""


def run(
    out: Path,
    reporter: Reporter,
    seed: int = 0,
    data: Path | None = None,
    patients: int = 10_000,
    epochs: int = 60,
    threads: int = 1,
) -> Handout:
    """Trains the LSTM and its rivals, measures them on test patients, and draws.

    Args:
        out: gets the figure and the reading.
        reporter: shows the progress.
        seed: random seed of the cohort, the networks and the draws.
        data: ``diabetic_data.csv``; ``None`` for a generated cohort.
        patients: of the generated cohort.
        epochs: maximum number for the LSTM.
        threads: of the trees.

    Raises:
        DataError: the file cannot be read.
        TooLittleData: on a side of the split no admission has a readmission, or every one.
    """
    cohort = read_diabetes(data) if data else generate(patients, np.random.default_rng(seed))
    split = split_patients(cohort.patient_ids)
    _refuse_too_little(cohort, split)
    reporter.say(
        f"{len(cohort.patient_ids)} patients, {len(cohort.x)} admissions, "
        f"{cohort.readmitted.mean():.1%} with a readmission within 30 days"
    )
    validation, test = cohort.take(split.validation), cohort.take(split.test)
    with reporter.follow("LSTM") as progress:
        logits, best = _fit_lstm(cohort, split, seed, epochs, progress)
    scores = {LSTM: logits}
    tables = {LOGISTIC: cohort.x, LOGISTIC_PAST: with_history(cohort)}
    with reporter.follow("tables") as progress:
        for done, (name, x) in enumerate(tables.items(), 1):
            sides = [_side(cohort, x, side) for side in (split.train, split.validation)]
            scores[name] = fit_logistic(sides[0], sides[1])(x)
            progress(done, 3)
        scores[TREES_PAST] = fit_trees(sides[0], sides[1], seed, threads)(x)
        progress(3, 3)
    on_validation, on_test = (
        np.isin(cohort.patient, side) for side in (split.validation, split.test)
    )
    risks = {name: scores[name][on_test] for name in MODELS}
    thresholds = {
        name: best_threshold(validation.readmitted, scores[name][on_validation]) for name in MODELS
    }
    labels = PatientLabels(test.readmitted, test.patient)
    with reporter.follow("intervals") as progress:
        compared = compare(labels, risks, thresholds, LSTM, seed, progress)
    by_group = _by_group(test, risks, seed)
    figure = _draw(test, risks, compared, by_group, data is None)
    table = Table(
        ["", *FIGURES[:4]],
        [[name, *(str(compared.figures[name][f]) for f in FIGURES[:4])] for name in MODELS],
    )
    sentences = _reading(test, compared, by_group, best, data)
    return write_handout(
        out, "readmission", "Back within 30 days of discharge", figure, table, sentences
    )


def with_history(cohort: Admissions) -> Floats:
    """(R, 3 F) an admission's columns, their means over it and those before, and the change since
    the last one: a sequence as a table can hold it. Unknown values are left out of the means.
    """
    x, n_before = cohort.x, cohort.n_before
    means, change = np.empty_like(x), np.full_like(x, np.nan)
    first = np.flatnonzero(n_before == 0)[np.cumsum(n_before == 0) - 1]  # (R,) row of the first one
    known = ~np.isnan(x)
    total, count = np.cumsum(np.where(known, x, 0), axis=0), np.cumsum(known, axis=0)
    total -= (total - np.where(known, x, 0))[first]
    count = count - (count - known)[first]
    np.divide(total, count, out=means, where=count > 0)
    means[count == 0] = np.nan
    later = np.flatnonzero(n_before > 0)
    change[later] = x[later] - x[later - 1]
    return np.concatenate([x, means, change], axis=1)


@dataclass(frozen=True, slots=True)
class Inputs:
    """The scaling of columns to inputs of the LSTM, fitted on training patients; F columns.

    Attributes:
        mean: (F,) of known values.
        std: (F,) of known values.
        gaps: (G,) the columns with unknown values; whether they are known is an input too.
    """

    mean: Floats
    std: Floats
    gaps: NDArray[np.int64]

    @classmethod
    def of(cls, train: Admissions) -> Inputs:
        """Fits the scaling to training patients."""
        return cls(*spread(train.x), np.flatnonzero(np.isnan(train.x).any(axis=0)))

    @property
    def size(self) -> int:
        """Inputs of an admission."""
        return len(self.mean) + len(self.gaps)

    def sequences(self, cohort: Admissions) -> Sequences:
        """(T, N, size) a sequence for each patient; T is the most admissions of any."""
        shape = (int(np.diff(cohort.starts).max()), len(cohort.patient_ids))
        x = np.zeros((*shape, self.size), np.float32)
        y, known = np.zeros(shape, np.float32), np.zeros(shape, bool)
        index = (cohort.n_before, cohort.patient)
        scaled = np.clip((cohort.x - self.mean) / self.std, -5, 5)
        there = ~np.isnan(cohort.x[:, self.gaps])
        x[index] = np.concatenate([np.nan_to_num(scaled), there], axis=1)
        y[index], known[index] = cohort.readmitted, True
        return Sequences(torch.from_numpy(x), torch.from_numpy(y), torch.from_numpy(known))


def _fit_lstm(
    cohort: Admissions, split: Split, seed: int, epochs: int, progress: Progress
) -> tuple[Floats, int]:
    """(R,) logits of validation and test patients, NaN elsewhere; and the epoch that was kept."""
    train = cohort.take(split.train)
    inputs = Inputs.of(train)
    network, best = fit(
        lambda: Recurrent("lstm", inputs.size, HIDDEN, LAYERS, DROPOUT),
        inputs.sequences(train),
        inputs.sequences(cohort.take(split.validation)),
        binary_cross_entropy_with_logits,
        TrainingSchedule(epochs, 8, 128, 1e-3, seed),
        progress,
    )
    logits = np.full(len(cohort.x), np.nan)
    for patients in (split.validation, split.test):
        side = cohort.take(patients)
        predictions = predict(network, inputs.sequences(side))
        logits[np.isin(cohort.patient, patients)] = predictions[side.n_before, side.patient]
    return logits, best


def _side(cohort: Admissions, x: Floats, patients: NDArray[np.int64]) -> Side:
    rows = np.isin(cohort.patient, patients)
    return Side(x[rows], cohort.readmitted[rows])


def _refuse_too_little(cohort: Admissions, split: Split) -> None:
    wrong = [
        f"the {side} patients have {int(back.sum())} readmissions in {len(back)} admissions"
        for side in ("train", "validation", "test")
        if (back := cohort.take(split.side(side)).readmitted).all() or not back.any()
    ]
    if wrong:
        raise TooLittleData("; ".join(wrong) + ": give more patients")


def _by_group(test: Admissions, risks: dict[str, Floats], seed: int) -> dict[str, list[Estimate]]:
    """AUROC of each model among the first admissions, the second ones, and so on.

    The last estimate of a group is the LSTM's minus that of logistic regression on the present
    admission.
    """
    estimates = {}
    for least, most, name in GROUPS:
        rows = (test.n_before >= least) & (test.n_before <= most)
        if len(np.unique(test.readmitted[rows])) < 2:
            continue
        patients, group = np.unique(test.patient[rows], return_inverse=True)
        rankings = [Ranking(test.readmitted[rows], risks[m][rows], group) for m in MODELS]

        def areas(weight: Floats, rankings: list[Ranking] = rankings) -> Floats:
            values = [ranking.weigh(weight).auroc for ranking in rankings]
            return np.array([*values, values[MODELS.index(LSTM)] - values[MODELS.index(LOGISTIC)]])

        estimates[name] = bootstrap(areas, len(patients), seed)
    return estimates


def _reading(
    test: Admissions,
    compared: Comparison,
    by_group: dict[str, list[Estimate]],
    best: int,
    data: Path | None,
) -> list[str]:
    source = "the file" if data else "the generated cohort"
    share = float(test.readmitted.mean())
    sentences = [
        f"{len(test.patient_ids)} test patients of {source} with {len(test.x)} admissions, of "
        f"which {share:.1%} were followed by another within 30 days; no patient is on two sides. "
        f"Intervals are 95 %, by patients. The LSTM kept epoch {best}. Precision and recall are "
        "above a threshold that was chosen on validation patients, where the smaller of the two is "
        "largest."
    ]
    for name, words in (("AUROC", "ranking"), ("AUPRC", "precision over all recalls")):
        others = {m: _negated(compared.differences[m][name]) for m in MODELS if m != LSTM}
        sentences.append(f"By {name} ({words}), the LSTM {verdicts(others)}.")
    gain = {group: estimates[-1] for group, estimates in by_group.items()}
    known = [group for group, estimate in gain.items() if estimate.low > 0 or estimate.high < 0]
    if gain:
        differs = "; ".join(
            f"{estimate.value:+.3f} [{estimate.low:+.3f}, {estimate.high:+.3f}] ({group})"
            for group, estimate in gain.items()
        )
        sentences.append(
            "Against logistic regression on the present admission alone, the LSTM's AUROC differs "
            f"among the 1st, 2nd ... admissions of the patients by {differs}. Told apart from no "
            f"difference: {join_names(known)}. At the 1st there is nothing to remember."
        )
    precision = compared.figures[LSTM]["precision"]
    sentences.append(
        f"Of 100 discharges that the LSTM calls, {100 * precision.value:.0f} are followed by a "
        f"return [{100 * precision.low:.0f}, {100 * precision.high:.0f}], against "
        f"{100 * share:.0f} of 100 chosen blindly."
        if compared.figures[LSTM]["recall"].value > 0
        else "Above its threshold, the LSTM finds no patient who comes back."
    )
    if data is None:
        sentences.append(
            "The cohort is invented, with an infection whose effect outlasts the admission that it "
            "is charted in: the ranking here shows how the models read sequences, and says nothing "
            "about real patients."
        )
    return sentences


def _negated(difference: Estimate) -> Estimate:
    return Estimate(-difference.value, -difference.high, -difference.low)


def _draw(
    test: Admissions,
    risks: dict[str, Floats],
    compared: Comparison,
    by_group: dict[str, list[Estimate]],
    generated: bool,
) -> Figure:
    figure, (roc, ranks, by_admission) = drawing.panels(1, 3, (12, 4.6))
    colours = drawing.colours_of(MODELS)
    label = test.readmitted.astype(np.int8)
    for name in MODELS:
        points = curve(label, risks[name])
        area = compared.figures[name]["AUROC"].value
        roc.plot(
            np.append(0, points.false_positive_rate),
            np.append(0, points.sensitivity),
            color=colours[name],
            lw=1.4,
            label=f"{name}: {area:.3f}",
        )
        shown = points.sensitivity >= 0.02  # the first few of the ranking jump between 0 and 1
        ranks.plot(points.sensitivity[shown], points.precision[shown], color=colours[name], lw=1.4)
    roc.plot([0, 1], [0, 1], ":", color=drawing.QUIET)
    roc.set(title="ROC, with AUROC", xlabel="1 - specificity", ylabel="sensitivity")
    roc.legend(fontsize=8, loc="lower right")
    ranks.axhline(label.mean(), ls=":", color=drawing.QUIET, label="chance")
    ranks.set(title="Precision and recall", xlabel="recall", ylabel="precision", ylim=(0, None))
    ranks.legend(fontsize=8)
    for i, name in enumerate(MODELS):
        group_estimates = [estimates[i] for estimates in by_group.values()]
        values = np.array([e.value for e in group_estimates])
        ends = np.array(
            [
                [e.value - e.low for e in group_estimates],
                [e.high - e.value for e in group_estimates],
            ]
        )
        x = np.arange(len(group_estimates)) + (i - 1.5) * 0.14
        by_admission.errorbar(
            x, values, np.maximum(ends, 0), fmt="o", ms=4, color=colours[name], capsize=2
        )
    by_admission.axhline(0.5, ls=":", color=drawing.QUIET)
    by_admission.set_xticks(range(len(by_group)), list(by_group))
    by_admission.set(
        title="AUROC by admission, 95 % interval",
        xlabel="which admission of the patient",
        ylabel="AUROC",
    )
    source = "generated cohort" if generated else "UCI diabetes file"
    figure.suptitle(
        f"Readmission within 30 days, {len(label):,} discharges of test patients ({source})"
    )
    return figure
