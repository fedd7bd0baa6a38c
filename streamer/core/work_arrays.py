"""Where a step of the network works: arrays that are made once, and views of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from streamer.core.products import Floats, floats, row_length

if TYPE_CHECKING:
    from streamer.core.network import Architecture

WORK_ROWS: Final = 128
"""Stays that are stepped at once: what they need on the way is as large as the weights, and both
stay in a cache of 2 MB."""


class WorkArrays:
    """Work arrays of one call: as many rows as are stepped at once, and views of their blocks."""

    def __init__(self, size: Architecture, rows: int, n_heads: int) -> None:
        self._size = size
        self._rows = rows
        self.inputs = _with_ones(size.n_features + size.binned * size.bins)
        self.values = floats(WORK_ROWS, size.binned)
        self.second = _with_ones(size.encoder)
        self.layers = [
            _with_ones((size.hidden if layer else size.encoder) + size.hidden)
            for layer in range(size.layers)
        ]
        self.gates = floats(WORK_ROWS, 4 * size.hidden)
        self.memory = floats(WORK_ROWS, size.hidden)
        self.logits = floats(WORK_ROWS, n_heads)
        self._views: dict[int, Views] = {}

    def turns(self, n: int) -> Iterator[tuple[slice, Views]]:
        """Cuts ``n`` rows into those that are stepped at once, each with the views for it."""
        for begin in range(0, n, WORK_ROWS):
            end = min(begin + WORK_ROWS, n)
            n_blocks = -(-(end - begin) // self._rows)
            views = self._views.get(n_blocks)
            if views is None:
                views = self._views[n_blocks] = Views(self, self._size, n_blocks, self._rows)
            yield slice(begin, end), views


class Views:
    """The first blocks of the work arrays, by what they hold; making a view takes time, too."""

    def __init__(self, work: WorkArrays, size: Architecture, n_blocks: int, rows: int) -> None:
        n, n_features, hidden = n_blocks * rows, size.n_features, size.hidden

        def in_blocks(array: Floats, n_columns: int) -> Floats:
            return array[:n, :n_columns].reshape(n_blocks, rows, n_columns)

        n_inputs = n_features + size.binned * size.bins
        self.x = work.inputs[:n, :n_features]
        self.values = work.values[:n]
        self.all_pieces = work.inputs[:n, n_features:n_inputs]
        self.pieces = self.all_pieces.reshape(n, size.bins, size.binned)
        self.first_in = in_blocks(work.inputs, n_inputs + 1)
        self.first_rows = work.second[:n, : size.encoder]
        self.first_out = in_blocks(work.second, size.encoder)
        self.second_in = in_blocks(work.second, size.encoder + 1)
        self.second_out = in_blocks(work.layers[0], size.encoder)
        self.read = work.layers[0][:n, : size.encoder]
        widths = [size.encoder] + [hidden] * (size.layers - 1)
        self.layer_in = [
            in_blocks(layer, width + hidden + 1)
            for layer, width in zip(work.layers, widths, strict=True)
        ]
        # Where each layer's hidden state is before the step, and where it goes: into the layer
        # above; that of the last layer beside what was read, for the heads.
        self.old = [
            layer[:n, width : width + hidden]
            for layer, width in zip(work.layers, widths, strict=True)
        ]
        self.new = [*(layer[:n, :hidden] for layer in work.layers[1:]), self.old[0]]
        self.gates = work.gates[:n]
        self.gates_out = in_blocks(work.gates, 4 * hidden)
        self.sigmoids = self.gates[:, : 3 * hidden]
        self.let_in, self.forget, self.show, self.candidate = (
            self.gates[:, part * hidden : (part + 1) * hidden] for part in range(4)
        )
        self.memory = work.memory[:n]
        self.logits = work.logits[:n]
        self.logits_out = in_blocks(work.logits, work.logits.shape[1])


def _with_ones(n_columns: int) -> Floats:
    """Rows of ``n_columns`` and a 1, which the bias is the weight of."""
    work = floats(WORK_ROWS, row_length(n_columns + 1))
    work[:, n_columns] = 1
    return work
