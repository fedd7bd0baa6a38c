"""The history and the pictures of a fit: `history.csv`, `history.json` and `plots/`."""

from __future__ import annotations

import json
from pathlib import Path

from trainer.decisions.operating_point import CalibratedModel
from trainer.decisions.predictions import Predictions
from trainer.reports import plots
from trainer.training.checkpoint import Run
from trainer.training.epoch_logs import CSV_FILE, csv_log

PLOTS, HISTORY = "plots", "history"


def draw_fit(calibrated: CalibratedModel, run: Run, predictions: Predictions, out: Path) -> None:
    """Writes history and pictures; loss and utility of validation, the curves of test patients."""
    folder = out / PLOTS
    folder.mkdir(exist_ok=True)
    cohort, risk = predictions.cohort, predictions.risks[:, 0]
    losses = {
        name: [epoch[key] for epoch in run.history]
        for name, key in (
            ("training patients, with dropout", "train_label_loss"),
            ("validation patients", "validation_loss"),
        )
    }
    kind = "septic" if cohort.task is None else "with the outcome"
    whose = f"{len(cohort):,} test patients, {cohort.septic.sum():,} {kind}"
    plots.plot_loss(losses, folder, run.best_epoch)
    plots.plot_roc(cohort.label, risk, folder, whose)
    plots.plot_precision_recall(cohort.label, risk, folder, whose)
    plots.plot_reliability(cohort.label, risk, folder, whose)
    plots.plot_alerts(predictions.scored(), folder, whose)
    plots.plot_utility(
        calibrated.thresholds, calibrated.utilities, calibrated.model.threshold, folder
    )
    history = {"best_epoch": run.best_epoch, "epochs": run.history}
    (out / f"{HISTORY}.json").write_text(json.dumps(history, indent=1) + "\n")
    log = csv_log(out / CSV_FILE)
    for epoch in run.history:  # whole, also of a fit that went on, or that nobody watched
        log(epoch)
