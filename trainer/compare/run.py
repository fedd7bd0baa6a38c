"""A comparison from files of stays to its report: the whole of ``trainer compare``.

The steps are those of ``compare``: plan what may be fitted, read the stays, fit or load every
model, measure all of them on the same test patients, and write the report. A result that is kept
is loaded, so an interrupted run goes on where it was.
"""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import torch

from streamer.bundles import build
from streamer.bundles.bundle import Bundle
from streamer.core import features
from trainer.atomic import write_atomically
from trainer.compare.experiments.ablations import (
    SoftLabelCache,
    ablations,
    encoder_alone,
    network_family,
)
from trainer.compare.experiments.days import DailyRow
from trainer.compare.experiments.transfer import can_transfer, name_at, transfer
from trainer.compare.families import Entrants, extras
from trainer.compare.models.average import average
from trainer.compare.models.shipped import bundle_entry, recipe_of, refuse_other_patients
from trainer.compare.protocol.family import Family, Task
from trainer.compare.protocol.fitting import FamilyRunner
from trainer.compare.protocol.results import HeldOut, MadeOf, slug
from trainer.compare.report import page, plots, table
from trainer.compare.report.evaluate import FittedEntries, evaluate_all
from trainer.compare.report.findings import Effort, Findings, Setup, machine
from trainer.data.gathering import gather, read
from trainer.data.split_rules import ByHash
from trainer.decisions.predictions import cohort_logits
from trainer.errors import WrongUsage
from trainer.evaluate import task_of
from trainer.fit import versions
from trainer.metrics.evaluation_json import SITES
from trainer.progress import Reporter
from trainer.training.recipe import Recipe

RESULTS, DAILY, DAILY_NAME = "results", "daily.json", "daily"
TRANSFER_NAME: Final = "shipped recipe"


@dataclass(frozen=True, slots=True)
class Options:
    """The choices of one run.

    Attributes:
        only: names of the models to fit anew; no other is fitted, kept ones are still shown.
            Empty: every model without a kept result is fitted.
        n_bootstrap: replicates of the 95 % intervals.
        seed: random seed of all fits.
    """

    only: Collection[str] = ()
    n_bootstrap: int = 1000
    seed: int = 0


def compare(
    paths: Sequence[Path],
    out: Path,
    bundle: Bundle,
    entrants: Entrants,
    options: Options,
    *,
    reporter: Reporter,
) -> Findings:
    """Fits the models that are missing, measures all on the same test patients, and reports.

    Args:
        paths: PhysioNet 2019 files or folders, with labels: those that the bundle was fitted on.
        out: gets ``comparison.md``, ``comparison.csv``, pictures, and in ``results/`` the scores of
            each model, from which an interrupted run goes on.
        bundle: the final model; its split, its recipe and its alert budget are used.
        entrants: everything that it is compared with.
        options: the choices of this run.
        reporter: shows the progress.

    Raises:
        BundleError: the bundle cannot be used.
        DataError: a file cannot be read.
        TooLittleData: a side of the split lacks patients of a kind.
        InputError: the bundle was fitted on other patients.
        WrongUsage: ``only`` names an unknown model.
    """
    started = time.monotonic()
    recipe = recipe_of(bundle)
    results = out / RESULTS
    plan = Plan.of(bundle, entrants, SoftLabelCache(results, recipe))
    refuse_unknown(options.only, plan.names)

    cohort = read(paths, reporter, task_of(bundle))
    material, data = gather(cohort, ByHash(recipe.salt, recipe.fractions), reporter)
    refuse_other_patients(bundle, material, data["fitted_on"])

    task = Task(material, options.seed, torch.get_num_threads())
    runner = FamilyRunner(
        results,
        HeldOut.of(material),
        _made_of(recipe, data["sha256"]),
        recipe.alert_budget,
        frozenset(map(slug, options.only)),
        reporter,
    )
    results.mkdir(parents=True, exist_ok=True)
    entries = _fit_or_load_all(plan, bundle, task, runner)

    setup = Setup(
        model_id=bundle.shown_id,
        data=data,
        salt=recipe.salt,
        fractions=recipe.fractions,
        alert_budget=recipe.alert_budget,
        n_bootstrap=options.n_bootstrap,
        seed=task.seed,
        threads=task.threads,
        machine=machine(),
        versions={**versions(), **extras()},
    )
    effort = Effort(0.0, runner.n_fitted, runner.n_entries, runner.fit_seconds)
    findings = evaluate_all(entries, runner.held_out, setup, effort, reporter)
    effort = replace(effort, seconds=time.monotonic() - started)
    findings = replace(findings, effort=effort)

    _write_report(findings, out, reporter)
    return findings


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that may be fitted, by its part in the comparison.

    Attributes:
        entrants: the rivals of the final model.
        soft_labels: the teacher of the networks with the shipped recipe.
        encoder_alone: the final model without its LSTM.
        ablations: the shipped recipe with one thing changed.
        transferred: the families that are fitted at each hospital alone, by name.
    """

    entrants: Entrants
    soft_labels: SoftLabelCache
    encoder_alone: Family
    ablations: tuple[Family, ...]
    transferred: dict[str, Family]

    @classmethod
    def of(cls, bundle: Bundle, entrants: Entrants, soft_labels: SoftLabelCache) -> Plan:
        """The plan for a final model; nothing is fitted yet."""
        transferred = {TRANSFER_NAME: network_family(TRANSFER_NAME, {}, soft_labels)}
        transferred |= {f.name: f for f in entrants.families if f.name == entrants.trees}
        return cls(
            entrants, soft_labels, encoder_alone(bundle), ablations(soft_labels), transferred
        )

    @property
    def names(self) -> list[str]:
        """Every name that ``--only`` may have."""
        names = [f.name for f in (*self.entrants.families, self.encoder_alone, *self.ablations)]
        names += [name_at(name, site) for name in self.transferred for site in SITES]
        return [*names, DAILY_NAME] if self.entrants.daily else names


def refuse_unknown(only: Collection[str], names: Collection[str]) -> None:
    """Refuses names that no model has.

    Raises:
        WrongUsage: one of ``only`` is not among ``names``.
    """
    known = {slug(name) for name in names}
    wrong = sorted(name for name in only if slug(name) not in known)
    if wrong:
        raise WrongUsage(
            [f"--only {name}: no such model" for name in wrong]
            + [f"the names are: {', '.join(sorted(known))}"]
        )


def _made_of(recipe: Recipe, data_sha256: str) -> MadeOf:
    """Everything that all entries of a comparison depend on."""
    return {
        "data": data_sha256,
        "split": [recipe.salt, *recipe.fractions],
        "features": features.FEATURE_VERSION,
        "alert_budget": recipe.alert_budget,
    }


def _fit_or_load_all(plan: Plan, bundle: Bundle, task: Task, runner: FamilyRunner) -> FittedEntries:
    """Every entry of the plan that there is, in the order of the report."""
    final = bundle_entry(bundle, task, runner.held_out)
    families = runner.fit_or_load_all(plan.entrants.families, task)
    at_both = {entry.name: entry for entry in families if entry.name in plan.transferred}
    families += [
        average(final, trees, runner.held_out, runner.alert_budget) for trees in at_both.values()
    ]
    recipe = plan.soft_labels.knobs
    changed = runner.fit_or_load_all([plan.encoder_alone], task, bundle=bundle.model_id)
    changed += runner.fit_or_load_all(plan.ablations, task, recipe=recipe)
    transfers = []
    if can_transfer(task.material):
        at_both = {TRANSFER_NAME: final, **at_both}
        transfers = transfer(plan.transferred, at_both, task, runner, recipe=recipe)
    daily = _daily_rows(plan.entrants, bundle, task, runner)
    return FittedEntries(final, families, changed, transfers, daily, runner.absent)


def _daily_rows(
    entrants: Entrants, bundle: Bundle, task: Task, runner: FamilyRunner
) -> Sequence[DailyRow]:
    """The rows of the daily form, loaded or worked out now."""
    if entrants.daily is None:
        return []
    file = runner.folder / DAILY
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


def _write_report(findings: Findings, out: Path, reporter: Reporter) -> None:
    """Says how long the fits took; writes the pictures, the page that shows them, and the table."""
    effort = findings.effort
    reporter.say(
        f"{effort.n_fitted} of {effort.n_entries} models fitted now, {effort.seconds:.0f} s in "
        f"all; the fits of all took {effort.fit_seconds:.0f} s"
    )
    plots.draw(findings, out / page.PICTURES)
    page.write(findings, out)
    table.write(findings, out)
