"""From files of stays to a comparison of all families: the whole of ``trainer compare``."""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

import torch

from streamer.bundles import build
from streamer.bundles.bundle import Bundle
from streamer.core import features
from trainer.atomic import write_atomically
from trainer.compare.experiments.ablations import (
    SoftLabelVariants,
    ablations,
    encoder_alone,
    network_family,
)
from trainer.compare.experiments.transfer import Crossing, can_cross, cross, trained_at
from trainer.compare.families import Entrants, Row, extras
from trainer.compare.models.average import average
from trainer.compare.models.shipped import enter_bundle, recipe_of, refuse_other_patients
from trainer.compare.protocol.family import Task
from trainer.compare.protocol.fitting import FamilyRunner
from trainer.compare.protocol.results import HeldOut, slug
from trainer.compare.report import page, plots, table
from trainer.compare.report.evaluate import Entered, judge_all
from trainer.compare.report.findings import Findings, Spent, Terms, machine
from trainer.decisions.predictions import cohort_logits
from trainer.errors import WrongUsage
from trainer.fit import gather, versions
from trainer.metrics.report import SITES
from trainer.progress import Reporter

RESULTS, DAILY, DAILY_NAME = "results", "daily.json", "daily"
TRANSFERRED: Final = "shipped recipe"


def compare(
    paths: Sequence[Path],
    out: Path,
    bundle: Bundle,
    entrants: Entrants,
    *,
    reporter: Reporter,
    only: Collection[str] = (),
    n_bootstrap: int = 1000,
    seed: int = 0,
) -> Findings:
    """Fits what is missing, judges everything on the same test patients and writes the report.

    Args:
        paths: PhysioNet 2019 files or folders, with labels: those that the bundle was fitted on.
        out: gets ``comparison.md``, ``comparison.csv``, pictures, and in ``results/`` the scores of
            each model, from which a run that was cut goes on.
        bundle: the final model; its split, its recipe and its alert budget are used.
        entrants: what it is compared with.
        reporter: told how far it is.
        only: names that are fitted anew, and nothing else is fitted; what is kept is still shown.
        n_bootstrap: replicates of the intervals.
        seed: of everything that is drawn.

    Raises:
        BundleError: the bundle cannot be used.
        DataError: files that cannot be read.
        TooLittleData: a side of the split lacks patients of a kind.
        InputError: the bundle was fitted on other patients.
        WrongUsage: names in ``only`` that nobody has.
    """
    started = time.monotonic()
    recipe = recipe_of(bundle)
    results = out / RESULTS
    lessons = SoftLabelVariants(results, recipe)
    variants, alone = ablations(lessons), encoder_alone(bundle)
    moved = {TRANSFERRED: network_family(TRANSFERRED, {}, lessons)}
    moved |= {f.name: f for f in entrants.families if f.name == entrants.trees}
    named = [f.name for f in (*entrants.families, alone, *variants)]
    named += [trained_at(each, origin) for each in moved for origin in SITES]
    refuse_unknown(only, [*named, DAILY_NAME] if entrants.daily else named)

    material, data = gather(paths, recipe, reporter)
    refuse_other_patients(bundle, material, data)
    results.mkdir(parents=True, exist_ok=True)
    held_out = HeldOut.of(material)
    task = Task(material, seed, torch.get_num_threads())
    made_of = {
        "data": data["sha256"],
        "split": [recipe.salt, *recipe.fractions],
        "features": features.RECIPE,
        "alert_budget": recipe.alert_budget,
    }
    runner = FamilyRunner(
        results, held_out, made_of, recipe.alert_budget, frozenset(map(slug, only)), reporter
    )
    final = enter_bundle(bundle, task, held_out)
    families = runner.enter_all(entrants.families, task)
    whole = {entry.name: entry for entry in families if entry.name in moved}
    families += [average(final, trees, held_out, runner.alert_budget) for trees in whole.values()]
    changed = runner.enter_all([alone], task, bundle=bundle.model_id)
    changed += runner.enter_all(variants, task, recipe=lessons.knobs)
    crossings: list[Crossing] = []
    if can_cross(material):
        whole = {TRANSFERRED: final, **whole}
        crossings = cross(moved, whole, task, runner, recipe=lessons.knobs)
    daily = _daily(entrants, bundle, task, results / DAILY, runner)
    entered = Entered(final, families, changed, crossings, daily, runner.absent)

    terms = Terms(
        bundle.model_id,
        data,
        recipe.salt,
        recipe.fractions,
        recipe.alert_budget,
        n_bootstrap,
        seed,
        task.threads,
        machine(),
        {**versions(), **extras()},
    )
    spent = Spent(0.0, runner.n_fitted, runner.n_entries, runner.fit_seconds)
    found = judge_all(entered, held_out, terms, spent, reporter)
    spent = replace(spent, seconds=time.monotonic() - started)
    found = replace(found, spent=spent)
    reporter.say(
        f"{spent.n_fitted} of {spent.n_entries} models fitted now, {spent.seconds:.0f} s in all; "
        f"the fits of all took {spent.fit_seconds:.0f} s"
    )
    plots.draw(found, out / page.PICTURES)
    page.write(found, out)
    table.write(found, out)
    return found


def refuse_unknown(only: Collection[str], names: Collection[str]) -> None:
    """Raises ``WrongUsage`` for names that nobody has."""
    known = {slug(name) for name in names}
    wrong = sorted(name for name in only if slug(name) not in known)
    if wrong:
        raise WrongUsage(
            [f"--only {name}: no such model" for name in wrong]
            + [f"the names are: {', '.join(sorted(known))}"]
        )


def _daily(
    entrants: Entrants, bundle: Bundle, task: Task, file: Path, runner: FamilyRunner
) -> Sequence[Row]:
    """The rows of the daily form: kept, or worked out now."""
    if entrants.daily is None:
        return []
    made_of = {**runner.made_of, "seed": task.seed, "bundle": bundle.model_id}
    if DAILY_NAME not in runner.only:
        with suppress(OSError, KeyError, TypeError, ValueError):  # no rows, or damaged ones
            kept = json.loads(file.read_text())
            if kept["made_of"] == json.loads(json.dumps(made_of)):
                return list(kept["rows"])
    if runner.only and DAILY_NAME not in runner.only:
        runner.absent.append(DAILY_NAME)
        return []
    material = task.material
    with runner.reporter.follow("daily form") as progress:
        model = build.build(bundle)
        logits = cohort_logits(model, material.side("test"))
        rows = entrants.daily(task, progress, logits)
    with write_atomically(file) as new:
        new.write(json.dumps({"made_of": made_of, "rows": [dict(row) for row in rows]}).encode())
    return rows
