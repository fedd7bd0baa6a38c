"""The candidates of a run: which are worth making, made, and compared with the champion.

How many septic stays a site can learn from decides: with few, calibration; with some more, a fit
that goes on from the champion's weights; with many, a fit anew on the public and the own stays.
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import torch

from streamer.bundles import bundle as bundles
from streamer.bundles.bundle import Bundle
from streamer.datasets.cohort import Cohort
from trainer.archive.source import ArchiveSource
from trainer.data.dataset import Dataset, build_features
from trainer.data.split_rules import ByHash
from trainer.errors import InputError, NothingToEvaluate, TooLittleData, WrongUsage
from trainer.evaluate import task_of
from trainer.fit import BUNDLE, Lineage, fit, versions
from trainer.loop.child import SEPSIS_ALONE, Kind, Made, Order, Report
from trainer.loop.knobs import of_every_fit, run_recipe
from trainer.loop.stays import Rules, RunStays, gather
from trainer.progress import Reporter
from trainer.recalibrate import recalibrate
from trainer.registry.candidacy import candidacy
from trainer.registry.gates import Evidence, Newest
from trainer.registry.promotion import compare_bundles
from trainer.training.fine_tuning import fine_tuning_of
from trainer.training.recipe import Recipe


def worth_making(n_septic: int, least_recalibrate: int, least_fit: int) -> list[Kind]:
    """The kinds of candidates, by the septic stays that can be learned from.

    >>> worth_making(19, 20, 300), worth_making(20, 20, 300)
    ([], ['recalibrated', 'fine-tuned'])
    >>> worth_making(300, 20, 300)
    ['recalibrated', 'fine-tuned', 'fitted']
    """
    if n_septic < least_recalibrate:
        return []
    kinds: list[Kind] = ["recalibrated", "fine-tuned"]
    return [*kinds, "fitted"] if n_septic >= least_fit else kinds


def make(order: Order, out: Path) -> Report:
    """Makes and compares the candidates of an order.

    Raises:
        DataError: stays that cannot be read.
        BundleError: the champion cannot be used.
        InputError: stays that cannot be right, or knobs.
    """
    torch.set_num_threads(order.threads)
    reporter = Reporter()
    champion = bundles.load(Path(order.champion)) if order.what == "make" else None
    if champion is not None and (task := task_of(champion)) is not None:
        raise InputError(f"the champion's outcome is {task.outcome}; {SEPSIS_ALONE}")
    _fold(order)
    recipe, faults = run_recipe(order.options, [source.name for source in order.sources])
    if faults:
        raise WrongUsage(faults)
    rules = Rules(recipe.salt, order.mature_hours, order.newest_days, order.frozen_until_ms)
    stays = gather(order.sources, rules, reporter)
    report = Report(facts=stays.facts, code=versions())
    if champion is None:
        return report
    least = order.least_septic_recalibrate
    kinds = worth_making(stays.facts.learned_from, least, order.least_septic_fit)
    if not kinds:
        report.waiting = (
            f"{stays.facts.learned_from} septic stays to learn from, {least} are needed to begin"
        )
        return report
    judge = _Judge(stays, champion, order, ByHash(recipe.salt))
    for kind in kinds:
        started = time.monotonic()
        try:
            bundle = _made(kind, stays, judge, order, out / kind)
        except (TooLittleData, NothingToEvaluate) as error:
            report.made.append(Made(kind=kind, why=str(error)))
            continue
        evidence, why = judge.evidence(bundle)
        report.made.append(
            Made(
                kind=kind,
                folder=str(out / kind / BUNDLE),
                why=why,
                evidence=evidence,
                seconds=round(time.monotonic() - started, 1),
            )
        )
        reporter.say(f"{kind}: {bundle.shown_id}")
    return report


class _Judge:
    """Compares candidates with the champion, on the deciding stays and on the newest weeks.

    Attributes:
        champion: the bundle in force.
        candidacy: what is asked of candidates while they are made.
    """

    def __init__(self, stays: RunStays, champion: Bundle, order: Order, rule: ByHash) -> None:
        self.champion = champion
        known = stays.own.take(stays.known)
        dataset = Dataset.whole(known, build_features(known))
        self.candidacy = candidacy(champion, dataset, order.limits.alert_ratio[1], rule)
        self._stays = stays
        self._limits = order.limits
        self._deciding = _dataset(stays.own.take(stays.deciding))
        self._newest = None if stays.newest is None else _dataset(stays.newest)

    def evidence(self, candidate: Bundle) -> tuple[Evidence | None, str]:
        """For the gates; or why there is none."""
        if self._deciding is None:
            return None, "no stay is on the deciding side yet"
        comparison = compare_bundles(candidate, self.champion, self._deciding, limits=self._limits)
        evidence = comparison.evidence
        if evidence is None:
            return None, comparison.why
        newest = None
        if self._newest is not None:
            later = compare_bundles(candidate, self.champion, self._newest, limits=self._limits)
            if later.evidence is not None:
                newest = Newest(
                    later.n_septic, later.evidence.utility, later.evidence.observed_expected
                )
        return replace(
            evidence,
            newest=newest,
            is_archived=self._stays.is_archived,
            labelled_share=self._stays.facts.labelled_share,
        ), ""


def _made(kind: Kind, stays: RunStays, judge: _Judge, order: Order, out: Path) -> Bundle:
    out.mkdir(parents=True, exist_ok=True)
    reporter, champion = Reporter(), judge.champion
    if kind == "recalibrated":
        return recalibrate(
            champion,
            stays.own,
            out,
            reporter=reporter,
            n_bootstrap=order.n_bootstrap,
            candidacy=judge.candidacy,
        ).bundle
    recipe, cohort, start = Recipe(), stays.everything, None
    if kind == "fine-tuned":
        recipe, cohort, start = fine_tuning_of(champion), stays.own, champion
        options = of_every_fit(order.options)
    else:
        options = order.options
    return fit(
        cohort,
        out,
        recipe.changed(options)[0],
        reporter=reporter,
        n_bootstrap=order.n_bootstrap,
        lineage=Lineage(start=start, candidacy=judge.candidacy),
    ).bundle


def _dataset(cohort: Cohort) -> Dataset | None:
    return Dataset.whole(cohort, build_features(cohort)) if len(cohort) else None


def _fold(order: Order) -> None:
    """Makes stays of archives that are older than asked for anew from their events.

    Another process may just have done so.
    """
    if not order.fold:
        return
    from trainer.archive.delta_table import Conflict, NoTable  # noqa: PLC0415 - an extra
    from trainer.archive.fold import fold, hours_since_fold  # noqa: PLC0415

    for name in order.fold:
        source = ArchiveSource.parse(name)
        assert source is not None
        if 0 <= hours_since_fold(source.root) < order.fold_hours:
            continue
        try:
            fold(source.root)
        except Conflict:
            continue
        except NoTable as error:
            raise TooLittleData(f"{error}; `trainer archive run` writes it") from error
