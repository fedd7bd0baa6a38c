"""Small untrained models: tests of the state do not need good weights."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from streamer.bundles import known_risks
from streamer.bundles.build import make
from streamer.bundles.bundle import Bundle
from streamer.core import features
from streamer.core.alerts import AlertPolicy
from streamer.core.forecast import HeadSize
from streamer.core.lstm_network import HORIZONS, Architecture, Network, Weights
from streamer.core.matrix_blocks import Floats
from streamer.core.model import Calibration, Model, Scaling
from streamer.core.variables import BUILT_IN, VariableTable
from streamer.datasets.task import Task

# Random weights give risks around one half; these thresholds lie where they cross often.
POLICY = AlertPolicy(medium=0.52, high=0.6, off=0.48)


def random_model(
    seed: int = 0, hidden: int = 8, layers: int = 1, variables: VariableTable = BUILT_IN
) -> Model:
    """A model with random weights and believable scaling."""
    rng = np.random.default_rng(seed)
    n_features = len(features.features_of(variables))
    size = Architecture(n_features, hidden, layers)
    network = Network(size, random_weights(size, seed))
    scaling = Scaling(
        rng.uniform(0, 50, n_features).astype(np.float32),
        rng.uniform(1, 30, n_features).astype(np.float32),
    )
    line = Calibration(np.array([-1.0, 1.0]), np.array([-1.0, 1.0]))
    model = Model("untrained", network, scaling, (line,) * len(HORIZONS), 0.5, POLICY)
    model.variables = variables
    return model


def random_weights(size: Architecture, seed: int) -> Weights:
    """The weights that ``TorchNetwork`` begins with, but for rounding, without loading PyTorch.

    That takes two seconds, and most tests of servers need nothing else of it.
    """
    bits = np.random.RandomState(seed)._bit_generator  # a Mersenne twister, as PyTorch's

    def drawn(n: int) -> NDArray[np.float64]:
        numbers: NDArray[np.float64] = bits.random_raw(n) % 2**24 / 2**24
        return numbers

    def uniform(shape: tuple[int, ...], most: float) -> Floats:
        numbers = (2 * drawn(int(np.prod(shape))) - 1) * float(np.float32(most))
        rounded: Floats = numbers.astype(np.float32)
        return rounded.reshape(shape)

    def normal(shape: tuple[int, ...]) -> Floats:
        """By Box and Muller, 16 at once; of what is left, with its neighbours, drawn anew."""
        numbers = drawn(int(np.prod(shape)))
        whole = len(numbers) // 16 * 16
        numbers[:whole] = _box_muller(numbers[:whole])
        if whole < len(numbers):
            numbers[-16:] = _box_muller(drawn(16))
        rounded: Floats = (numbers / shape[1] ** 0.5).astype(np.float32)
        return rounded.reshape(shape)

    weights = {name: np.zeros(shape, np.float32) for name, shape in size.shapes().items()}
    for name in ("first", "second"):
        most = weights[f"{name}.weight"].shape[1] ** -0.5
        for part in ("weight", "bias"):
            weights[f"{name}.{part}"] = uniform(weights[f"{name}.{part}"].shape, most)
    for layer in range(size.layers):
        for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
            name = f"lstm.{part}_l{layer}"
            numbers = uniform(weights[name].shape, size.hidden**-0.5)
            if part.startswith("weight"):
                weights[name] = numbers
        weights[f"lstm.bias_ih_l{layer}"][size.hidden : 2 * size.hidden] = 1  # forget gates open
    for name in ("glance_head", "memory_head"):
        weights[name] = normal(weights[name].shape)
    return {**weights, "binned": np.zeros(0, np.int64)}


def _box_muller(uniform: NDArray[np.float64]) -> NDArray[np.float64]:
    """Normal numbers of as many uniform ones, 0 to 1, a multiple of 16."""
    first, second = uniform.reshape(-1, 2, 8).swapaxes(0, 1)
    radius, angle = np.sqrt(-2 * np.log(1 - first)), 2 * np.pi * second
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1).reshape(-1)


def balanced(model: Model) -> Model:
    """The same model, calibrated so that its risks lie on both sides of the alert thresholds.

    Those of a trained one do, and a bundle must show it before it takes over.
    """
    risks = known_risks.risks_of(model, *known_risks.pool(model.variables))[:, :, 0]
    middle = float(np.median(np.log(risks / (1 - risks))))
    line = Calibration(np.array([-1.0, 1.0]), np.array([-1.0, 1.0]) - middle)
    model.calibrations = (line,) * len(HORIZONS)
    return model


def random_bundle(seed: int = 0, hidden: int = 8, layers: int = 1) -> Bundle:
    """A bundle of ``random_model``; its manifest is the caller's own."""
    bundle = _random_bundle(seed, hidden, layers)
    return replace(bundle, manifest=deepcopy(bundle.manifest))


@cache
def _random_bundle(seed: int, hidden: int, layers: int) -> Bundle:
    model = balanced(random_model(seed, hidden, layers))
    return make(model, {}, f"# An untrained model, seed {seed}\n")


def own_bundle(task: Task, seed: int = 0) -> Bundle:
    """A bundle of ``random_model`` for the variables of a task."""
    model = random_model(seed, variables=task.table)
    model.unread = task.table.unnamed(task.variables)
    model = balanced(model)
    return make(model, {"task": task.to_json()}, f"# An untrained model, seed {seed}\n")


def useless_champion() -> Bundle:
    """A bundle whose model knows nothing and never says positive: utility 0."""
    model = balanced(random_model())
    model.threshold = 0.9999999
    return make(model, {}, "")


def forecasting_model(seed: int = 0, layers: int = 1) -> Model:
    """The same as ``random_model``, with a forecast head of random weights."""
    import torch  # noqa: PLC0415 - see `random_weights`

    from trainer.forecast.head import TorchForecastHead  # noqa: PLC0415
    from trainer.training.torch_network import TorchNetwork  # noqa: PLC0415

    model = random_model(seed, layers=layers)
    torch.manual_seed(seed)
    TorchNetwork(model.architecture)  # a head is drawn after the network
    head = TorchForecastHead(HeadSize(features.N_FEATURES, model.architecture.hidden, units=8))
    torch.nn.init.normal_(head.second.weight)
    head.scale.copy_(torch.tensor([10.0, 12.0, 4.0, 2.0, 0.5]))
    head.stretch.uniform_(0.9, 1.1)
    model.forecaster = head.in_numpy()
    return model


def silenced(network: Network, *names: str) -> Network:
    """The same network with these of its weights zero."""
    zeros = {name: np.zeros_like(network.weights[name]) for name in names}
    return Network(network.architecture, {**network.weights, **zeros})
