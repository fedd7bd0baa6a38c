"""Models of the drug cohort: GLMs in their textbook forms, a vanilla RNN, an LSTM.

All have the same inputs, the doses of each drug in each hour up to now; none sees a status.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import mse_loss

from streamer.datasets.cohort import Progress
from trainer.examples.drug_cohort import DrugCohort, recent
from trainer.examples.recurrent import Cell, Recurrent, Sequences, TrainingSchedule, fit, predict

Floats = NDArray[np.float64]
Covariates: TypeAlias = Callable[[Floats], Floats]
"""From (N, T, 3) doses to (N, T, K) covariates, which depend on this hour and those before it."""

RECENT_HOURS: Final = 12  # of "the sum of recent doses"
LAGS: Final = 24  # hours of lagged covariates: a day, the usual choice without more knowledge
TIME_CONSTANTS: Final = (2.0, 4.0, 6.0, 9.0, 12.0, 18.0, 24.0)  # hours, of the fixed kernel
HIDDEN: Final = 24
GLM_NOW, GLM_SUM, GLM_DECAY, GLM_LAGS = (
    "GLM, dose now",
    f"GLM, doses of {RECENT_HOURS} h",
    "GLM, exponential kernel",
    f"GLM, {LAGS} lags",
)
RNN, LSTM = "RNN", "LSTM"
MODELS: Final = (GLM_NOW, GLM_SUM, GLM_DECAY, GLM_LAGS, RNN, LSTM)


@dataclass(frozen=True, slots=True)
class Fitted:
    """A model that was fitted.

    Attributes:
        predict_status: from (N, T, 3) doses to the (N, T) status.
        network: the network inside, where there is one.
        note: the choice on validation patients, in words.
    """

    predict_status: Callable[[Floats], Floats]
    network: Recurrent | None = None
    note: str = ""


def now(doses: Floats) -> Floats:
    """The doses of this hour."""
    return doses


def summed(doses: Floats) -> Floats:
    """The number of doses of each drug within ``RECENT_HOURS``."""
    return np.stack([recent(doses[..., d], RECENT_HOURS) for d in range(doses.shape[2])], axis=2)


def decayed(hours: float) -> Covariates:
    """The sum of all doses so far, each weighted by ``exp(-lag / hours)``."""

    def covariates(doses: Floats) -> Floats:
        out = doses.copy()
        for t in range(1, doses.shape[1]):
            out[:, t] += np.exp(-1 / hours) * out[:, t - 1]
        return out

    return covariates


def lagged(doses: Floats) -> Floats:
    """The doses of this hour and each one before it, ``LAGS`` in all: a distributed lag model."""
    padded = np.concatenate([np.zeros((len(doses), LAGS - 1, doses.shape[2])), doses], axis=1)
    windows = np.lib.stride_tricks.sliding_window_view(padded, LAGS, axis=1)  # (N, T, 3, LAGS)
    return windows.reshape(*doses.shape[:2], -1)


def fit_glm(covariates: Covariates, train: DrugCohort) -> Fitted:
    """A Gaussian GLM with the identity link, which is least squares."""
    weights = np.linalg.lstsq(_design(covariates, train.doses), train.status.ravel(), rcond=None)[0]
    return Fitted(
        lambda doses: np.asarray((_design(covariates, doses) @ weights).reshape(doses.shape[:2]))
    )


def fit_decay(train: DrugCohort, validation: DrugCohort) -> Fitted:
    """One exponential kernel for all drugs; its time constant is chosen on validation patients."""
    fitted = {hours: fit_glm(decayed(hours), train) for hours in TIME_CONSTANTS}
    best = min(fitted, key=lambda hours: mean_squares(fitted[hours], validation).mean())
    return Fitted(fitted[best].predict_status, note=f"time constant {best:.0f} h")


def fit_network(
    cell: Cell,
    train: DrugCohort,
    validation: DrugCohort,
    seed: int,
    epochs: int,
    progress: Progress | None,
) -> Fitted:
    """A recurrent network of ``HIDDEN`` units with early stopping on validation patients."""
    network, best = fit(
        lambda: Recurrent(cell, train.doses.shape[2], HIDDEN),
        _sequences(train.doses, train.status),
        _sequences(validation.doses, validation.status),
        mse_loss,
        TrainingSchedule(epochs, 30, 32, 5e-3, seed),
        progress,
    )

    def predict_status(doses: Floats) -> Floats:
        predicted = predict(network, _sequences(doses, np.zeros(doses.shape[:2])))
        return predicted.T.astype(np.float64)

    return Fitted(predict_status, network, f"kept epoch {best}")


def mean_squares(model: Fitted, cohort: DrugCohort) -> Floats:
    """(N,) mean squared error of each patient."""
    return np.asarray(((model.predict_status(cohort.doses) - cohort.status) ** 2).mean(axis=1))


def _design(covariates: Covariates, doses: Floats) -> Floats:
    columns = covariates(doses)
    rows = columns.reshape(-1, columns.shape[2])
    return np.column_stack([np.ones(len(rows)), rows])


def _sequences(doses: Floats, status: Floats) -> Sequences:
    x = torch.from_numpy(doses.astype(np.float32)).transpose(0, 1).contiguous()
    y = torch.from_numpy(status.astype(np.float32)).T.contiguous()
    return Sequences(x, y, torch.ones(y.shape, dtype=torch.bool))
