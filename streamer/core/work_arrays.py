"""Work arrays of a step of the network: made once, used through views of their blocks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

from streamer.core.matrix_blocks import Bound, Floats, Product, floats, row_length

if TYPE_CHECKING:
    from streamer.core.lstm_network import Architecture

WORK_ROWS: Final = 128
"""Stays that are stepped at once: what they need on the way is as large as the weights, and both
stay in a cache of 2 MB."""


class Products(NamedTuple):
    """The products of a network, in their order."""

    first: Product
    second: Product
    layers: list[Product]
    heads: Product


class WorkArrays:
    """Work arrays of one call: as many rows as are stepped at once, and views of their blocks."""

    def __init__(self, size: Architecture, products: Products, rows: int) -> None:
        self.size = size
        self.products = products
        self.rows = rows
        self.inputs = _with_ones(products.first)
        self.values = floats(WORK_ROWS, size.binned)
        self.pieces = floats(WORK_ROWS, size.binned * size.bins)
        self.second = _with_ones(products.second)
        self.layers = [_with_ones(layer) for layer in products.layers]
        self.gates = floats(WORK_ROWS, 4 * size.hidden)
        self.memory = floats(WORK_ROWS, size.hidden)
        self.logits = floats(WORK_ROWS, products.heads.n_out)
        self._views: dict[int, Views] = {}

    def turns(self, n: int) -> Iterator[tuple[slice, Views]]:
        """Cuts ``n`` rows into those that are stepped at once, each with the views for it."""
        for begin in range(0, n, WORK_ROWS):
            end = min(begin + WORK_ROWS, n)
            n_blocks = -(-(end - begin) // self.rows)
            views = self._views.get(n_blocks)
            if views is None:
                views = self._views[n_blocks] = Views(self, n_blocks)
            yield slice(begin, end), views


class Views:
    """The first blocks of the work arrays, by what they hold, and the products between them."""

    def __init__(self, work: WorkArrays, n_blocks: int) -> None:
        size, products = work.size, work.products
        n, encoder, hidden = n_blocks * work.rows, size.encoder, size.hidden
        n_pieces = size.binned * size.bins

        def in_blocks(array: Floats, n_columns: int) -> Floats:
            return array[:n, :n_columns].reshape(n_blocks, work.rows, n_columns)

        def between(product: Product, inputs: Floats, outputs: Floats) -> Bound:
            return product.between(
                in_blocks(inputs, product.n_in), in_blocks(outputs, product.n_out)
            )

        self.x = work.inputs[:n, : size.n_features]
        self.values = work.values[:n]
        self.pieces = work.pieces[:n]
        self.by_range = self.pieces.reshape(n, size.bins, size.binned)
        self.pieces_in = work.inputs[:n, size.n_features : size.n_features + n_pieces]
        self.first = between(products.first, work.inputs, work.second)
        self.first_rows = work.second[:n, :encoder]
        self.second = between(products.second, work.second, work.layers[0])
        self.read = work.layers[0][:n, :encoder]

        # Where each layer's hidden state is before the step, and where it goes: into the layer
        # above; that of the last layer beside what was read, for the heads.
        self.layers = [
            between(product, inputs, work.gates)
            for product, inputs in zip(products.layers, work.layers, strict=True)
        ]
        own = [encoder] + [hidden] * (size.layers - 1)
        self.old = [
            layer[:n, begin : begin + hidden] for layer, begin in zip(work.layers, own, strict=True)
        ]
        self.new = [*(layer[:n, :hidden] for layer in work.layers[1:]), self.old[0]]
        self.gates = work.gates[:n]
        self.sigmoids = self.gates[:, : 3 * hidden]
        self.let_in, self.forget, self.show, self.candidate = (
            self.gates[:, part * hidden : (part + 1) * hidden] for part in range(4)
        )
        self.memory = work.memory[:n]
        self.heads = between(products.heads, work.layers[0], work.logits)
        self.logits = work.logits[:n]


def _with_ones(product: Product) -> Floats:
    """Rows of what a product takes; the last of it is a 1, which the bias is the weight of."""
    work = floats(WORK_ROWS, row_length(product.n_in))
    work[:, product.n_in - 1] = 1
    return work
