"""Fits a model bundle from files of stays: the whole of ``trainer fit``."""

from __future__ import annotations

import importlib.metadata
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch

from streamer.bundles import build
from streamer.bundles import bundle as bundles
from streamer.bundles.bundle import SHIPPED, Bundle
from streamer.bundles.manifest import ChosenOn, DataSummary, Figures, Metrics, Provenance
from streamer.core import features
from streamer.core.model import Model
from streamer.datasets.cohort import Cohort, Progress
from streamer.datasets.task import Task
from trainer.data.dataset import Dataset, Material
from trainer.data.gathering import gather, read, refuse_too_little, unknown_to
from trainer.data.known_stays import is_public
from trainer.data.split_rules import ByHash, SplitRule
from trainer.decisions.chosen_stays import chosen_stays, whose
from trainer.decisions.operating_point import CalibratedModel, calibrate
from trainer.decisions.predictions import (
    figures_of,
    predict,
    subgroup_figures,
    without_id,
)
from trainer.forecast.fitting import fit_forecast
from trainer.progress import Reporter
from trainer.registry.candidacy import Candidacy
from trainer.registry.promotion import Comparison, compare_bundles
from trainer.reports.card import write_card
from trainer.reports.fit_pictures import draw_fit
from trainer.training.checkpoint import FILE as CHECKPOINT
from trainer.training.checkpoint import Checkpoint, Epoch, Run
from trainer.training.cross_fitting import to_choose_on
from trainer.training.fine_tuning import goes_on_from
from trainer.training.loop import train, trained
from trainer.training.needs import needs_of
from trainer.training.recipe import Recipe
from trainer.training.saved_tree_sets import SavedTreeSets
from trainer.training.teacher import SoftLabels, fit_teacher, no_soft_labels, teacher_knobs

BUNDLE, COMPARISON = "bundle", "comparison.json"
SOFT_LABELS = "teacher.npz"

LEAST_DRAWN: Final = 20
"""Replicates of the difference to the shipped bundle, where intervals were not asked for."""

ENOUGH_SEPTIC: Final = 300
"""Septic training stays from which a fit anew is better than one that goes on from a bundle of
other hospitals; up to 100 it is worse (`docs/site-curve.md`)."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """The result of a fit.

    Attributes:
        bundle: the model bundle.
        test: figures on the held-out test patients, as ``trainer evaluate --json``.
        run: the epochs.
        comparison: against another bundle on the same patients, where one was named.
        beside: against the shipped bundle on test patients that it was not fitted on either.
    """

    bundle: Bundle
    test: Figures
    run: Run
    comparison: Comparison | None
    beside: Comparison


@dataclass(frozen=True, slots=True)
class HeldOutFigures:
    """Figures on the test patients, as the manifest keeps them.

    Attributes:
        test: of all, as ``trainer evaluate --json``.
        subgroups: of each subgroup.
        forecast: of the forecast, as ``fit_forecast`` returns them.
        n_bootstrap: replicates of the intervals.
    """

    test: Figures
    subgroups: dict[str, Figures]
    forecast: Metrics
    n_bootstrap: int

    def to_json(self) -> Metrics:
        """The manifest's ``metrics``."""
        return {
            "test": without_id(self.test),
            "subgroups": self.subgroups,
            "n_bootstrap": self.n_bootstrap,
            **self.forecast,
        }


@dataclass(frozen=True, slots=True)
class Lineage:
    """The bundles that a fit has to do with.

    Attributes:
        against: compared with, on the deciding side, which is left out of the test figures.
        start: its weights are gone on from; its scaling stays as it is.
        candidacy: in a run, which compares by itself: the deciding side is left out.
    """

    against: Bundle | None = None
    start: Bundle | None = None
    candidacy: Candidacy | None = None

    @property
    def sets_apart(self) -> bool:
        """Whether the deciding side is left out of the test figures."""
        return self.against is not None or self.candidacy is not None

    @property
    def as_now(self) -> float:
        """Alert starts per patient-day of a candidate; without a run its budget alone holds."""
        return math.inf if self.candidacy is None else self.candidacy.most_alerts


NO_LINEAGE: Final = Lineage()


@dataclass(frozen=True, slots=True)
class Stays:
    """The stays of a fit.

    Attributes:
        data: PhysioNet 2019 files or folders, archives, or stays that were read.
        rule: of the split; ``None``: a hash of the person, with the recipe's salt and fractions.
        task: that files are read by; ``None``: sepsis, as of PhysioNet 2019.
    """

    data: Sequence[Path] | Cohort
    rule: SplitRule | None = None
    task: Task | None = None

    def read(self, reporter: Reporter) -> Cohort:
        """The stays; what is wrong with those of files is said.

        Raises:
            DataError: files that cannot be read.
            UnfitData: stays that cannot be right.
        """
        if isinstance(self.data, Cohort):
            return self.data
        return read(self.data, reporter, self.task)


def fit(
    data: Sequence[Path] | Cohort | Stays,
    out: Path,
    recipe: Recipe,
    *,
    reporter: Reporter,
    resume: bool = False,
    n_bootstrap: int = 200,
    lineage: Lineage = NO_LINEAGE,
) -> Fitted:
    """Trains, calibrates, judges and writes a bundle.

    Args:
        data: PhysioNet 2019 files or folders, with labels, archives, or stays that were read; with
            a split of their own, ``Stays``.
        out: gets ``bundle/``, ``plots/``, ``history.csv``, ``history.json``, the checkpoint, the
            soft labels and, with a bundle to compare with, ``comparison.json``.
        recipe: knobs.
        reporter: shows the progress.
        resume: goes on from the checkpoint in ``out``, if there is one.
        n_bootstrap: replicates of the intervals in the manifest.
        lineage: the bundles that it goes on from and is compared with.

    Raises:
        DataError: files that cannot be read.
        UnfitData: stays that cannot be right.
        TooLittleData: a side of the split lacks patients of a kind.
        ResumeError: the checkpoint is of another recipe or other data.
    """
    stays = data if isinstance(data, Stays) else Stays(data)
    cohort = stays.read(reporter)
    recipe = recipe.fit_for(cohort)
    rule = stays.rule or ByHash(recipe.salt, recipe.fractions)
    reporter.say(needs_of(cohort.n_rows, recipe, torch.get_num_threads(), cohort.variables).line())
    material, summary = gather(cohort, rule, reporter)
    if lineage.start is not None:
        material, summary = goes_on_from(lineage.start, recipe, material, summary)
    test, deciding = _held_out(material, recipe.salt, lineage, reporter)
    refuse_too_little(cohort, material.split, test.stays)

    out.mkdir(parents=True, exist_ok=True)
    made_of: dict[str, object] = {
        "recipe": recipe.to_json(),
        "data": summary["fitted_on"],
        "features": features.FEATURE_VERSION,
        **({} if stays.rule is None else {"split": dict(stays.rule.to_json())}),
        **({} if cohort.task is None else {"task": cohort.task.to_json()}),
    }
    if lineage.start is not None:
        made_of["from"] = lineage.start.model_id
    checkpoint = Checkpoint(out / CHECKPOINT, made_of)
    if not resume:
        checkpoint.file.unlink(missing_ok=True)
    with reporter.follow("teacher") as progress:
        soft_labels = learn_from_trees(
            material, recipe, out / SOFT_LABELS, made_of, resume, progress
        )
    with reporter.follow("training") as progress:
        run = train(
            material, recipe, soft_labels, checkpoint, progress, lambda e: _tell(reporter, e)
        )

    with reporter.follow("calibration") as progress:
        chosen_on, unseen = to_choose_on(material, recipe, soft_labels, run, progress)
    n_known = len(chosen_on.stays)
    if lineage.candidacy is not None:
        chosen_on = lineage.candidacy.to_choose_on(chosen_on)
    chosen = chosen_stays(material, chosen_on.stays, site=len(chosen_on.stays) < n_known)
    network, budget = trained(run, recipe, cohort.variables).in_numpy(), recipe.alert_budget
    calibrated = calibrate(network, material.scaling, chosen_on, budget, unseen, lineage.as_now)
    model = calibrated.model
    # It reads the network's output, which has moved: a head that is there learns on, too.
    head = None if lineage.start is None else build.build(lineage.start).forecaster
    forecast: Metrics = {}
    if lineage.start is None or head is not None:
        forecast = fit_forecast(model, material, test, recipe, reporter, n_bootstrap, head)
    predictions = predict(model, test)
    with reporter.follow("intervals") as progress:
        figures = HeldOutFigures(
            figures_of(predictions, model, "", n_bootstrap, progress),
            subgroup_figures(predictions, model, n_bootstrap, progress),
            forecast,
            n_bootstrap,
        )
    about = _about(calibrated, run, recipe, summary, figures)
    about.update(_origin(cohort, rule, lineage, chosen))
    bundle = _bundle(calibrated.model, about, is_public(material.cohort))
    bundle.save(out / BUNDLE)
    draw_fit(calibrated, run, predictions, material.split, whose(chosen), out)
    comparison = None
    if lineage.against is not None:
        comparison = compare_bundles(bundle, lineage.against, deciding)
        (out / COMPARISON).write_text(json.dumps(asdict(comparison), indent=1) + "\n")
    beside = compare_bundles(bundle, bundles.load(SHIPPED), test, max(n_bootstrap, LEAST_DRAWN))
    return Fitted(bundle, _named(figures.test, bundle.model_id), run, comparison, beside)


def _held_out(
    material: Material, salt: str, lineage: Lineage, reporter: Reporter
) -> tuple[Dataset, Dataset]:
    """The stays that figures are of, and those that decide, which are none of them."""
    test, deciding = material.split.test, material.split.test[:0]
    if lineage.sets_apart:
        test, deciding = material.split.deciding_apart(material.cohort.owners, salt)
    if lineage.start is not None:
        test = unknown_to(lineage.start, material, test, reporter)
    return material.dataset(test), material.dataset(deciding)


def learn_from_trees(
    material: Material,
    recipe: Recipe,
    file: Path,
    made_of: Mapping[str, object],
    resume: bool,
    progress: Progress | None,
) -> SoftLabels:
    """Fits the teacher, or reads its soft labels from before the run was cut.

    Args:
        material: data; only training patients are looked at.
        recipe: knobs.
        file: keeps the soft labels.
        made_of: the data and the feature builder that they depend on.
        resume: whether soft labels in ``file`` may be used, if they are of the same.
        progress: called with sets of trees done and to be done.
    """
    if not recipe.teacher_share:
        return no_soft_labels(material.cohort.n_rows, material.built.shape[1])
    made_of = {**made_of, "recipe": teacher_knobs(recipe)}
    if resume and (kept := SoftLabels.load(file, made_of)) is not None:
        return kept
    sets = SavedTreeSets(file.with_suffix(""), made_of)
    if not resume:
        sets.clear()
    soft_labels = fit_teacher(material, recipe, torch.get_num_threads(), progress, sets)
    soft_labels.save(file, made_of)
    sets.clear()
    return soft_labels


def versions() -> dict[str, str]:
    """The versions that a bundle's content may depend on."""
    return {
        "vigil": importlib.metadata.version("vigil-icu"),
        "torch": str(torch.__version__),
        "numpy": np.__version__,
    }


def _named(figures: Figures, model_id: str) -> Figures:
    """Figures with the id of their bundle, which is known once the bundle is made."""
    by_site = {site: {**part, "model": model_id} for site, part in figures["by_site"].items()}
    return {**figures, "model": model_id, "by_site": by_site}


def _about(
    calibrated: CalibratedModel,
    run: Run,
    recipe: Recipe,
    data: DataSummary,
    figures: HeldOutFigures,
) -> Provenance:
    return {
        "data": data,
        "recipe": recipe.to_json(),
        "training": {
            "epochs": len(run.history),
            "best_epoch": run.best_epoch,
            **{k: v for k, v in run.history[run.best_epoch - 1].items() if "validation" in k},
        },
        "metrics": figures.to_json(),
        "alert_budget": calibrated.alerts.to_json(recipe.alert_budget),
        "versions": versions(),
    }


def _origin(cohort: Cohort, rule: SplitRule, lineage: Lineage, chosen: ChosenOn) -> Provenance:
    """What the bundle is of, where that differs from fit to fit."""
    origin: Provenance = {"split": rule.to_json()}
    if cohort.task is not None:
        origin["task"] = cohort.task.to_json()
    if lineage.sets_apart:
        origin["split"]["decided"] = True
    if lineage.start is not None:
        origin["started_from"] = lineage.start.model_id
    if lineage.start is not None or lineage.candidacy is not None:
        origin["chosen_on"] = chosen
    return origin


def _bundle(model: Model, about: Provenance, on_public_data: bool) -> Bundle:
    thresholds = {"threshold": model.threshold, **asdict(model.policy)}
    return build.make(model, about, write_card(dict(about), thresholds, on_public_data))


def _tell(reporter: Reporter, epoch: Epoch) -> None:
    reporter.say(_line(epoch))
    reporter.note(epoch)


def _line(epoch: Epoch) -> str:
    return (
        f"epoch {epoch['epoch']:.0f}: loss {epoch['train_loss']:.4f}, "
        f"validation {epoch['validation_loss']:.4f}, AUROC {epoch['validation_auroc']:.4f}, "
        f"utility {epoch['validation_utility']:.4f} ({epoch['seconds']:.0f} s)"
    )
