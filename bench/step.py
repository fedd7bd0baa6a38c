"""Cost of a step of the network, beside the same step in PyTorch.

    python -m bench.step

Both use the shipped weights, on one thread, in turns. The least processor time of many turns
counts, so that other programs on the machine disturb as little as possible.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from bench.machine import describe
from streamer.bundles import bundle
from streamer.bundles.build import build
from streamer.core.lstm_network import Network
from streamer.core.matrix_blocks import Floats
from trainer.training.torch_network import TorchNetwork

STAYS = (1, 14, 64, 1000)
_SEQUENCE = (40, 256)  # hours and stays of a batch of `trainer evaluate`
_TURN_S = 0.01


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints a line for each number of stays, and one for whole stays."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=50, help="take so many turns (default: 50)")
    turns = parser.parse_args(arguments).turns
    torch.set_num_threads(1)
    network = build(bundle.load(bundle.SHIPPED)).network
    module = TorchNetwork.of(network)
    table = Table(title=f"microseconds of processor time, blocks of {network.rows}, {describe()}")
    for name in ("", "numpy", "PyTorch", "numpy, a stay and hour"):
        table.add_column(name, justify="right")
    for n in STAYS:
        x, h, c = _stays(network, n)
        layers_first = [torch.from_numpy(a.swapaxes(0, 1).copy()) for a in (h, c)]
        ours, theirs = least(
            turns,
            partial(network.step, x, h, c),
            partial(_step, module, x[None], *layers_first),
        )
        table.add_row(f"step of {n:,}", f"{ours:,.0f}", f"{theirs:,.0f}", f"{ours / n:,.2f}")
    hours, n = _SEQUENCE
    sequence = np.stack([_stays(network, n, seed)[0] for seed in range(hours)])
    empty = torch.zeros(network.architecture.layers, n, network.architecture.hidden)
    ours, theirs = least(
        turns // 5, partial(network.run, sequence), partial(_step, module, sequence, empty, empty)
    )
    per_hour = ours / (hours * n)
    table.add_row(f"{n} stays of {hours} h", f"{ours:,.0f}", f"{theirs:,.0f}", f"{per_hour:,.2f}")
    Console(width=120).print(table)


def least(turns: int, *functions: Callable[[], object]) -> list[float]:
    """The least microseconds of processor time of each function; they take turns."""
    repeats = []
    for function in functions:
        begun = time.thread_time()
        function()
        repeats.append(max(1, round(_TURN_S / max(time.thread_time() - begun, 1e-6))))
    shortest = [np.inf] * len(functions)
    for _ in range(turns):
        for i, (function, n) in enumerate(zip(functions, repeats, strict=True)):
            begun = time.thread_time()
            for _ in range(n):
                function()
            shortest[i] = min(shortest[i], (time.thread_time() - begun) / n * 1e6)
    return shortest


def _stays(network: Network, n: int, seed: int = 0) -> tuple[Floats, Floats, Floats]:
    size, draws = network.architecture, np.random.default_rng(seed)
    x = np.clip(draws.standard_normal((n, size.n_features), np.float32), -6, 6)
    h, c = draws.uniform(-1, 1, (2, n, size.layers, size.hidden)).astype(np.float32)
    return x, h, c


def _step(module: TorchNetwork, x: Floats, h: Tensor, c: Tensor) -> Tensor:
    with torch.inference_mode():
        logits: Tensor = module(torch.from_numpy(x), h, c)[0]
        return logits


if __name__ == "__main__":
    main()
