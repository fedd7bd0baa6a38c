"""The daily form of the task, as textbooks have it: a row for each ICU day."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import lightgbm
import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from streamer.datasets.cohort import Progress
from trainer.compare.experiments.days import OUTCOMES, Days, Outcome, cut, day_table
from trainer.compare.models.markov import marginal
from trainer.compare.models.tables import standardise
from trainer.compare.protocol.family import Task
from trainer.data.dataset import LEAST_STD
from trainer.data.labels import HORIZON_HOURS
from trainer.data.rolling import Floats
from trainer.data.split import Side
from trainer.metrics.bootstrap import DEFAULT_SEED, TAILS, resamples
from trainer.metrics.ranking import Ranking, auroc

REPLICATES: Final = 1000

_TREES: Final[dict[str, Any]] = {
    "objective": "binary",
    "metric": "auc",
    "learning_rate": 0.03,
    "min_data_in_leaf": 50,  # days
    "feature_fraction": 0.3,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "lambda_l2": 10.0,
    "deterministic": True,
    "force_row_wise": True,
    "verbose": -1,
}
_ROUNDS: Final = 500
_PATIENCE: Final = 50
_PENALTIES: Final = (1e-4, 1e-3, 1e-2)
_LEAVES: Final = (4, 8, 16)


@dataclass(frozen=True, slots=True)
class _Question:
    """An outcome with its days, their table as it is and standardised, and who is on which side."""

    task: Task
    outcome: Outcome
    days: Days
    raw: Floats
    scaled: Floats
    sides: dict[Side, NDArray[np.bool_]]


_Answers = Callable[[_Question], Iterator[NDArray[np.float64]]]
"""Of each candidate a score for each day."""


def daily(
    task: Task,
    progress: Progress | None = None,
    logits: NDArray[np.float64] | None = None,
) -> list[dict[str, Any]]:
    """Fits the daily form and judges it on test patients; the best of three candidates each.

    Args:
        task: as for a family.
        progress: called with models fitted and models in all.
        logits: (R, 3) of the hourly network, where it takes part: asked is the head of the
            shortest horizon that reaches the end of the day in question.

    Returns:
        a row for each outcome and model: ``name``, ``outcome``, ``n_rows``, ``n_positive``,
        ``auroc``, ``auprc`` and the ends of their 95 % intervals over resampled patients,
        ``auroc_ci`` and ``auprc_ci``. Candidates are chosen on validation patients. An outcome that
        has one answer only on a side is left out.
    """
    rows = []
    questions = [question for outcome in OUTCOMES if (question := _ask(task, outcome)) is not None]
    total = sum(len(_models(question.outcome)) for question in questions)
    for question in questions:
        for name, answers in _models(question.outcome).items():
            candidates = list(answers(question))
            judged = question.sides["validation"]
            known = question.days.positive[judged].astype(np.int8)
            best = max(candidates, key=lambda score: auroc(known, score[judged]))
            rows.append(_figures(name, question, best))
            if progress is not None:
                progress(len(rows), total)
        if logits is not None:
            left = question.outcome.hours_left
            head = min(i for i, horizon in enumerate(HORIZON_HOURS) if horizon >= left)
            score = logits[question.days.row, head]
            name = f"hourly LSTM, {HORIZON_HOURS[head]} h head"
            rows.append(_figures(name, question, score))
    return rows


def _models(outcome: Outcome) -> dict[str, _Answers]:
    models: dict[str, _Answers] = {"logistic regression": _logistic, "LightGBM": _trees}
    if not outcome.onset_only:
        models["AR(1) GLM on yesterday's true status (not live)"] = _told_the_truth
        models["AR(1) GLM on its own prediction"] = _fed_back
    return models


def _ask(task: Task, outcome: Outcome) -> _Question | None:
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
    return _Question(task, outcome, days, raw, scaling.apply(raw), sides)


def _logistic(question: _Question) -> Iterator[NDArray[np.float64]]:
    for c in _PENALTIES:
        yield _regression(question, question.scaled, c).decision_function(question.scaled)


def _told_the_truth(question: _Question) -> Iterator[NDArray[np.float64]]:
    x, _ = _with_status(question)
    for c in _PENALTIES:
        yield _regression(question, x, c).decision_function(x)


def _fed_back(question: _Question) -> Iterator[NDArray[np.float64]]:
    """The same regression, its own probability in the place of the status: see ``marginal``."""
    x, unit = _with_status(question)
    days = question.days
    for c in _PENALTIES:
        model = _regression(question, x, c)
        slope = model.coef_[0, -1] * unit
        after_no = model.decision_function(x) - slope * days.status
        yield marginal(after_no, after_no + slope, days.stay, days.place)


def _with_status(question: _Question) -> tuple[Floats, float]:
    """The table with the status beside it, and what the status counts there.

    It is scaled as the others are, or the penalty would weigh most on it, which is seldom 1.
    """
    status = question.days.status[:, None]
    unit = 1 / max(float(status[question.sides["train"]].std()), LEAST_STD)
    return np.concatenate([question.scaled, unit * status], axis=1, dtype=np.float32), unit


def _regression(question: _Question, x: Floats, c: float) -> LogisticRegression:
    learns = question.sides["train"]
    model = LogisticRegression(C=c, max_iter=2000, tol=1e-3)
    return model.fit(x[learns], question.days.positive[learns])


def _trees(question: _Question) -> Iterator[NDArray[np.float64]]:
    learns, judges = question.sides["train"], question.sides["validation"]
    positive = question.days.positive
    for leaves in _LEAVES:
        knobs = {
            **_TREES,
            "num_leaves": leaves,
            "seed": question.task.seed,
            "num_threads": question.task.threads,
        }
        learned = lightgbm.Dataset(question.raw[learns], positive[learns], params=knobs)
        judged = lightgbm.Dataset(
            question.raw[judges], positive[judges], reference=learned, params=knobs
        )
        trees = lightgbm.train(
            knobs,
            learned,
            _ROUNDS,
            valid_sets=[judged],
            callbacks=[lightgbm.early_stopping(_PATIENCE, verbose=False)],
        )
        yield np.asarray(trees.predict(question.raw, raw_score=True))


def _figures(name: str, question: _Question, score: NDArray[np.float64]) -> dict[str, Any]:
    judged = question.sides["test"]
    positive = question.days.positive[judged]
    _, patient = np.unique(question.days.stay[judged], return_inverse=True)
    ranking = Ranking(positive, score[judged], patient)
    n = int(patient.max()) + 1 if len(patient) else 0
    whole = ranking.weigh(np.ones(n))
    drawn = resamples(n, REPLICATES if n else 0, DEFAULT_SEED)
    again = [ranking.weigh(weight) for weight in drawn]
    return {
        "name": name,
        "outcome": question.outcome.name,
        "n_rows": int(judged.sum()),
        "n_positive": int(positive.sum()),
        "auroc": whole.auroc,
        "auroc_ci": _interval([ranks.auroc for ranks in again]),
        "auprc": whole.auprc,
        "auprc_ci": _interval([ranks.auprc for ranks in again]),
    }


def _interval(found: list[float]) -> list[float]:
    known = np.array(found)[np.isfinite(found)]
    return np.quantile(known, TAILS).tolist() if len(known) else [np.nan, np.nan]
