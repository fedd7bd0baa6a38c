"""The shipped model, called for one patient and one step with `LSTMCell`."""

from __future__ import annotations

import bisect
import math
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from streamer.bundles import bundle
from streamer.bundles.build import build
from streamer.core.model import Calibration
from trainer.training.torch_network import TorchNetwork

Floats = NDArray[np.float32]

MODEL: Final = build(bundle.load(bundle.SHIPPED))
HIDDEN: Final = MODEL.architecture.hidden


class Cell:
    """The network's step, with the weights of the service."""

    def __init__(self) -> None:
        network = TorchNetwork.of(MODEL.network)
        self._cell = nn.LSTMCell(MODEL.architecture.encoder, HIDDEN)
        weights = network.lstm.state_dict()
        self._cell.load_state_dict({name.removesuffix("_l0"): w for name, w in weights.items()})
        self._cell.requires_grad_(False)
        self._network = network

    def step(self, x: Floats, h: Tensor, c: Tensor) -> tuple[list[float], Tensor, Tensor]:
        """Takes one row ``(F,)`` and a state ``(1, hidden)``; returns logits and state."""
        with torch.inference_mode():
            read = self._network.encode(torch.from_numpy(x)[None])
            h, c = self._cell(read, (h, c))
            logits = self._network.glance(read) + self._network.recall(h)
        return logits[0].tolist(), h, c


def sigmoid(logit: float) -> float:
    """The logistic function; logits of this network are far from where it would overflow."""
    return 1.0 / (1.0 + math.exp(-logit))


class ScalarCalibration:
    """`Calibration` of one number at a time, which is faster without numpy."""

    def __init__(self, calibration: Calibration) -> None:
        self._x = calibration.logits.tolist()
        self._y = calibration.calibrated.tolist()

    def __call__(self, logit: float) -> float:
        """The calibrated logit."""
        x, y = self._x, self._y
        right = min(max(bisect.bisect_right(x, logit), 1), len(x) - 1)
        left = right - 1
        return float(y[left] + (logit - x[left]) * (y[right] - y[left]) / (x[right] - x[left]))
