"""``trainer example drug-effects``: response curves of three drugs, recovered by six models."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from streamer.datasets.cohort import Progress
from trainer.examples.drug_cohort import DRUGS, LONGEST, NOISE, SHAPES, curves, draw
from trainer.examples.drug_figure import draw_effects
from trainer.examples.drug_models import (
    GLM_DECAY,
    GLM_LAGS,
    GLM_NOW,
    GLM_SUM,
    LSTM,
    MODELS,
    RNN,
    Fitted,
    fit_decay,
    fit_glm,
    fit_network,
    lagged,
    mean_squares,
    now,
    summed,
)
from trainer.examples.estimates import Estimate, bootstrap, join_names, verdicts
from trainer.examples.handout import Handout, Table, write_handout
from trainer.examples.recurrent import Recurrent
from trainer.explain.lstm_gates import gate_activity
from trainer.progress import Reporter

Floats = NDArray[np.float64]

RECOVERED: Final = 0.2
"""A curve counts as recovered where the error is below a fifth of the curve, root mean square."""

DOSE_HOUR: Final = 30  # of the dose whose effect is recovered; 36 h of the stay are left after it


@dataclass(frozen=True, slots=True)
class Repetition:
    """One cohort with all the models that were fitted to it.

    Attributes:
        fitted: by name.
        curves: (3, LONGEST) recovered response curves, by name.
        squares: (N,) mean squared error of each test patient, by name.
    """

    fitted: dict[str, Fitted]
    curves: dict[str, Floats]
    squares: dict[str, Floats]


def run(
    out: Path,
    reporter: Reporter,
    seed: int = 0,
    patients: int = 400,
    epochs: int = 200,
    repetitions: int = 3,
) -> Handout:
    """Generates cohorts, fits the models, recovers the effect of one dose, and draws.

    Args:
        out: gets the figure and the reading.
        reporter: shows the progress.
        seed: random seed of the cohorts and the networks.
        patients: in each cohort, training, validation and test together.
        epochs: of the networks, at most.
        repetitions: each with a new cohort and new networks.
    """
    results = []
    for i in range(repetitions):
        with reporter.follow(f"cohort {i + 1} of {repetitions}") as progress:
            results.append(_repeat(seed * repetitions + i, patients, epochs, progress))
    first = results[0]
    forecast = bootstrap(
        lambda weight: np.array(
            [np.sqrt(np.average(first.squares[name], weights=weight)) for name in MODELS]
            + [
                np.sqrt(np.average(first.squares[name], weights=weight))
                - np.sqrt(np.average(first.squares[LSTM], weights=weight))
                for name in MODELS
            ]
        ),
        len(first.squares[LSTM]),
        seed,
    )
    errors = {name: np.array([curve_errors(r.curves[name]) for r in results]) for name in MODELS}
    network = first.fitted[LSTM].network
    assert network is not None
    gates = forget_gate_changes(network)
    figure = draw_effects([r.curves for r in results], gates)
    table = Table(
        ["", "error of status", *(f"curve {d}: {s}" for d, s in zip(DRUGS, SHAPES, strict=True))],
        [
            [name, str(forecast[i]), *(_spread(errors[name][:, d]) for d in range(len(DRUGS)))]
            for i, name in enumerate(MODELS)
        ],
    )
    sentences = _reading(errors, forecast, first, gates)
    return write_handout(
        out, "drug-effects", "Drug effects that fade in different shapes", figure, table, sentences
    )


def response(model: Fitted, doses: Floats) -> Floats:
    """(3, LONGEST) effect of one dose of each drug on the status, according to a model.

    The status of each patient is predicted twice, with one dose of the drug at ``DOSE_HOUR`` and
    without; the patient's other doses of that drug are left out, those of the other drugs stay. The
    effect is the mean difference over the patients.

    Args:
        model: fitted.
        doses: (N, T, 3) of patients that it was not fitted to.
    """
    effect = np.empty((len(DRUGS), LONGEST))
    for drug in range(len(DRUGS)):
        without = doses.copy()
        without[..., drug] = 0
        with_dose = without.copy()
        with_dose[:, DOSE_HOUR, drug] = 1
        change = (model.predict_status(with_dose) - model.predict_status(without)).mean(axis=0)
        effect[drug] = change[DOSE_HOUR : DOSE_HOUR + LONGEST]
    return effect


def curve_errors(recovered: Floats) -> Floats:
    """(3,) root mean square error of curves, as a share of the true curve's root mean square."""
    truth = curves()
    wrong = np.sqrt(((recovered - truth) ** 2).mean(axis=1))
    return np.asarray(wrong / np.sqrt((truth**2).mean(axis=1)))


def forget_gate_changes(network: Recurrent) -> Floats:
    """(3, hidden, LONGEST) change of each forget gate by one dose, against a stay without doses."""
    lstm = network.cell
    assert isinstance(lstm, torch.nn.LSTM)
    # A stay without doses, then one with a dose of each drug: side by side as a batch.
    x = torch.zeros(DOSE_HOUR + LONGEST, 1 + len(DRUGS), len(DRUGS))
    for drug in range(len(DRUGS)):
        x[DOSE_HOUR, 1 + drug, drug] = 1
    start = torch.zeros(1, x.shape[1], lstm.hidden_size)
    forget = gate_activity(lstm, x, start, start).f[0, DOSE_HOUR:]  # (LONGEST, 4, hidden)
    return (forget[:, 1:] - forget[:, :1]).transpose(1, 2, 0).astype(np.float64)


def _repeat(seed: int, patients: int, epochs: int, progress: Progress) -> Repetition:
    draws = np.random.default_rng(seed)
    held = max(patients * 15 // 100, 1)
    # Patients are independent draws, each for one side.
    train, validation, test = (draw(n, draws) for n in (patients - 2 * held, held, held))

    def after(networks: int) -> Progress:
        return lambda done, total: progress(networks * total + done, 2 * total)

    fitted = {
        GLM_NOW: fit_glm(now, train),
        GLM_SUM: fit_glm(summed, train),
        GLM_DECAY: fit_decay(train, validation),
        GLM_LAGS: fit_glm(lagged, train),
        RNN: fit_network("rnn", train, validation, seed, epochs, after(0)),
        LSTM: fit_network("lstm", train, validation, seed, epochs, after(1)),
    }
    return Repetition(
        fitted,
        {name: response(model, test.doses) for name, model in fitted.items()},
        {name: mean_squares(model, test) for name, model in fitted.items()},
    )


def _spread(errors: Floats) -> str:
    return f"{errors.mean():.0%} ({errors.min():.0%} to {errors.max():.0%})"


def _reading(
    errors: dict[str, Floats], forecast: list[Estimate], first: Repetition, gates: Floats
) -> list[str]:
    n = len(errors[LSTM])
    sentences = [
        f"Curves: mean error over {n} {'cohort' if n == 1 else 'cohorts'}, each with new patients "
        "and new networks, and the least and greatest of them, as a share of the true curve. "
        "Status: root mean square error on the test patients of the first cohort, with the 95 % "
        f"interval by patients; the noise alone, which no model can predict, makes {NOISE:g}. "
        f"The exponential kernel that validation chose: {first.fitted[GLM_DECAY].note}; networks: "
        f"RNN {first.fitted[RNN].note}, LSTM {first.fitted[LSTM].note}."
    ]
    for d, (drug, shape) in enumerate(zip(DRUGS, SHAPES, strict=True)):
        mean = {name: float(errors[name][:, d].mean()) for name in MODELS}
        always = [_quoted(name) for name in MODELS if errors[name][:, d].max() < RECOVERED]
        never = [_quoted(name) for name in MODELS if errors[name][:, d].min() >= RECOVERED]
        best = min(mean, key=lambda name: mean[name])
        sentences.append(
            f"Drug {drug} ({shape}) is recovered within {RECOVERED:.0%} in every cohort by: "
            f"{join_names(always)}; in no cohort by: {join_names(never)}. "
            f"{_quoted(best)} has the smallest error ({mean[best]:.0%})."
        )
    others = {
        _quoted(name): forecast[len(MODELS) + i] for i, name in enumerate(MODELS) if name != LSTM
    }
    sentences.append(f"In predicting the status, the LSTM {verdicts(others)}.")
    sentences.append(_read_gates(gates))
    return sentences


def _quoted(name: str) -> str:
    return f"'{name}'" if "," in name else name


def _read_gates(gates: Floats) -> str:
    """A sentence on the forget gates after a dose: how far they move, when, and for how long."""
    parts = []
    for d, drug in enumerate(DRUGS):
        later = np.abs(gates[d][:, 1:])  # (hidden, LONGEST - 1), from 1 h on
        moved = later.mean(axis=0)
        lasting = int(np.flatnonzero(moved >= moved.max() / 2)[-1]) + 1
        unit, hour = np.unravel_index(later.argmax(), later.shape)
        motion = "opens" if gates[d, unit, hour + 1] > 0 else "closes"
        parts.append(
            f"after a dose of {drug} they move most {int(moved.argmax()) + 1} h later, by "
            f"{moved.max():.2f} on average over the units, and by at least half of that until "
            f"{lasting} h; the one that moves most {motion} by {later.max():.2f} at {hour + 1} h"
        )
    return (
        "The LSTM's forget gates (first cohort; 1 keeps the cell, 0 empties it) against a stay "
        "without a dose, from the hour after it on: " + "; ".join(parts) + ". A gate that goes on "
        "moving is a clock that the cell runs; to fade exponentially, a cell needs a gate that "
        "stands still below 1, and no clock."
    )
