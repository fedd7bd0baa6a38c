"""Worth of a site's own septic stays: one hospital as the site, another as the public data.

Hospital A stands for the public data: a bundle is fitted on it alone. Of hospital B so many septic
stays are known as the site has gathered. B's test patients are never learned from: nothing is
stopped, calibrated or chosen by them, nor is the rule of a run: it is read off the patients of the
other sides who are in no draw. Small numbers of stays are drawn several times, since which
ones they are matters. Each result is a file of its own: a second call goes on where the first was
cut.

    python -m bench.site_curve --a dev_A.parquet --b dev_B.parquet --out runs/site
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from bench.site_curve_report import ALL, KINDS, SEPTIC, SHOWN, Curve, Measured, Result, Side
from streamer.bundles import build
from streamer.bundles import bundle as bundles
from streamer.bundles.bundle import Bundle
from streamer.datasets.cohort import Cohort, concatenate
from trainer.data.cohort import load_cohort
from trainer.data.dataset import Dataset, build_features
from trainer.data.split import split_patients
from trainer.decisions.predictions import predict
from trainer.errors import InputError
from trainer.fit import BUNDLE, Lineage, fit
from trainer.metrics.bootstrap import replicates
from trainer.metrics.definitions import Measure
from trainer.progress import Reporter
from trainer.recalibrate import recalibrate
from trainer.registry.candidacy import candidacy
from trainer.registry.gates import DEFAULT, Verdict, gates
from trainer.registry.promotion import evidence_of
from trainer.training.fine_tuning import fine_tuning_of
from trainer.training.recipe import Recipe

DRAWN_ONCE_FROM: Final = 300
"""Septic stays from which one draw is enough: it is a third of all, and costs as much as all the
draws of smaller numbers."""

MOST_DRAWN_AGAIN: Final = max(n for n in SEPTIC if n < DRAWN_ONCE_FROM)
MOST_DRAWS: Final = 3

HELD_OUT: Final = 300
"""Test stays that a fit is handed, because it wants somebody to print figures of. The curve has all
of them, and their features are built once."""

TABLES, PICTURE, RESULTS = "tables.md", "site-curve.svg", "cells"


@dataclass(frozen=True, slots=True)
class Cell:
    """A model of one kind, with so many septic stays of the site, in one draw of them."""

    kind: str
    n_septic: int
    draw: int = 0

    @property
    def name(self) -> str:
        """Also the name of its folder."""
        number = "all" if self.n_septic == ALL else str(self.n_septic)
        return f"{self.kind}-{number}" + (f"-draw{self.draw}" if self.draw else "")


def cells(kinds: Sequence[str], draws: int) -> list[Cell]:
    """Every cell, the cheap ones first."""
    return [
        Cell(kind, n, draw)
        for kind in kinds
        for n in SEPTIC
        if (n == 0) == (kind == "shipped")  # without stays there is nothing but the shipped one
        for draw in range(draws if 0 < n < DRAWN_ONCE_FROM and kind != "anew-both" else 1)
    ]


def known_stays(cohort: Cohort, n_septic: int, seed: int = 0) -> NDArray[np.int64]:
    """The stays that a site has gathered with its ``n_septic``-th septic one, in a random order.

    Smaller sets are parts of larger ones, and the share of septic stays is the site's own.
    """
    split = split_patients(cohort.owners)
    known = np.sort(np.concatenate([split.train, split.validation]))
    order = np.random.default_rng(seed).permutation(known)
    if n_septic != ALL:
        so_far = np.cumsum(cohort.septic[order])
        order = order[: int(np.searchsorted(so_far, n_septic)) + 1] if n_septic else order[:0]
    return np.sort(order)


def stays_in_no_draw(cohort: Cohort) -> NDArray[np.int64]:
    """Stays that no cell but those of all stays knows, and that are no test patients'."""
    split = split_patients(cohort.owners)
    drawn = [
        known_stays(cohort, n, draw)
        for n, draws in ((DRAWN_ONCE_FROM, 1), (MOST_DRAWN_AGAIN, MOST_DRAWS))
        for draw in range(draws)
    ]
    known = np.concatenate([split.train, split.validation])
    return np.setdiff1d(known, np.concatenate(drawn))


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
        self._test = split_patients(b.owners).test
        self._judged: dict[Side, Dataset] = {}
        sides: dict[Side, NDArray[np.int64]] = {"test": self._test, "apart": stays_in_no_draw(b)}
        for side, stays in sides.items():
            part = b.take(stays)
            self._judged[side] = Dataset.whole(part, build_features(part))

    def shipped(self, reporter: Reporter) -> Bundle:
        """The bundle that was fitted on A alone; fitted once."""
        folder = self._out / "A"
        if not (folder / BUNDLE / "manifest.json").is_file():
            reporter.say("fitting on A alone: the longest part")
            fit(self._a, folder, self._recipe, reporter=reporter, resume=True, n_bootstrap=0)
        return bundles.load(folder / BUNDLE)

    def measure(self, cell: Cell, reporter: Reporter) -> Result:
        """What a cell is worth on B's test patients; kept, and read if it is there."""
        file = self._out / RESULTS / f"{cell.name}.json"
        if file.exists():
            return Result.load(file)
        known = known_stays(self._b, cell.n_septic, cell.draw)
        n_septic = int(self._b.septic[known].sum())
        result = Result(cell.kind, cell.n_septic, cell.draw, len(known), n_septic)
        started = time.process_time()
        try:
            bundle = self._bundle(cell, known, reporter)
        except InputError as error:
            result = replace(result, not_made=str(error))
        else:
            sides: list[Side] = ["test"] if cell.n_septic == ALL else ["test", "apart"]
            result = replace(
                result,
                cpu_s=round(time.process_time() - started, 1),
                measured={side: self._measured(bundle, side) for side in sides},
                closed=self._closed(bundle, reporter) if "apart" in sides else None,
            )
        result.save(file)
        return result

    def _measured(self, bundle: Bundle, side: Side) -> Measured:
        judged = self._judged[side]
        measure = Measure(predict(build.build(bundle), judged).scored())
        many = replicates([measure], self._n_bootstrap, names=tuple(SHOWN))[0]
        return Measured(
            int(judged.cohort.septic.sum()),
            measure.figures(),
            {name: many[:, i].tolist() for i, name in enumerate(SHOWN)},
        )

    def _closed(self, bundle: Bundle, reporter: Reporter) -> list[str] | None:
        """Gates that keep a bundle out where A's is in force; subgroups are not looked at."""
        shipped = self.shipped(reporter)
        if bundle.model_id == shipped.model_id:
            return None
        ours, theirs = (
            predict(build.build(each), self._judged["apart"]).scored() for each in (bundle, shipped)
        )
        limits = replace(DEFAULT, least_septic_subgroup=0)
        evidence, _ = evidence_of(ours, theirs, {}, self._n_bootstrap, limits)
        return [gate.name for gate in gates(evidence, limits) if gate.verdict is not Verdict.PASS]

    def _bundle(self, cell: Cell, known: NDArray[np.int64], reporter: Reporter) -> Bundle:
        if cell.kind == "shipped":
            return self.shipped(reporter)
        out = self._out / cell.name
        if (out / BUNDLE / "manifest.json").is_file():
            return bundles.load(out / BUNDLE)
        out.mkdir(parents=True, exist_ok=True)
        own = self._b.take(np.sort(np.concatenate([known, self._test[:HELD_OUT]])))
        shipped, part = self.shipped(reporter), self._b.take(known)
        learned_from = Dataset.whole(part, build_features(part))
        asked = candidacy(shipped, learned_from, DEFAULT.alert_ratio[1])
        if cell.kind == "recalibrated":
            return recalibrate(
                shipped, own, out, reporter=reporter, n_bootstrap=0, candidacy=asked
            ).bundle
        start = shipped if cell.kind == "fine-tuned" else None
        recipe = self._recipe if start is None else fine_tuning_of(start)
        return fit(
            self._with_a(own) if cell.kind == "anew-both" else own,
            out,
            replace(recipe, seed=cell.draw),
            reporter=reporter,
            resume=True,
            n_bootstrap=0,
            lineage=Lineage(start=start, candidacy=asked),
        ).bundle

    def _with_a(self, own: Cohort) -> Cohort:
        split = split_patients(self._a.owners)
        learned_from = np.sort(np.concatenate([split.train, split.validation]))
        both = concatenate([self._a.take(learned_from), own])
        return both.take(sorted(range(len(both)), key=both.patient_ids.__getitem__))


def main(arguments: Sequence[str]) -> int:
    """Measures the cells that are missing; writes tables and picture of all that are there."""
    parser = argparse.ArgumentParser(prog="python -m bench.site_curve", description=__doc__)
    parser.add_argument("--a", type=Path, required=True, nargs="+", help="files of hospital A")
    parser.add_argument("--b", type=Path, required=True, nargs="+", help="files of hospital B")
    parser.add_argument("--out", type=Path, required=True, help="folder; a second call goes on")
    parser.add_argument("--kinds", default=",".join(KINDS), help=f"of {', '.join(KINDS)}")
    parser.add_argument("--draws", type=int, choices=range(1, MOST_DRAWS + 1), default=MOST_DRAWS)
    parser.add_argument("--only", default="", help="cells with commas between, as fine-tuned-50")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--bootstrap", type=int, default=200)
    parser.add_argument("--set", dest="knobs", action="append", default=[], metavar="KNOB=VALUE")
    options = parser.parse_args(arguments)
    recipe, wrong = Recipe().changed(options.knobs)
    chosen = cells(options.kinds.split(","), options.draws)
    only = set(filter(None, options.only.split(",")))
    wrong += [f"kinds are {', '.join(KINDS)}"] * bool(set(options.kinds.split(",")) - set(KINDS))
    wrong += [f"there is no cell {name}" for name in only - {cell.name for cell in chosen}]
    if wrong:
        parser.error("; ".join(wrong))
    if options.threads:
        torch.set_num_threads(options.threads)
    reporter = Reporter()
    site = Site(
        load_cohort(options.a), load_cohort(options.b), options.out, recipe, options.bootstrap
    )
    for cell in chosen:
        if not only or cell.name in only:
            reporter.say(f"{cell.name}: {_line(site.measure(cell, reporter))}")
    report(options.out)
    return 0


def report(out: Path) -> Curve:
    """Writes tables and picture of every result that is kept in a folder."""
    curve = Curve([Result.load(file) for file in sorted((out / RESULTS).glob("*.json"))])
    (out / TABLES).write_text(curve.tables())
    curve.draw(out / PICTURE)
    return curve


def _line(result: Result) -> str:
    if result.not_made:
        return result.not_made
    figures = ", ".join(f"{name} {result.measured['test'].figures[name]:.3f}" for name in SHOWN)
    return f"{figures} ({result.cpu_s:.0f} CPU s)"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
