"""The shipped network as a team would call it: one patient, one step, `LSTMCell`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor, nn

Floats = NDArray[np.float32]

HIDDEN: Final = 128
N_FEATURES: Final = 205
_BUNDLE: Final = Path(__file__).parents[2] / "streamer" / "models" / "default"
HORIZONS: Final = ("6h", "24h", "48h")


class Network:
    """Steps one patient at a time with the weights of the service; no calibration."""

    def __init__(self) -> None:
        torch.set_num_threads(1)
        torch.set_grad_enabled(False)  # once: `inference_mode` around each step would cost 5 us
        weights = load_file(_BUNDLE / "weights.safetensors")
        self._cell = nn.LSTMCell(N_FEATURES, HIDDEN)
        self._cell.load_state_dict(
            {
                name.removeprefix("lstm.").removesuffix("_l0"): weight
                for name, weight in weights.items()
                if name.startswith("lstm.")
            }
        )
        self._head = weights["head"].T.contiguous()
        self._bias = weights["bias"]

    def step(self, x: Floats, h: Tensor, c: Tensor) -> tuple[list[float], Tensor, Tensor]:
        """Takes one row ``(205,)`` and a state ``(1, 128)``; returns three risks and the state."""
        h, c = self._cell(torch.from_numpy(x)[None], (h, c))
        risks: list[float] = torch.sigmoid(h @ self._head + self._bias)[0].tolist()
        return risks, h, c


def scaling() -> tuple[Floats, Floats]:
    """Means and standard deviations ``(205,)`` of the features."""
    manifest = json.loads((_BUNDLE / "manifest.json").read_text())["scaling"]
    return np.array(manifest["mean"], np.float32), np.array(manifest["std"], np.float32)
