"""The network in numpy: an encoder of the hour, an LSTM whose state is an argument, three heads.

A step has the same bits whoever else is in the batch, so a stay's risk does not depend on how
events were cut into batches, and a replay of the log says what was said. PyTorch trains the same
network (``trainer.training.torch_network``); a test holds both together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streamer.core.matrix_blocks import Floats, Product, block_rows, with_bias
from streamer.core.work_arrays import WORK_ROWS, Products, Views, WorkArrays

HORIZONS: Final = ("6h", "24h", "48h")
"""Onset within six hours or already; by this time tomorrow; within two days."""

Weights = Mapping[str, NDArray[Any]]
"""By the names and in the shapes that a bundle stores: those of PyTorch's modules."""


@dataclass(frozen=True, slots=True)
class Architecture:
    """Sizes of a network: what a manifest keeps and a stay's state is laid out by.

    ``hidden`` units in each of the LSTM's ``layers``; ``encoder`` units in each of the encoder's
    two; ``binned`` features are also given as ``bins`` pieces each.
    """

    n_features: int
    hidden: int = 64
    layers: int = 1
    dropout: float = 0.0
    encoder: int = 128
    encoder_dropout: float = 0.0
    binned: int = 0
    bins: int = 6

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of each of the weights by its name."""
        encoder, hidden, n_heads = self.encoder, self.hidden, len(HORIZONS)
        lstm = {
            f"lstm.{name}_l{layer}": shape
            for layer in range(self.layers)
            for name, shape in (
                ("weight_ih", (4 * hidden, hidden if layer else encoder)),
                ("weight_hh", (4 * hidden, hidden)),
                ("bias_ih", (4 * hidden,)),
                ("bias_hh", (4 * hidden,)),
            )
        }
        return {
            "binned": (self.binned,),
            "edges": (self.binned, self.bins + 1),
            "first.weight": (encoder, self.n_features + self.binned * self.bins),
            "first.bias": (encoder,),
            "second.weight": (encoder, encoder),
            "second.bias": (encoder,),
            **lstm,
            "glance_head": (n_heads, encoder),
            "memory_head": (n_heads, hidden),
            "bias": (n_heads,),
        }


class Network:
    """Standardised features in, logits of the horizons out, state handed in and back.

    The encoder reads one hour. What matters of a value is often whether it lies in a range, which
    one weight a feature cannot say; so the most important features also come as pieces, one for
    each range between quantiles, that fill from 0 to 1 as the value passes through it (Gorishniy et
    al. 2022, piecewise linear encoding). The LSTM remembers what was read. A logit is what the
    encoder says of this hour plus what the LSTM adds.

    Nothing looks ahead and nothing is kept from one call to the next. Threads may share a network.

    Attributes:
        architecture: the sizes.
        weights: the arrays of the bundle.
        rows: the number of rows in a block (``matrix_blocks.block_rows``).

    Raises:
        ValueError: weights that are not those of the architecture.
    """

    def __init__(self, architecture: Architecture, weights: Weights) -> None:
        check_shapes(weights, architecture.shapes())
        self.architecture = architecture
        self.weights = dict(weights)
        size = architecture
        by_name = {n: np.asarray(w, np.float32) for n, w in weights.items() if n != "binned"}
        self._binned = np.asarray(weights["binned"], np.intp)
        if not ((self._binned >= 0) & (self._binned < size.n_features)).all():
            raise ValueError(f"binned: columns of the {size.n_features} features are wanted")
        edges = by_name["edges"].T  # pieces go by range, then by feature: longer runs for numpy
        low, width = edges[:-1], np.diff(edges, axis=0)
        # Once for each row: numpy is several times as fast where it need not go by rows.
        self._low, self._width = (np.tile(of.ravel(), (WORK_ROWS, 1)) for of in (low, width))
        pieces = np.arange(size.binned * size.bins).reshape(size.binned, size.bins)
        order = np.concatenate([np.arange(size.n_features), size.n_features + pieces.T.ravel()])
        first = Product(with_bias(by_name["first.weight"][:, order], by_name["first.bias"]))
        second = Product(with_bias(by_name["second.weight"], by_name["second.bias"]))
        layers = [Product(_gates(by_name, layer)) for layer in range(size.layers)]
        both = np.concatenate([by_name["glance_head"], by_name["memory_head"]], axis=1)
        heads = Product(with_bias(both, by_name["bias"]))
        self._products = Products(first, second, layers, heads)
        self._zeros = np.zeros(size.encoder, np.float32)
        self.rows = block_rows((first, second, *layers, heads))
        self._spare: list[WorkArrays] = []  # of calls that are over, so threads never share one

    def __reduce__(self) -> tuple[type[Network], tuple[Architecture, Weights]]:
        return Network, (self.architecture, self.weights)

    def step(self, x: Floats, h: Floats, c: Floats) -> tuple[Floats, Floats, Floats]:
        """Steps each stay by one hour.

        Args:
            x: ``(n, F)`` standardised features.
            h: ``(n, layers, hidden)`` hidden state.
            c: ``(n, layers, hidden)`` cell state.

        Returns:
            Logits ``(n, 3)`` of ``HORIZONS``, and h and c after the step, shaped as they came.
        """
        logits = np.empty((len(x), len(HORIZONS)), np.float32)
        h1, c1 = np.empty(h.shape, np.float32), np.empty(c.shape, np.float32)
        work = self._work()
        for rows, views in work.turns(len(x)):
            n = rows.stop - rows.start
            views.x[:n] = x[rows]
            self._encode(views)
            self._remember(views, h[rows], c[rows], h1[rows], c1[rows])
            views.heads()
            logits[rows] = views.logits[:n]
        self._spare.append(work)
        return logits, h1, c1

    def run(self, x: Floats) -> tuple[Floats, Floats]:
        """Runs whole sequences from their start: the chain of single steps, bit for bit.

        Args:
            x: ``(T, B, F)`` standardised features.

        Returns:
            Logits ``(T, B, 3)``, and the LSTM's output ``(T, B, hidden)`` after each step.
        """
        size, (n_steps, n_stays, _) = self.architecture, x.shape
        read = self.encode(x.reshape(n_steps * n_stays, -1)).reshape(n_steps, n_stays, -1)
        logits = np.empty((n_steps, n_stays, len(HORIZONS)), np.float32)
        out = np.empty((n_steps, n_stays, size.hidden), np.float32)
        work = self._work()
        for rows, views in work.turns(n_stays):
            n = rows.stop - rows.start
            h, c = np.zeros((2, n, size.layers, size.hidden), np.float32)
            for step in range(n_steps):
                views.read[:n] = read[step, rows]
                self._remember(views, h, c, h, c)
                views.heads()
                logits[step, rows] = views.logits[:n]
                out[step, rows] = h[:, -1]
        self._spare.append(work)
        return logits, out

    def advance(self, x: Floats, h: Floats, c: Floats, sizes: Sequence[int]) -> None:
        """Steps stays by several hours: the chain of single steps, bit for bit.

        Args:
            x: ``(sum of sizes, F)`` standardised features, those of all stays' first hours first.
            h: ``(n, layers, hidden)`` hidden state; changed in place.
            c: ``(n, layers, hidden)`` cell state; changed in place.
            sizes: of each hour, how many of the stays have it: the first ones. It never rises.
        """
        read = self.encode(x)
        work = self._work()
        begin = 0
        for size in sizes:
            for rows, views in work.turns(size):
                n = rows.stop - rows.start
                views.read[:n] = read[begin : begin + n]
                self._remember(views, h[rows], c[rows], h[rows], c[rows])
                begin += n
        self._spare.append(work)

    def encode(self, x: Floats) -> Floats:
        """Reads ``(n, F)`` standardised hours, each for itself; returns ``(n, encoder)``."""
        read = np.empty((len(x), self.architecture.encoder), np.float32)
        work = self._work()
        for rows, views in work.turns(len(x)):
            n = rows.stop - rows.start
            views.x[:n] = x[rows]
            self._encode(views)
            read[rows] = views.read[:n]
        self._spare.append(work)
        return read

    def _work(self) -> WorkArrays:
        try:
            return self._spare.pop()
        except IndexError:
            return WorkArrays(self.architecture, self._products, self.rows)

    def _encode(self, views: Views) -> None:
        """Fills ``views.read`` from ``views.x``."""
        if len(self._binned):
            # "clip" leaves out numpy's own check and copy; the columns are checked above.
            views.x.take(self._binned, axis=1, out=views.values, mode="clip")
            np.copyto(views.by_range, views.values[:, None])
            pieces, n = views.pieces, len(views.pieces)
            np.subtract(pieces, self._low[:n], pieces)
            np.divide(pieces, self._width[:n], pieces)
            pieces.clip(0, 1, pieces)
            np.copyto(views.pieces_in, pieces)
        views.first()
        np.maximum(views.first_rows, self._zeros, out=views.first_rows)
        views.second()
        np.maximum(views.read, self._zeros, out=views.read)

    def _remember(self, views: Views, h: Floats, c: Floats, h1: Floats, c1: Floats) -> None:
        """Steps the LSTM from ``views.read``, h and c; fills h1, c1 and what the heads read.

        sigmoid(x) = (tanh(x / 2) + 1) / 2, so one call of tanh serves all four gates. `_gates`
        halves the weights, which is exact; the outer halvings are the two products with 0.5.
        """
        n, memory = len(h), views.memory
        for layer, old in enumerate(views.old):
            old[:n] = h[:, layer]
        for layer, product in enumerate(views.layers):
            memory[:n] = c[:, layer]
            product()
            np.tanh(views.gates, views.gates)
            np.add(views.sigmoids, 1, views.sigmoids)
            np.multiply(views.forget, memory, memory)
            np.multiply(views.let_in, views.candidate, views.candidate)
            np.add(memory, views.candidate, memory)
            np.multiply(memory, 0.5, memory)
            np.tanh(memory, views.candidate)
            np.multiply(views.candidate, views.show, views.candidate)
            np.multiply(views.candidate, 0.5, views.new[layer])
            h1[:, layer] = views.new[layer][:n]
            c1[:, layer] = memory[:n]


def check_shapes(weights: Weights, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Raises ``ValueError`` unless the weights are these, by name and shape."""
    wrong = [f"{name} is missing" for name in shapes if name not in weights]
    wrong += [f"{name} is unknown" for name in weights if name not in shapes]
    wrong += [
        f"size mismatch: {name} is {weights[name].shape}, {shape} is expected"
        for name, shape in shapes.items()
        if name in weights and weights[name].shape != shape
    ]
    if wrong:
        raise ValueError(f"weights of another network: {'; '.join(wrong)}")


def _gates(weights: Mapping[str, Floats], layer: int) -> Floats:
    """Weights of a layer on [what it reads, its hidden state, 1], gates in the order i, f, o, g.

    Those of the sigmoids, i, f and o, are halved.
    """
    w, u, b, d = (
        weights[f"lstm.{name}_l{layer}"]
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    )
    together = with_bias(np.concatenate([w, u], axis=1), b + d)
    i, f, g, o = np.split(together, 4, axis=1)
    return np.concatenate([i / 2, f / 2, o / 2, g], axis=1)
