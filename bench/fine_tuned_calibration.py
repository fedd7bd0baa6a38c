"""Calibration of a fine-tuned model by stays that it learned from, and by others' logits of them.

    python -m bench.fine_tuned_calibration --start BUNDLE --b dev_B.parquet [--septic 20 50 100]

For each number of septic stays and each draw, a bundle of another site goes on from these stays
(`trainer fit --from`). Calibration and thresholds are chosen on the network's own logits, and on
those of networks that did not learn from them (`trainer.training.cross_fitting`). Judged are the
stays in no draw; no test patient's figures are looked at.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from bench.site_curve import HELD_OUT, known_stays, stays_in_no_draw
from streamer.bundles import bundle as bundles
from streamer.bundles.bundle import Bundle
from streamer.core.variables import BUILT_IN
from streamer.datasets.cohort import Cohort
from trainer.data.cohort import load_cohort
from trainer.data.dataset import Dataset, build_features
from trainer.data.gathering import gather
from trainer.data.split import split_patients
from trainer.data.split_rules import ByHash
from trainer.decisions.operating_point import choose_operating_point, uncalibrated
from trainer.decisions.predictions import cohort_logits
from trainer.metrics.definitions import Measure
from trainer.progress import Reporter
from trainer.training.cross_fitting import cross_fitted_logits
from trainer.training.fine_tuning import fine_tuning_of, goes_on_from
from trainer.training.loop import train, trained
from trainer.training.teacher import no_soft_labels

_BUDGET: Final = 0.3  # alert starts a patient-day, as the recipe has it
_HEAD: Final = (
    "| septic stays, draw | chosen on | slope | observed over expected | calibration error "
    "| utility |\n|---|---|---|---|---|---|"
)


def rows(site: Cohort, judged: Dataset, start: Bundle, n_septic: int, draw: int) -> list[str]:
    """Fine-tunes on one draw; returns a row of the table for each way to choose.

    Args:
        site: all stays of the site.
        judged: its stays in no draw.
        start: the bundle gone on from.
        n_septic: septic stays of the draw.
        draw: its number.
    """
    test = split_patients(site.owners).test[:HELD_OUT]
    own = site.take(np.sort(np.concatenate([known_stays(site, n_septic, draw), test])))
    recipe = replace(fine_tuning_of(start), seed=draw)
    material, summary = gather(own, ByHash(recipe.salt, recipe.fractions), Reporter())
    material, _ = goes_on_from(start, recipe, material, summary)
    soft = no_soft_labels(own.n_rows, material.built.shape[1])
    run = train(material, recipe, soft)
    tuned = uncalibrated(trained(run, recipe).in_numpy(), material.scaling, BUILT_IN)
    split = material.split
    known = material.dataset(np.sort(np.concatenate([split.train, split.validation])))
    seen = cohort_logits(tuned, judged)[:, 0]
    ways: dict[str, NDArray[np.float64]] = {
        "its own logits": cohort_logits(tuned, known),
        "logits of others": cross_fitted_logits(material, recipe, soft, run),
    }
    table = []
    for name, logits in ways.items():
        point, _ = choose_operating_point(logits[known.rows, 0], known.part, _BUDGET)
        score = point.apply(judged.cohort, seen)
        figures = Measure(score).figures()
        ratio = judged.cohort.label.sum() / score.risk.sum()
        table.append(
            f"| {n_septic}, {draw} | {name} | {figures['calibration_slope']:.2f} | {ratio:.2f} "
            f"| {figures['ece']:.3f} | {figures['utility']:.3f} |"
        )
    return table


def main() -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.fine_tuned_calibration")
    parser.add_argument("--start", type=Path, required=True, help="bundle fitted at another site")
    parser.add_argument("--b", type=Path, required=True, help="stays of the site")
    parser.add_argument("--septic", type=int, nargs="+", default=[20, 50, 100])
    parser.add_argument("--draws", type=int, default=3, help="of each number (default: 3)")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    site, start = load_cohort([chosen.b]), bundles.load(chosen.start)
    part = site.take(stays_in_no_draw(site))
    judged = Dataset.whole(part, build_features(part))
    print(_HEAD, flush=True)
    for n_septic in chosen.septic:
        for draw in range(chosen.draws):
            print("\n".join(rows(site, judged, start, n_septic, draw)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
