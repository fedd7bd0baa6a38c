"""The daily form of the task, as in textbooks: a row for each ICU day."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import lightgbm
import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from streamer.datasets.cohort import Progress
from trainer.compare.experiments.days import OUTCOMES, DailyRow, Days, Outcome, cut, day_table
from trainer.compare.models.markov import marginal
from trainer.compare.models.tables import standardise
from trainer.compare.protocol.family import Task
from trainer.data.dataset import LEAST_STD
from trainer.data.labels import HORIZON_HOURS
from trainer.data.rolling import Floats
from trainer.data.split import Side
from trainer.metrics.bootstrap import DEFAULT_SEED, TAILS, resamples
from trainer.metrics.definitions import numbered
from trainer.metrics.ranking import Ranking, auroc
from trainer.training.tree_settings import BASE_SETTINGS, TreeSettings

REPLICATES: Final = 1000

_TREES: Final[TreeSettings] = {
    **BASE_SETTINGS,
    "metric": "auc",
    "learning_rate": 0.03,
    "min_data_in_leaf": 50,  # days
    "force_row_wise": True,
}
_ROUNDS: Final = 500
_PATIENCE: Final = 50
_PENALTIES: Final = (1e-4, 1e-3, 1e-2)
_LEAVES: Final = (4, 8, 16)


@dataclass(frozen=True, slots=True)
class _OutcomeData:
    """An outcome with its days, their table raw and standardised, and the days of each side."""

    task: Task
    outcome: Outcome
    days: Days
    raw: Floats
    scaled: Floats
    sides: dict[Side, NDArray[np.bool_]]


_Fit = Callable[[_OutcomeData], Iterator[NDArray[np.float64]]]
"""Fits a model's candidates; yields the (D,) scores of each."""


def daily(
    task: Task,
    progress: Progress | None = None,
    logits: NDArray[np.float64] | None = None,
) -> list[DailyRow]:
    """Fits the daily form and measures it on test patients; the best of three candidates each.

    Args:
        task: as for a family.
        progress: called with models fitted and models in all.
        logits: (R, 3) of the hourly network, which is then measured too: by the head of the
            shortest horizon that reaches the end of the day that is predicted.

    Returns:
        a row for each outcome and model, with 95 % intervals over resampled patients. Candidates
        are chosen on validation patients. An outcome that is the same for all days of a side is
        left out.
    """
    rows: list[DailyRow] = []
    outcomes = [data for outcome in OUTCOMES if (data := _outcome_data(task, outcome)) is not None]
    total = sum(len(_models(data.outcome)) for data in outcomes)
    for data in outcomes:
        for name, fit in _models(data.outcome).items():
            candidates = list(fit(data))
            validation = data.sides["validation"]
            label = data.days.positive[validation].astype(np.int8)
            quality = [auroc(label, score[validation]) for score in candidates]
            rows.append(_row(name, data, candidates[int(np.argmax(quality))]))
            if progress is not None:
                progress(len(rows), total)
        if logits is not None:
            left = data.outcome.hours_left
            head = min(i for i, horizon in enumerate(HORIZON_HOURS) if horizon >= left)
            score = logits[data.days.row, head]
            rows.append(_row(f"hourly LSTM, {HORIZON_HOURS[head]} h head", data, score))
    return rows


def _models(outcome: Outcome) -> dict[str, _Fit]:
    models: dict[str, _Fit] = {"logistic regression": _logistic, "LightGBM": _trees}
    if not outcome.onset_only:
        models["AR(1) GLM on yesterday's true status (not live)"] = _on_true_status
        models["AR(1) GLM on its own prediction"] = _on_own_prediction
    return models


def _outcome_data(task: Task, outcome: Outcome) -> _OutcomeData | None:
    """The days of an outcome; ``None`` where it is the same for all days of a side."""
    material = task.material
    days = cut(material, outcome)
    split = material.split
    sides: dict[Side, NDArray[np.bool_]] = {
        "train": np.isin(days.stay, split.train),
        "validation": np.isin(days.stay, split.validation),
        "test": np.isin(days.stay, split.test),
    }
    for side in ("train", "validation"):
        if len(np.unique(days.positive[sides[side]])) < 2:
            return None
    raw = day_table(material, days)
    scaling = standardise(raw[sides["train"]])
    return _OutcomeData(task, outcome, days, raw, scaling.apply(raw), sides)


def _logistic(data: _OutcomeData) -> Iterator[NDArray[np.float64]]:
    for c in _PENALTIES:
        yield _regression(data, data.scaled, c).decision_function(data.scaled)


def _on_true_status(data: _OutcomeData) -> Iterator[NDArray[np.float64]]:
    x, _ = _with_status(data)
    for c in _PENALTIES:
        yield _regression(data, x, c).decision_function(x)


def _on_own_prediction(data: _OutcomeData) -> Iterator[NDArray[np.float64]]:
    """The same regression with its own probability instead of the status: see ``marginal``."""
    x, unit = _with_status(data)
    days = data.days
    for c in _PENALTIES:
        model = _regression(data, x, c)
        slope = model.coef_[0, -1] * unit
        after_no = model.decision_function(x) - slope * days.status
        yield marginal(after_no, after_no + slope, days.stay, days.step)


def _with_status(data: _OutcomeData) -> tuple[Floats, float]:
    """The table with the status as last column, and the factor that scales the status.

    The status is scaled as the other columns are: unscaled, with its few 1s, it would be penalised
    most.
    """
    status = data.days.status[:, None]
    unit = 1 / max(float(status[data.sides["train"]].std()), LEAST_STD)
    return np.concatenate([data.scaled, unit * status], axis=1, dtype=np.float32), unit


def _regression(data: _OutcomeData, x: Floats, c: float) -> LogisticRegression:
    train = data.sides["train"]
    model = LogisticRegression(C=c, max_iter=2000, tol=1e-3)
    return model.fit(x[train], data.days.positive[train])


def _trees(data: _OutcomeData) -> Iterator[NDArray[np.float64]]:
    train, validation = data.sides["train"], data.sides["validation"]
    positive = data.days.positive
    for leaves in _LEAVES:
        knobs: TreeSettings = {
            **_TREES,
            "num_leaves": leaves,
            "seed": data.task.seed,
            "num_threads": data.task.threads,
        }
        training_set = lightgbm.Dataset(data.raw[train], positive[train], params=knobs)
        validation_set = lightgbm.Dataset(
            data.raw[validation], positive[validation], reference=training_set, params=knobs
        )
        trees = lightgbm.train(
            knobs,
            training_set,
            _ROUNDS,
            valid_sets=[validation_set],
            callbacks=[lightgbm.early_stopping(_PATIENCE, verbose=False)],
        )
        yield np.asarray(trees.predict(data.raw, raw_score=True))


def _row(name: str, data: _OutcomeData, score: NDArray[np.float64]) -> DailyRow:
    test = data.sides["test"]
    positive = data.days.positive[test]
    person = numbered(data.task.material.cohort.owners)
    _, patient = np.unique(person[data.days.stay[test]], return_inverse=True)
    ranking = Ranking(positive, score[test], patient)
    n = int(patient.max()) + 1 if len(patient) else 0
    whole = ranking.weigh(np.ones(n))
    drawn = resamples(n, REPLICATES if n else 0, DEFAULT_SEED)
    again = [ranking.weigh(weight) for weight in drawn]
    return {
        "name": name,
        "outcome": data.outcome.name,
        "n_rows": int(test.sum()),
        "n_positive": int(positive.sum()),
        "auroc": whole.auroc,
        "auroc_ci": _interval([ranks.auroc for ranks in again]),
        "auprc": whole.auprc,
        "auprc_ci": _interval([ranks.auprc for ranks in again]),
    }


def _interval(values: list[float]) -> list[float]:
    known = np.array(values)[np.isfinite(values)]
    return np.quantile(known, TAILS).tolist() if len(known) else [np.nan, np.nan]
