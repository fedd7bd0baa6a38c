"""Why the risk is what it is: the contribution of each variable to one step of the network.

Occlusion: a variable's inputs of this step are replaced by the mean of the training patients, and
the step is run again from the same state. The contribution is the 6 h logit that is lost. It speaks
of this step alone; what earlier hours left in the state is the same in both runs.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamer.core.features import features_of
from streamer.core.model import Model
from streamer.core.state_stepping import Evaluation
from streamer.core.variables import VariableTable

Floats = NDArray[np.float32]

MOST_REASONS: Final = 5
MOSTLY_TIMING: Final = 0.5  # share of a contribution
LEAST_CONTRIBUTION: Final = 0.01  # logits; smaller ones are noise to a reader

_TIMING: Final = ("measured", "log_hours_since", "log_count")


@lru_cache(maxsize=64)
def _of_variable(variables: VariableTable) -> NDArray[np.bool_]:
    """``(V, F)`` whether a feature belongs to a variable."""
    of: NDArray[np.bool_] = features_of(variables).owner == np.arange(len(variables))[:, None]
    return of


@lru_cache(maxsize=64)
def _timing_columns(variables: VariableTable) -> NDArray[np.intp]:
    """``(V, 3)`` the features of when and how often each variable was measured."""
    names = features_of(variables).names
    return np.array([[names.index(f"{of}:{v}") for of in _TIMING] for v in variables.names])


def contributions(
    model: Model, evaluation: Evaluation, rows: NDArray[np.intp], known: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Returns ``(n, V)`` what each variable adds to the 6 h logit of this step.

    Args:
        model: the model that evaluated.
        evaluation: of stays.
        rows: ``(n,)`` those in question.
        known: ``(n, V)`` which variables were ever measured; the others add nothing.
    """
    nth, variable = np.nonzero(known)
    row = rows[nth]
    without = evaluation.features[row]
    without[_of_variable(model.variables)[variable]] = np.nan
    logits, _, _ = model.step(without, evaluation.h[row], evaluation.c[row])
    added = np.zeros(known.shape)
    added[nth, variable] = evaluation.logits[row, 0] - logits[:, 0]
    return added


def timing_shares(
    model: Model,
    evaluation: Evaluation,
    rows: NDArray[np.intp],
    variables: NDArray[np.intp],
    added: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Returns ``(k,)`` the share of contributions that is from when and how often was measured.

    Args:
        model: the model that evaluated.
        evaluation: of ``n`` stays.
        rows: ``(k,)`` which of them each contribution is of.
        variables: ``(k,)`` and which variable.
        added: ``(k,)`` contributions, above 0.
    """
    if not len(rows):
        return np.zeros(0)
    without = evaluation.features[rows]
    np.put_along_axis(without, _timing_columns(model.variables)[variables], np.nan, axis=1)
    logits, _, _ = model.step(without, evaluation.h[rows], evaluation.c[rows])
    shares: NDArray[np.float64] = (evaluation.logits[rows, 0] - logits[:, 0]) / added
    return shares
