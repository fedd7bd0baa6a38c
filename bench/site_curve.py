"""What a site's own septic stays are worth: one hospital as the site, another as the public data.

Hospital A stands for the public data: a bundle is fitted on it alone. Of hospital B so many septic
stays are known as the site has gathered; B's test patients are never learned from. Each cell of the
table is a file of its own: a second call goes on where the first was cut.

    python -m bench.site_curve --a dev_A.parquet --b dev_B.parquet --out runs/site
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from streamer.bundles import build
from streamer.bundles import bundle as bundles
from streamer.bundles.bundle import Bundle
from streamer.datasets.cohort import Cohort, concatenate
from trainer.data.cohort import load_cohort
from trainer.data.dataset import Dataset, build_features
from trainer.data.split import split_patients
from trainer.decisions.predictions import figures_of, predict
from trainer.errors import InputError
from trainer.fit import BUNDLE, Lineage, fine_tuning_of, fit
from trainer.progress import Reporter
from trainer.recalibrate import recalibrate
from trainer.training.recipe import Recipe

SEPTIC: Final = (0, 20, 50, 100, 300, -1)
"""Septic stays of the site; -1: all of its train and validation sides."""

KINDS: Final = ("shipped", "recalibrated", "fine-tuned", "anew", "anew-both")
WORDS: Final = {
    "shipped": "as shipped from A",
    "recalibrated": "recalibrated",
    "fine-tuned": "fine-tuned (`fit --from`)",
    "anew": "fitted anew on B's stays",
    "anew-both": "fitted anew on A and B's stays",
}
SHOWN: Final = ("utility", "auroc", "calibration_slope", "alerts_per_patient_day")


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of the table: a kind of model, with so many septic stays of the site."""

    kind: str
    n_septic: int

    @property
    def name(self) -> str:
        """Also the name of its folder."""
        return f"{self.kind}-{'all' if self.n_septic < 0 else self.n_septic}"


def cells(kinds: Sequence[str]) -> list[Cell]:
    """Every cell, the cheap ones first."""
    return [
        Cell(kind, n)
        for kind in kinds
        for n in SEPTIC
        if (n == 0) == (kind == "shipped")  # without stays there is nothing but the shipped one
    ]


def known_stays(cohort: Cohort, n_septic: int, seed: int = 0) -> NDArray[np.int64]:
    """The stays that a site has gathered with its ``n_septic``-th septic one, in a random order.

    Smaller sets are parts of larger ones, and the share of septic stays is the site's own.
    """
    split = split_patients(cohort.owners)
    known = np.sort(np.concatenate([split.train, split.validation]))
    order = np.random.default_rng(seed).permutation(known)
    if n_septic >= 0:
        so_far = np.cumsum(cohort.septic[order])
        order = order[: int(np.searchsorted(so_far, n_septic)) + 1] if n_septic else order[:0]
    return np.sort(order)


class Site:
    """The two hospitals, the bundle of A, and the test patients of B.

    Args:
        a: stays of the public data.
        b: stays of the site.
        out: gets everything.
        recipe: of fits anew.
        n_bootstrap: replicates of the intervals.
    """

    def __init__(self, a: Cohort, b: Cohort, out: Path, recipe: Recipe, n_bootstrap: int) -> None:
        self._a, self._b = a, b
        self._out = out
        self._recipe = recipe
        self._n_bootstrap = n_bootstrap
        test = b.take(split_patients(b.owners).test)
        self._test = Dataset.whole(test, build_features(test))

    def shipped(self, reporter: Reporter) -> Bundle:
        """The bundle that was fitted on A alone; fitted once."""
        folder = self._out / "A"
        if not (folder / BUNDLE / "manifest.json").is_file():
            reporter.say("fitting on A alone: the longest part")
            fit(self._a, folder, self._recipe, reporter=reporter, resume=True, n_bootstrap=0)
        return bundles.load(folder / BUNDLE)

    def measure(self, cell: Cell, reporter: Reporter) -> dict[str, Any]:
        """The figures of a cell on B's test patients; kept, and read if they are there."""
        file = self._out / "cells" / f"{cell.name}.json"
        if file.exists():
            kept: dict[str, Any] = json.loads(file.read_text())
            return kept
        figures: dict[str, Any]
        try:
            bundle = self._bundle(cell, reporter)
        except InputError as error:
            figures = {"not_made": str(error)}
        else:
            model = build.build(bundle)
            predictions = predict(model, self._test)
            figures = figures_of(predictions, model, bundle.model_id, self._n_bootstrap)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({**figures, "cell": cell.name}, indent=1) + "\n")
        return figures

    def _bundle(self, cell: Cell, reporter: Reporter) -> Bundle:
        shipped = self.shipped(reporter)
        if cell.kind == "shipped":
            return shipped
        out = self._out / cell.name
        out.mkdir(parents=True, exist_ok=True)
        own = self._known(cell.n_septic)
        if cell.kind == "recalibrated":
            return recalibrate(shipped, own, out, reporter=reporter, n_bootstrap=0).bundle
        start = shipped if cell.kind == "fine-tuned" else None
        recipe = self._recipe if start is None else fine_tuning_of(shipped)
        stays = _joined(self._a, own) if cell.kind == "anew-both" else own
        lineage = Lineage(start=start)
        return fit(
            stays, out, recipe, reporter=reporter, resume=True, n_bootstrap=0, lineage=lineage
        ).bundle

    def _known(self, n_septic: int) -> Cohort:
        """What is known of B, and its test side, which is only measured on."""
        test = split_patients(self._b.owners).test
        return self._b.take(np.sort(np.concatenate([known_stays(self._b, n_septic), test])))


def _joined(a: Cohort, b: Cohort) -> Cohort:
    both = concatenate([a, b])
    return both.take(sorted(range(len(both)), key=both.patient_ids.__getitem__))


def table(rows: dict[str, dict[str, Any]], kinds: Sequence[str]) -> str:
    """The table in Markdown: a row a kind, a column a number of septic stays."""
    heads = ["model", *(f"{'all' if n < 0 else n} septic" for n in SEPTIC)]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for metric in ("utility", "auroc"):
        for kind in kinds:
            shown = []
            for n in SEPTIC:
                cell = rows.get(Cell(kind, n).name)
                value = None if cell is None else cell.get(metric)
                if value is None:
                    shown.append("")
                    continue
                low, high = cell.get(f"{metric}_ci", (None, None)) if cell else (None, None)
                ends = "" if low is None else f" [{low:.3f}, {high:.3f}]"
                shown.append(f"{value:.3f}{ends}")
            name = "AUROC" if metric == "auroc" else metric
            lines.append(f"| {name}, {WORDS[kind]} | {' | '.join(shown)} |")
    return "\n".join(lines) + "\n"


def draw(rows: dict[str, dict[str, Any]], kinds: Sequence[str], file: Path) -> None:
    """The picture: utility and AUROC over the number of septic stays."""
    import matplotlib.pyplot as plt  # noqa: PLC0415 - takes a second

    figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    most = max((r["n_known"] for r in rows.values() if "n_known" in r), default=1000)
    for axis, metric in zip(axes, ("utility", "auroc"), strict=True):
        for kind in kinds:
            points = [
                (most if n < 0 else n, rows[Cell(kind, n).name].get(metric))
                for n in SEPTIC
                if Cell(kind, n).name in rows
            ]
            points = [(n, value) for n, value in points if value is not None]
            if kind == "shipped" and points:
                axis.axhline(points[0][1], color="grey", ls="--", label=WORDS[kind])
            elif points:
                axis.plot(
                    *zip(*points, strict=True), marker="o", label=WORDS[kind].replace("`", "")
                )
        axis.set_xscale("log")
        axis.set_xlabel("septic stays of hospital B")
        axis.set_ylabel("AUROC" if metric == "auroc" else metric)
    axes[0].legend(fontsize=7)
    figure.suptitle("hospital B's test patients; models begin from hospital A")
    figure.savefig(file, dpi=150)
    plt.close(figure)


def main(arguments: Sequence[str]) -> int:
    """Measures the cells that are missing, and writes `table.md` and `curve.png`."""
    parser = argparse.ArgumentParser(prog="python -m bench.site_curve", description=__doc__)
    parser.add_argument("--a", type=Path, required=True, nargs="+", help="files of hospital A")
    parser.add_argument("--b", type=Path, required=True, nargs="+", help="files of hospital B")
    parser.add_argument("--out", type=Path, required=True, help="folder; a second call goes on")
    parser.add_argument("--kinds", default=",".join(KINDS[:-1]), help=f"of {', '.join(KINDS)}")
    parser.add_argument("--only", default="", help="one cell, such as fine-tuned-50")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--bootstrap", type=int, default=200)
    parser.add_argument("--set", dest="knobs", action="append", default=[], metavar="KNOB=VALUE")
    options = parser.parse_args(arguments)
    recipe, wrong = Recipe().changed(options.knobs)
    if wrong or set(options.kinds.split(",")) - set(KINDS):
        parser.error("; ".join(wrong) or f"kinds are {', '.join(KINDS)}")
    if options.threads:
        torch.set_num_threads(options.threads)
    kinds = options.kinds.split(",")
    reporter = Reporter()
    a, b = load_cohort(options.a), load_cohort(options.b)
    options.out.mkdir(parents=True, exist_ok=True)
    site = Site(a, b, options.out, recipe, options.bootstrap)
    chosen = [c for c in cells(kinds) if options.only in ("", c.name)]
    rows = {}
    with reporter.follow("cells") as progress:
        for number, cell in enumerate(chosen, 1):
            rows[cell.name] = site.measure(cell, reporter)
            n = known_stays(b, cell.n_septic)
            rows[cell.name] = {**rows[cell.name], "n_known": int(b.septic[n].sum())}
            reporter.say(f"{cell.name}: {_said(rows[cell.name])}")
            if progress is not None:
                progress(number, len(chosen))
    (options.out / "table.md").write_text(table(rows, kinds))
    draw(rows, kinds, options.out / "curve.png")
    return 0


def _said(figures: dict[str, Any]) -> str:
    if "not_made" in figures:
        return str(figures["not_made"])
    return ", ".join(f"{name} {figures[name]:.3f}" for name in SHOWN if figures[name] is not None)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
