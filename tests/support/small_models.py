"""Small untrained models: tests of the state do not need good weights."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from functools import cache

import numpy as np

from streamer.bundles import known_risks
from streamer.bundles.build import make
from streamer.bundles.bundle import Bundle
from streamer.core import features
from streamer.core.alerts import AlertPolicy
from streamer.core.forecast import HeadSize
from streamer.core.lstm_network import HORIZONS, Architecture, Network
from streamer.core.model import Calibration, Model, Scaling

# Random weights give risks around one half; these thresholds lie where they cross often.
POLICY = AlertPolicy(medium=0.52, high=0.6, off=0.48)


def random_model(seed: int = 0, hidden: int = 8, layers: int = 1) -> Model:
    """A model with random weights and believable scaling."""
    # Loaded here: most tests of servers need no model, and loading takes two seconds.
    import torch  # noqa: PLC0415

    from trainer.training.torch_network import TorchNetwork  # noqa: PLC0415

    torch.set_num_threads(1)  # with networks this small, threads cost more than they save
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    network = TorchNetwork(Architecture(features.N_FEATURES, hidden, layers)).in_numpy()
    scaling = Scaling(
        rng.uniform(0, 50, features.N_FEATURES).astype(np.float32),
        rng.uniform(1, 30, features.N_FEATURES).astype(np.float32),
    )
    line = Calibration(np.array([-1.0, 1.0]), np.array([-1.0, 1.0]))
    return Model("untrained", network, scaling, (line,) * len(HORIZONS), 0.5, POLICY)


def balanced(model: Model) -> Model:
    """The same model, calibrated so that its risks lie on both sides of the alert thresholds.

    Those of a trained one do, and a bundle must show it before it takes over.
    """
    risks = known_risks.risks_of(model, *known_risks.pool())[:, :, 0]
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


def useless_champion() -> Bundle:
    """A bundle whose model knows nothing and never says positive: utility 0."""
    model = balanced(random_model())
    model.threshold = 0.9999999
    return make(model, {}, "")


def forecasting_model(seed: int = 0, layers: int = 1) -> Model:
    """The same as ``random_model``, with a forecast head of random weights."""
    import torch  # noqa: PLC0415 - see `random_model`

    from trainer.forecast.head import TorchForecastHead  # noqa: PLC0415

    model = random_model(seed, layers=layers)
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
