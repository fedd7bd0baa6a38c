"""The history and the pictures of a fit: `history.csv`, `history.json` and `plots/`."""

from __future__ import annotations

import json
from pathlib import Path

from trainer.data.labels import is_of_stay
from trainer.data.split import Split
from trainer.decisions.operating_point import CalibratedModel
from trainer.decisions.predictions import Predictions
from trainer.reports import plots
from trainer.training.checkpoint import Run
from trainer.training.epoch_logs import CSV_FILE, csv_log

PLOTS, HISTORY = "plots", "history"


def draw_fit(
    calibrated: CalibratedModel,
    run: Run,
    predictions: Predictions,
    split: Split,
    chosen_on: str,
    out: Path,
) -> None:
    """Writes history and pictures: losses, the utility where its threshold was chosen, and curves.

    Args:
        calibrated: the model, and how its threshold was chosen.
        run: the epochs.
        predictions: for the test patients.
        split: says how many are on the other sides.
        chosen_on: whose stays the threshold was chosen on, in words.
        out: gets the files.
    """
    folder = out / PLOTS
    folder.mkdir(exist_ok=True)
    cohort, risk = predictions.cohort, predictions.risks[:, 0]
    losses = {
        name: [epoch[key] for epoch in run.history]
        for name, key in (
            (f"{len(split.train):,} training stays, with dropout", "train_label_loss"),
            (f"{len(split.validation):,} validation stays", "validation_loss"),
        )
    }
    kind = "septic" if cohort.task is None else "with the outcome"
    whose = plots.counted("test stays", cohort.label, cohort.starts, kind)
    plots.plot_loss(losses, folder, run.best_epoch)
    plots.plot_roc(cohort.label, risk, folder, whose)
    plots.plot_precision_recall(cohort.label, risk, folder, whose)
    plots.plot_reliability(cohort.label, risk, folder, whose)
    plots.plot_alerts(predictions.scored(), folder, whose)
    n_stays, n_positive = calibrated.n_stays
    plots.plot_utility(
        calibrated.thresholds,
        calibrated.utilities,
        calibrated.model.threshold,
        folder,
        f"{n_stays:,} {chosen_on} stays, {n_positive:,} {kind}",
        "sensitivity + specificity - 1" if is_of_stay(cohort) else "utility",
    )
    history = {"best_epoch": run.best_epoch, "epochs": run.history}
    (out / f"{HISTORY}.json").write_text(json.dumps(history, indent=1) + "\n")
    log = csv_log(out / CSV_FILE)
    for epoch in run.history:  # whole, also of a fit that went on, or that nobody watched
        log(epoch)
