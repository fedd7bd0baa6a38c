"""``trainer example next-number``: an LSTM learns to continue sequences of numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch.nn.functional import mse_loss

from trainer.examples import drawing
from trainer.examples.estimates import Estimate, bootstrap, verdicts
from trainer.examples.handout import Handout, Table, write_handout
from trainer.examples.number_sequences import BEYOND, KINDS, LENGTH, draw
from trainer.examples.recurrent import Recurrent, Sequences, TrainingSchedule, fit, predict
from trainer.progress import Reporter

Floats = NDArray[np.float64]

LAST, LINE, AR, LSTM, SCALED = (
    "last value",
    "straight line",
    "AR(4)",
    "LSTM",
    "LSTM, own scale",
)
MODELS: Final = (LAST, LINE, AR, LSTM, SCALED)
ORDER: Final = 4  # of the autoregression: two numbers suffice for a rule, four for the mixture
TEST: Final = 800
HIDDEN: Final = 32
LEAST_DRAWN: Final = 0.05  # percent; a logarithmic axis cannot show an error of 0
RANGES: Final = ("inside", "outside")  # of the numbers in training


def run(
    out: Path, reporter: Reporter, seed: int = 0, sequences: int = 3000, epochs: int = 150
) -> Handout:
    """Trains, compares and draws.

    Args:
        out: gets the figure and the reading.
        reporter: shows the progress.
        seed: random seed of the data and the networks.
        sequences: number to learn from; a quarter as many decide when to stop.
        epochs: maximum number.
    """
    draws = np.random.default_rng(seed)
    train, _ = draw(sequences, draws)
    validation, _ = draw(max(sequences // 4, len(KINDS)), draws)
    tests = {"inside": draw(TEST, draws), "outside": draw(TEST, draws, BEYOND)}
    weights = _autoregression(train)
    networks = {}
    for name in (LSTM, SCALED):
        own = name == SCALED
        with reporter.follow(name) as progress:
            networks[name], _ = fit(
                lambda: Recurrent("lstm", 1, HIDDEN),
                _prepared(train, train, own)[0],
                _prepared(validation, train, own)[0],
                mse_loss,
                TrainingSchedule(epochs, 20, 128, 3e-3, seed),
                progress,
            )
    predictions = {
        where: {
            LAST: numbers[:, :-1],
            LINE: _straight_line(numbers),
            AR: _continued(numbers, weights),
            **{n: _predicted(networks[n], numbers, train, n == SCALED) for n in networks},
        }
        for where, (numbers, _) in tests.items()
    }
    errors = {
        where: {name: _errors(tests[where][0], predictions[where][name]) for name in MODELS}
        for where in RANGES
    }
    with reporter.follow("intervals") as progress:
        estimates = {
            where: bootstrap(
                lambda w, where=where: _figures(errors[where], w),  # type: ignore[misc]
                TEST,
                seed,
                progress=progress,
            )
            for where in RANGES
        }
    figure = _draw(tests, predictions, errors)
    table = Table(
        ["error, % of the sequence's size", *(f"{p} the training range" for p in RANGES)],
        [[name, *(_percent(estimates[p][i]) for p in RANGES)] for i, name in enumerate(MODELS)],
    )
    return write_handout(
        out,
        "next-number",
        "The next number of a sequence",
        figure,
        table,
        _reading(estimates, errors),
    )


def _prepared(numbers: Floats, train: Floats, own: bool) -> tuple[Sequences, Floats]:
    """The network's inputs and targets, and the (n, 1) scale that both were divided by."""
    if own:  # by what is known before the first prediction is judged
        scale = np.abs(numbers[:, :ORDER]).mean(axis=1, keepdims=True) + 1e-6
    else:
        scale = np.full((len(numbers), 1), train.std())
    scaled = torch.from_numpy((numbers / scale).astype(np.float32).T)  # (T, B)
    known = torch.zeros(scaled[1:].shape, dtype=torch.bool)
    known[ORDER - 1 :] = True
    return Sequences(scaled[:-1, :, None], scaled[1:], known), scale


def _predicted(network: Recurrent, numbers: Floats, train: Floats, own: bool) -> Floats:
    prepared, scale = _prepared(numbers, train, own)
    return np.asarray(predict(network, prepared).T * scale, np.float64)


def _straight_line(numbers: Floats) -> Floats:
    line = numbers[:, :-1].copy()
    line[:, 1:] += np.diff(numbers, axis=1)[:, :-1]
    return line


def _lags(numbers: Floats) -> Floats:
    """(n, T - ORDER, ORDER) the numbers before each one, the nearest first."""
    windows = np.lib.stride_tricks.sliding_window_view(numbers[:, :-1], ORDER, axis=1)
    return windows[..., ::-1]


def _autoregression(numbers: Floats) -> Floats:
    """(ORDER,) least-squares weights of the numbers before, one set for all sequences."""
    lags = _lags(numbers).reshape(-1, ORDER)
    weights = np.linalg.lstsq(lags, numbers[:, ORDER:].ravel(), rcond=None)[0]
    return np.asarray(weights, np.float64)


def _continued(numbers: Floats, weights: Floats) -> Floats:
    # The first numbers have no full set of lags before them; they are not judged.
    return np.concatenate([numbers[:, : ORDER - 1], _lags(numbers) @ weights], axis=1)


def _errors(numbers: Floats, predictions: Floats) -> Floats:
    """(n,) mean absolute error of a sequence, as a share of the mean size of its numbers."""
    wrong = np.abs(predictions - numbers[:, 1:])[:, ORDER - 1 :].mean(axis=1)
    return np.asarray(wrong / np.abs(numbers).mean(axis=1))


def _figures(errors: dict[str, Floats], weight: Floats) -> Floats:
    """Mean error of each model, then each minus the LSTM's."""
    means = np.array([np.average(errors[name], weights=weight) for name in MODELS])
    return np.concatenate([means, means - means[MODELS.index(LSTM)]])


def _percent(estimate: Estimate) -> str:
    return f"{estimate.value:.1%} [{estimate.low:.1%}, {estimate.high:.1%}]"


def _reading(
    estimates: dict[str, list[Estimate]], errors: dict[str, dict[str, Floats]]
) -> list[str]:
    sentences = []
    for where, words in zip(
        RANGES,
        (
            "On new sequences like those it learned from",
            f"On sequences {BEYOND:.0f} times as large",
        ),
        strict=True,
    ):
        sentences.append(_compared(words, estimates[where]))
    lstm = MODELS.index(LSTM)
    inside, outside = estimates["inside"][lstm], estimates["outside"][lstm]
    grows = outside.value / inside.value
    if outside.low > inside.high:
        sentences.append(
            f"Outside the range that it learned in, the LSTM's relative error is {grows:.1f} "
            "times what it was inside: its gates and cells are bounded, and it has never seen such "
            "inputs. "
            "Rules such as the straight line do not depend on the size of the numbers."
        )
    else:
        sentences.append(
            f"Outside the range that it learned in, the LSTM's relative error is {grows:.1f} "
            "times what it was inside, which the intervals do not show to be a rise."
        )
    scaled = [estimates[where][MODELS.index(SCALED)] for where in RANGES]
    apart = scaled[1].low > scaled[0].high
    sentences.append(
        "Divided by the size of their own first numbers, large sequences look like small ones: the "
        f"same LSTM then has {_percent(scaled[0])} inside and {_percent(scaled[1])} outside, which "
        + ("differ all the same." if apart else "cannot be told apart.")
    )
    worst = max(range(len(KINDS)), key=lambda k: _of_kind(errors["inside"][LSTM], k))
    best = min(range(len(KINDS)), key=lambda k: _of_kind(errors["inside"][LSTM], k))
    sentences.append(
        f"Inside, the LSTM finds the {KINDS[best]} sequences easiest "
        f"({_of_kind(errors['inside'][LSTM], best):.1%}) and the {KINDS[worst]} ones hardest "
        f"({_of_kind(errors['inside'][LSTM], worst):.1%})."
    )
    return sentences


def _compared(words: str, estimates: list[Estimate]) -> str:
    lstm = estimates[MODELS.index(LSTM)]
    others = {  # more error than the LSTM has: the LSTM is better
        f"{name} ({estimates[i].value:.1%})": estimates[len(MODELS) + i]
        for i, name in enumerate(MODELS)
        if name not in {LSTM, SCALED}
    }
    return f"{words}, the LSTM ({_percent(lstm)} error) {verdicts(others)}."


def _of_kind(errors: Floats, kind: int) -> float:
    return float(errors[kind :: len(KINDS)].mean())


def _draw(
    tests: dict[str, tuple[Floats, NDArray[np.int8]]],
    predictions: dict[str, dict[str, Floats]],
    errors: dict[str, dict[str, Floats]],
) -> Figure:
    colours = drawing.colours_of(MODELS)
    figure = drawing.panels(1, 1, (11, 6.8))[0]
    figure.clear()
    grid = figure.add_gridspec(2, 4)
    for kind, name in enumerate(KINDS):
        axes = figure.add_subplot(grid[0, kind])
        numbers = tests["inside"][0][kind]
        axes.plot(
            np.arange(1, len(numbers) + 1), numbers, "o", color=drawing.INK, ms=4, label="truth"
        )
        for model in (LAST, AR, LSTM):
            axes.plot(
                np.arange(ORDER + 1, len(numbers) + 1),
                predictions["inside"][model][kind, ORDER - 1 :],
                "-",
                color=colours[model],
                label=model,
                lw=1.4,
            )
        axes.set(title=name, xlabel="position in the sequence", xticks=range(2, LENGTH + 1, 2))
        axes.grid(alpha=0.25)
        if kind == 0:
            axes.set_ylabel("number, and its prediction")
            axes.legend(fontsize=8)
    for i, where in enumerate(RANGES):
        axes = figure.add_subplot(grid[1, 2 * i : 2 * i + 2])
        for j, model in enumerate(MODELS):
            heights = [100 * _of_kind(errors[where][model], kind) for kind in range(len(KINDS))]
            x = np.arange(len(KINDS)) + (j - 2) * 0.16
            axes.bar(x, heights, 0.15, color=colours[model], label=model)
            for low in x[np.array(heights) < LEAST_DRAWN]:
                axes.text(low, LEAST_DRAWN, "0", color=colours[model], ha="center", va="bottom")
        axes.set_xticks(range(len(KINDS)), KINDS)
        title = "inside the training range" if where == "inside" else f"{BEYOND:.0f} times as large"
        axes.set(title=f"Error on new sequences, {title}", yscale="log", ylim=(LEAST_DRAWN, 600))
        axes.set_ylabel("mean error, % of the sequence's size")
        axes.grid(axis="y", alpha=0.25)
        axes.set_axisbelow(True)
        if i == 0:
            axes.legend(fontsize=8, ncols=3)
    return figure
