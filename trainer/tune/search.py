"""Hyperparameter search: the whole of ``trainer tune``.

Each trial trains with other values of some knobs. Its score is utility plus AUROC of validation
patients, as for the choice of an epoch within a run. The first trial is the baseline recipe. Test
patients are not used: the best trial is chosen by its validation score, which flatters it, and the
more so the more trials there are.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypedDict

import torch

from streamer.core import features
from trainer.data.dataset import Material
from trainer.data.gathering import gather
from trainer.data.split_rules import ByHash
from trainer.errors import InputError, ResumeError
from trainer.fit import Stays
from trainer.progress import Reporter
from trainer.reports.plots import counted
from trainer.training.checkpoint import Epoch
from trainer.training.loop import train
from trainer.training.recipe import KnobValue, Recipe
from trainer.training.teacher import SoftLabels, fit_teacher, no_soft_labels, teacher_knobs
from trainer.tune.plots import plot_importances, plot_trials
from trainer.tune.space import Knob
from trainer.tune.trials import Search, Trial

if TYPE_CHECKING:
    import optuna

JOURNAL: Final = "trials.journal"
STUDY: Final = "recipe"

STARTING_TRIALS: Final = 5
"""Complete trials before any is cut short; the median of fewer says little."""

WARM_UP_EPOCHS: Final = 2
"""Epochs of the LSTM that every trial runs. The first ones hardly differ from the encoder alone,
and a low learning rate needs them to show its worth."""


class _MadeOf(TypedDict):
    """What a search rests on; a folder's search is continued only if all of it is the same."""

    recipe: dict[str, KnobValue]
    data: str
    features: str
    split: dict[str, object]
    knobs: list[dict[str, KnobValue]]
    task: Mapping[str, object] | None


def tune(
    data: Sequence[Path] | Stays,
    out: Path,
    base: Recipe,
    *,
    reporter: Reporter,
    knobs: Sequence[Knob],
    n_trials: int | None,
    timeout_s: float | None = None,
) -> Search:
    """Runs further trials and returns all that the folder holds.

    Ctrl-C ends the search. Finished trials are kept, and the same call continues it.

    Args:
        data: PhysioNet 2019 files or folders, with labels; with a task or a split of their own,
            ``Stays``.
        out: keeps the trials and the teachers' soft labels.
        base: the baseline recipe; knobs that are not searched keep its values.
        reporter: shows progress and a line for each trial.
        knobs: the knobs that are searched.
        n_trials: number of further trials; ``None``: no limit.
        timeout_s: seconds after which no further trial begins.

    Raises:
        DataError: files that cannot be read.
        TooLittleData: a side of the split lacks patients of a kind.
        ResumeError: the folder holds a search with another recipe, data, features or knobs.
        InputError: Optuna or LightGBM is not installed.
    """
    library = _optuna()
    stays = data if isinstance(data, Stays) else Stays(data)
    rule = stays.rule or ByHash(base.salt, base.fractions)
    cohort = stays.read(reporter)
    base = base.fit_for(cohort)
    material, summary = gather(cohort, rule, reporter)
    out.mkdir(parents=True, exist_ok=True)
    made_of: _MadeOf = {
        "recipe": base.to_json(),
        "data": summary["fitted_on"],
        "features": features.FEATURE_VERSION,
        "split": dict(rule.to_json()),
        "knobs": [asdict(knob) for knob in knobs],
        "task": None if stays.task is None else stays.task.to_json(),
    }
    study = _study(out, base.seed, made_of)
    if search_of(study, base).first is None:  # also if its trial was interrupted
        study.enqueue_trial({knob.name: getattr(base, knob.name) for knob in knobs})

    def objective(trial: optuna.Trial) -> float:
        values: dict[str, Any] = {knob.name: knob.suggest(trial) for knob in knobs}
        trial.set_user_attr("knobs", values)
        recipe = replace(base, **values)
        soft_labels = _soft_labels(material, recipe, out, made_of, reporter)

        def report_epoch(epoch: Epoch) -> None:
            trial.set_user_attr("epochs", int(epoch["epoch"]))
            trial.report(epoch["validation_score"], int(epoch["epoch"]))
            if trial.should_prune():
                raise library.TrialPruned

        with reporter.follow(f"trial {trial.number}") as progress:
            run = train(material, recipe, soft_labels, progress=progress, report=report_epoch)
        best = run.history[run.best_epoch - 1]
        trial.set_user_attr("utility", best["validation_utility"])
        trial.set_user_attr("auroc", best["validation_auroc"])
        return best["validation_score"]

    def report_trial(_study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
        reporter.say(_trial(trial).line())

    try:
        study.optimize(objective, n_trials, timeout_s, callbacks=[report_trial])
    except KeyboardInterrupt:
        reporter.say("stopped; the same command continues the search")
    part = material.cohort.take(material.split.validation)
    kind = "septic" if part.task is None else "with the outcome"
    whose = counted("validation stays", part.label, part.starts, kind)
    return replace(search_of(study, base), whose=whose)


def write(search: Search, out: Path) -> None:
    """Writes the tables of a search, and its plots once there is something to draw."""
    search.write(out)
    first = search.first
    if search.complete:
        scores = {trial.number: trial.score or 0.0 for trial in search.complete}
        plot_trials(scores, first.score if first is not None else None, out, search.whose)
    if search.importances:
        plot_importances(search.importances, len(search.complete), out, search.whose)


def search_of(study: optuna.Study, base: Recipe) -> Search:
    """The search that an Optuna study holds."""
    library = _optuna()
    trials = tuple(
        _trial(trial)
        for trial in study.get_trials(deepcopy=False)
        if trial.state is not library.trial.TrialState.WAITING
    )
    scores = {trial.score for trial in trials if trial.score is not None}
    importances = {}
    if len(scores) > 1:  # the spread of one score cannot be explained
        evaluator = library.importance.FanovaImportanceEvaluator(seed=base.seed)
        importances = library.importance.get_param_importances(study, evaluator=evaluator)
    return Search(base, trials, importances)


def _optuna() -> Any:
    try:
        import optuna  # noqa: PLC0415 - an extra, and slow to load
    except ImportError as error:
        raise InputError("the search needs Optuna: pip install 'vigil-icu[train]'") from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)  # the reporter shows each trial
    return optuna


def _study(out: Path, seed: int, made_of: _MadeOf) -> optuna.Study:
    """Opens the folder's study, or begins one; refuses one that was made of something else."""
    library = _optuna()
    file = out / JOURNAL
    lock = library.storages.journal.JournalFileSymlinkLock(str(file))
    try:
        _cut_incomplete_line(file, lock)
        storage = library.storages.JournalStorage(
            library.storages.journal.JournalFileBackend(str(file), lock)
        )
        study: optuna.Study = library.create_study(
            study_name=STUDY, storage=storage, direction="maximize", load_if_exists=True
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ResumeError(
            f"{file} is not the journal of a search ({error}); name another folder with --out"
        ) from error
    before = study.user_attrs.get("made_of", made_of)
    for name, value in json.loads(json.dumps(made_of)).items():
        if before.get(name) != value:
            raise ResumeError(
                f"{out} holds a search with another {name}; name another folder with --out"
            )
    study.set_user_attr("made_of", made_of)
    # A search that is continued must not draw the same values as at its beginning.
    study.sampler = library.samplers.TPESampler(seed=seed + len(study.trials))
    study.pruner = library.pruners.MedianPruner(STARTING_TRIALS, WARM_UP_EPOCHS)
    return study


def _cut_incomplete_line(file: Path, lock: Any) -> None:
    """Cuts a last line that a killed search left incomplete; the next would be joined to it."""
    if not file.exists():
        return
    lock.acquire()  # another search may be writing
    try:
        content = file.read_bytes()
        end = content.rfind(b"\n") + 1
        rest = content[end:]
        if rest and not rest.startswith(b"{"):
            raise ValueError("its last line is not one of a journal")
        if rest:
            os.truncate(file, end)
    finally:
        lock.release()


def _soft_labels(
    material: Material, recipe: Recipe, out: Path, search: _MadeOf, reporter: Reporter
) -> SoftLabels:
    """The soft labels of a recipe's teacher, in a file that all trials with this teacher share."""
    if not recipe.teacher_share:
        return no_soft_labels(material.cohort.n_rows, material.built.shape[1])
    made_of = {
        "data": search["data"],
        "features": search["features"],
        "split": search["split"],
        **teacher_knobs(recipe),
    }
    digest = hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()
    file = out / f"teacher-{digest[:12]}.npz"
    soft_labels = SoftLabels.load(file, made_of)
    if soft_labels is None:
        with reporter.follow("teacher") as progress:
            soft_labels = fit_teacher(material, recipe, torch.get_num_threads(), progress)
        soft_labels.save(file, made_of)
    return soft_labels


def _trial(trial: optuna.trial.FrozenTrial) -> Trial:
    seconds = trial.duration.total_seconds() if trial.duration else 0.0
    attributes = trial.user_attrs
    complete = trial.state.name == "COMPLETE"
    return Trial(
        trial.number,
        trial.state.name.lower(),
        trial.value if complete else None,
        attributes.get("utility") if complete else None,
        attributes.get("auroc") if complete else None,
        attributes.get("epochs", 0),
        round(seconds, 1),
        attributes.get("knobs", {}),
    )
