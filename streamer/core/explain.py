"""Why the risk is what it is: the contribution of each variable to one step of the network.

Occlusion: a variable's inputs of this step are replaced by the mean of the training patients, and
the step is run again from the same state. The contribution is the 6 h logit that is lost. It speaks
of this step alone; what earlier hours left in the state is the same in both runs.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamer.core import features
from streamer.core.model import Model
from streamer.core.state_stepping import Evaluation
from streamer.core.variables import N_VARIABLES, VARIABLES

Floats = NDArray[np.float32]

MOST_REASONS: Final = 5
MOSTLY_TIMING: Final = 0.5  # share of a contribution
LEAST_CONTRIBUTION: Final = 0.01  # logits; smaller ones are noise to a reader

_OF_VARIABLE: Final = features.OWNER[None, :] == np.arange(N_VARIABLES)[:, None]  # (34, F)

_TIMING_COLUMNS: Final = np.array(
    [
        [
            features.NAMES.index(f"{name}:{v.name}")
            for name in ("measured", "log_hours_since", "log_count")
        ]
        for v in VARIABLES
    ]
)


def contributions(
    model: Model, evaluation: Evaluation, rows: NDArray[np.intp], known: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Returns ``(n, 34)`` what each variable adds to the 6 h logit of this step.

    Args:
        model: the model that evaluated.
        evaluation: of stays.
        rows: ``(n,)`` those in question.
        known: ``(n, 34)`` which variables were ever measured; the others add nothing.
    """
    nth, variable = np.nonzero(known)
    row = rows[nth]
    without = evaluation.features[row]
    without[_OF_VARIABLE[variable]] = np.nan
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
    np.put_along_axis(without, _TIMING_COLUMNS[variables], np.nan, axis=1)
    logits, _, _ = model.step(without, evaluation.h[rows], evaluation.c[rows])
    shares: NDArray[np.float64] = (evaluation.logits[rows, 0] - logits[:, 0]) / added
    return shares
