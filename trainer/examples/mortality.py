"""``trainer example mortality``: the trainer's own parts with another label, death in hospital."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from streamer.core.model import Calibration
from streamer.datasets.cohort import Progress
from streamer.datasets.physionet2012 import read_2012
from trainer.data.batches import by_length
from trainer.data.dataset import Material, build_features, fit_scaling
from trainer.data.split import SIDES, split_patients
from trainer.decisions.calibration import fit_calibrator
from trainer.errors import TooLittleData
from trainer.examples.estimates import Estimate, bootstrap, verdicts
from trainer.examples.handout import Handout, Table, write_handout
from trainer.examples.mortality_figure import draw_mortality
from trainer.examples.mortality_recipe import RECIPE
from trainer.examples.outcomes_2012 import HOURS, Outcomes, hourly, read_outcomes
from trainer.examples.ranked import FIGURES, Comparison, PatientLabels, best_threshold, compare
from trainer.examples.tabular import Side, fit_logistic, fit_trees
from trainer.metrics.ranking import Ranking, auroc
from trainer.progress import Reporter
from trainer.training.checkpoint import Epoch
from trainer.training.loop import train, trained
from trainer.training.loss import Objective
from trainer.training.recipe import Recipe
from trainer.training.teacher import fit_teacher, no_soft_labels
from trainer.training.torch_network import TorchNetwork

Floats = NDArray[np.float64]

NETWORK, LOGISTIC, TREES = "LSTM of the trainer", "logistic regression", "boosted trees"
SAPS, SOFA = "SAPS-I", "SOFA"
MODELS: Final = (NETWORK, LOGISTIC, TREES, SAPS, SOFA)
RANKED_HOURS: Final = tuple(range(3, HOURS + 1, 3))  # of the stay, where the ranking is measured


def run(
    out: Path,
    reporter: Reporter,
    data: Path,
    outcomes: Path,
    recipe: Recipe = RECIPE,
    threads: int = 1,
) -> Handout:
    """Trains the network on "dies in hospital" at every hour, measures it at 48 hours, and draws.

    Args:
        out: gets the figure and the reading.
        reporter: shows the progress.
        data: records of the PhysioNet 2012 challenge.
        outcomes: their table of outcomes.
        recipe: knobs of the trainer.
        threads: of the trees.

    Raises:
        DataError: a file cannot be read, or the files do not belong together.
        TooLittleData: on a side of the split nobody died, or everybody.
    """
    with reporter.follow("reading") as progress:
        records = read_2012([data], progress)
    known = read_outcomes(outcomes, records.patient_ids)
    cohort = hourly(records, known.died)
    split = split_patients(cohort.patient_ids, recipe.salt, recipe.fractions)
    wrong = [
        f"{int(known.died[split.side(side)].sum())} of the {len(split.side(side))} {side} patients "
        "died"
        for side in SIDES
        if len(np.unique(known.died[split.side(side)])) < 2
    ]
    if wrong:
        raise TooLittleData("; ".join(wrong) + ": give more records")
    with reporter.follow("building features") as progress:
        built = build_features(cohort, progress)
    training_rows = np.isin(cohort.patient_of_row, split.train)
    material = Material(cohort, built, fit_scaling(built, training_rows), split)
    logits = _train(material, recipe, reporter, threads)  # (N, HOURS)

    test = split.test
    with reporter.follow("tables") as progress:
        scores = {
            NETWORK: logits[:, -1],
            **_others(material, known, recipe.seed, threads, progress),
        }
    labels = PatientLabels(known.died[test], np.arange(len(test)))
    thresholds = {
        name: best_threshold(known.died[split.validation], scores[name][split.validation])
        for name in MODELS
    }
    with reporter.follow("intervals") as progress:
        compared = compare(
            labels, {n: scores[n][test] for n in MODELS}, thresholds, NETWORK, recipe.seed, progress
        )
    hours = _by_hour(known.died[test], logits[test], recipe.seed)
    risks = _calibrated(logits, known.died, split.validation)
    figure = draw_mortality(
        known.died[test],
        {n: scores[n][test] for n in MODELS},
        compared,
        RANKED_HOURS,
        hours,
        risks[test],
    )
    names = (*FIGURES[:4], "event 1")
    table = Table(
        ["at 48 h", *names],
        [[name, *(str(compared.figures[name][f]) for f in FIGURES)] for name in MODELS],
    )
    sentences = _reading(known.died[test], compared, hours, risks[test])
    return write_handout(
        out, "mortality", "Death in hospital, from 48 hours", figure, table, sentences
    )


def hour_logits(
    network: TorchNetwork, material: Material, stays: NDArray[np.int64]
) -> NDArray[np.float64]:
    """(N, HOURS) the first head's logit at each hour of these stays."""
    size = network.architecture
    logits = np.empty((material.cohort.n_rows, 1))
    network.eval()
    with torch.inference_mode():
        for batch in by_length(material.cohort, stays):
            x = torch.from_numpy(material.scaling.apply(material.built[batch.rows]))  # (T, B, F)
            x = x.to(network.bias.device)
            start = x.new_zeros(size.layers, x.shape[1], size.hidden)
            logits[batch.rows, 0] = network(x, start, start)[0][..., 0].cpu().numpy()
    return logits[material.rows_of(stays)].reshape(len(stays), HOURS)


def validate(network: TorchNetwork, material: Material, objective: Objective) -> Epoch:
    """The loss on validation patients, and the AUROC among them at 48 hours."""
    stays = material.split.validation
    by_hour = hour_logits(network, material, stays)
    rows = material.rows_of(stays)
    ranking = auroc(material.cohort.label[rows][HOURS - 1 :: HOURS], by_hour[:, -1])
    logits = torch.from_numpy(by_hour).float().to(network.bias.device)
    loss = objective.loss(logits.reshape(-1, 1).expand(-1, 3), rows)
    return {"validation_loss": float(loss), "validation_score": ranking}


def _train(
    material: Material, recipe: Recipe, reporter: Reporter, threads: int
) -> NDArray[np.float64]:
    """(N, HOURS) logits of all stays, by teacher, encoder and LSTM as in ``trainer fit``."""
    cohort = material.cohort
    soft_labels = no_soft_labels(cohort.n_rows, material.built.shape[1])
    if recipe.teacher_share:
        with reporter.follow("teacher") as progress:
            soft_labels = fit_teacher(material, recipe, threads, progress)
    with reporter.follow("training") as progress:
        done = train(
            material,
            recipe,
            soft_labels,
            progress=progress,
            report=lambda e: reporter.say(
                f"epoch {e['epoch']:.0f}: validation AUROC at 48 h {e['validation_score']:.4f}"
            ),
            validate=validate,
        )
    return hour_logits(trained(done, recipe), material, np.arange(len(cohort)))


def _others(
    material: Material, known: Outcomes, seed: int, threads: int, progress: Progress
) -> dict[str, Floats]:
    """(N,) scores of every other model: the same features at 48 h, or a score of the first day."""
    x = material.built[HOURS - 1 :: HOURS].astype(np.float64)  # (N, F) the last hour of each stay
    split = material.split
    train, validation = (
        Side(x[side], known.died[side]) for side in (split.train, split.validation)
    )
    scores = {LOGISTIC: fit_logistic(train, validation)(x)}
    progress(1, 2)
    scores[TREES] = fit_trees(train, validation, seed, threads)(x)
    progress(2, 2)
    for name, score in ((SAPS, known.saps), (SOFA, known.sofa)):
        usual = np.nanmedian(score[split.train])
        scores[name] = np.where(np.isnan(score), usual, score)
    return scores


def _by_hour(died: NDArray[np.bool_], logits: Floats, seed: int) -> list[Estimate]:
    """AUROC of the network at each hour of ``RANKED_HOURS``."""
    everybody = np.arange(len(died))
    rankings = [Ranking(died, logits[:, hour - 1], everybody) for hour in RANKED_HOURS]
    return bootstrap(
        lambda weight: np.array([ranking.weigh(weight).auroc for ranking in rankings]),
        len(died),
        seed,
    )


def _calibrated(
    logits: Floats, died: NDArray[np.bool_], validation: NDArray[np.int64]
) -> NDArray[np.float64]:
    """(N, HOURS) risks, by a map that was fitted to every hour of the validation patients."""
    label = np.repeat(died[validation], HOURS).astype(np.int8)
    line = Calibration(*fit_calibrator(logits[validation].ravel(), label))
    return np.asarray(1 / (1 + np.exp(-line.apply(logits))))


def _reading(
    died: NDArray[np.bool_], compared: Comparison, hours: list[Estimate], risks: Floats
) -> list[str]:
    share = float(died.mean())
    sentences = [
        f"{len(died)} test patients, of whom {int(died.sum())} ({share:.1%}) died in hospital; no "
        "patient is on two sides. Intervals are 95 %, by patients. Precision, recall and event 1 "
        "(the smaller of the two, the challenge's score) are above a threshold that was chosen on "
        "validation patients.",
        "The network, the features of an hour, the teacher and the training loop are those of the "
        "sepsis model; only the label and the validation score differ. The features know nothing "
        "of the Glasgow coma scale, urine or ventilation, which SAPS-I and SOFA count.",
    ]
    for name in ("AUROC", "AUPRC", "min(precision, recall)"):
        others = {
            other: Estimate(-e.value, -e.high, -e.low)
            for other in MODELS
            if other != NETWORK
            for e in [compared.differences[other][name]]
        }
        words = "event 1" if name == "min(precision, recall)" else name
        sentences.append(f"By {words}, the network {verdicts(others)}.")
    first, last = hours[0], hours[-1]
    sentences.append(
        f"Its AUROC is {first} at {RANKED_HOURS[0]} h and {last} at {RANKED_HOURS[-1]} h"
        + (
            ": it ranks better as more is known."
            if first.high < last.low
            else ", with intervals that overlap."
        )
    )
    end = risks[:, -1]
    sentences.append(
        f"At 48 h it expects {end.sum():.0f} deaths; there were {int(died.sum())}. The median risk "
        f"of those who died is {np.median(end[died]):.0%}, that of those who lived "
        f"{np.median(end[~died]):.0%}."
    )
    return sentences
