"""Matrix products whose bits do not depend on who else is in the batch.

BLAS adds up the products of a row in an order that depends on the shape of the whole, and with some
kernels on the place of the row in it. So every product here is one of blocks: always the same few
rows, the last block filled up. Whether a row then has the same bits at each place of a block is
tried out on the processor at hand, once for each shape.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

BLOCKS: Final = (8, 4, 1)
"""Rows of a block that are tried, widest first. A block of one row has one position, so it
always passes.
Sixteen are no faster with AVX-512 and have other bits at other places with AVX2."""

_ONE_THREAD: Final = 2**18
"""OpenBLAS gives no product of so few multiplications to more than one thread. More threads would
cut it into other shapes, and bits would depend on the number of processors."""
_LONGEST_SUM: Final = 144
"""The most products in one sum; a longer sum is cut. Uncut, a sum of 566 products has twice the
rounding error of PyTorch, which cuts too; cut like this it has no more and takes 4 % longer."""
_COLUMNS: Final = 16  # weights are cut at multiples: a whole cache line, the widest vector register
_LINE: Final = 64  # bytes of a cache line


def floats(*shape: int) -> Floats:
    """Zeros that begin at a cache line, so that no result depends on where memory was free."""
    size = int(np.prod(shape)) * np.dtype(np.float32).itemsize
    room = np.zeros(size + _LINE, np.uint8)
    start = -room.ctypes.data % _LINE
    return room[start : start + size].view(np.float32).reshape(shape)


def row_length(n_columns: int) -> int:
    """The length of a row that holds ``n_columns`` and after which the next begins at a line."""
    return -(-n_columns // _COLUMNS) * _COLUMNS


def with_bias(weights: Floats, bias: Floats) -> Floats:
    """``(n_in + 1, n_out)`` of PyTorch's ``(n_out, n_in)``: the bias is the weight of a last 1."""
    return np.concatenate([weights.T, bias[None]])


class Product:
    """The product of rows with weights ``(n_in, n_out)``.

    The weights are cut where sums would be long, and where one product would be large enough for
    several threads.
    """

    def __init__(self, weights: Floats) -> None:
        self.n_in, self.n_out = weights.shape
        self.parts: list[tuple[slice, slice, Floats]] = []
        for inputs in _cuts(self.n_in, _LONGEST_SUM):
            longest = inputs.stop - inputs.start
            for columns in _cuts(self.n_out, _ONE_THREAD // (BLOCKS[0] * longest)):
                part = floats(longest, columns.stop - columns.start)
                part[:] = weights[inputs, columns]
                self.parts.append((inputs, columns, part))

    def between(self, blocks: Floats, out: Floats) -> Bound:
        """Returns what multiplies ``(blocks, rows, n_in)`` into ``out`` ``(blocks, rows, n_out)``.

        Each call takes what is in ``blocks`` by then.
        """
        first, more = [], []
        for inputs, columns, part in self.parts:
            step = blocks[..., inputs], part, out[..., columns]
            if inputs.start:
                more.append((*step, np.empty((*out.shape[:-1], part.shape[1]), np.float32)))
            else:
                first.append(step)
        return Bound(first, more)

    def of_rows(self, inputs: Floats, rows: int) -> Floats:
        """Multiplies ``(n, n_in - 1)``, with a 1 after each row, in blocks of ``rows``."""
        n = -(-len(inputs) // rows) * rows
        work, out = floats(n, row_length(self.n_in)), floats(n, self.n_out)
        work[: len(inputs), : self.n_in - 1] = inputs
        work[:, self.n_in - 1] = 1
        blocks = work[:, : self.n_in].reshape(-1, rows, self.n_in)
        self.between(blocks, out.reshape(-1, rows, self.n_out))()
        return out[: len(inputs)]


class Bound:
    """A product between two arrays; making views of them takes as long as a small product."""

    def __init__(
        self,
        first: list[tuple[Floats, Floats, Floats]],
        more: list[tuple[Floats, Floats, Floats, Floats]],
    ) -> None:
        self._first = first
        self._more = more

    def __call__(self) -> None:
        """Multiplies what is in the one array by now into the other."""
        for blocks, part, out in self._first:
            np.matmul(blocks, part, out)
        for blocks, part, out, sums in self._more:
            np.matmul(blocks, part, sums)
            np.add(out, sums, out)


def block_rows(products: Iterable[Product]) -> int:
    """The most rows of a block in which each of these products keeps the bits of a row."""
    shapes = {(product.n_in, product.n_out) for product in products}
    return next(rows for rows in BLOCKS if all(keeps_rows(rows, *shape) for shape in shapes))


@cache
def keeps_rows(rows: int, n_in: int, n_out: int) -> bool:
    """Whether a row has the same bits at each place of a block, beside whatever rows.

    Each of ``rows`` rows is put at each place among others that are drawn anew each time. Sums of
    so many random numbers in another order differ in some bit of some column.
    """
    if rows == 1:
        return True
    draws = np.random.default_rng([rows, n_in, n_out])
    product = Product(draws.standard_normal((n_in, n_out), np.float32))
    room = floats(rows, rows, rows, row_length(n_in))  # by row, by place, then a block
    blocks = room[..., :n_in]
    blocks[:] = draws.standard_normal(blocks.shape, np.float32)
    followed = draws.standard_normal((rows, n_in), np.float32)
    position = np.arange(rows)
    blocks[:, position, position] = followed[:, None]
    out = floats(rows * rows, rows, n_out)
    product.between(blocks.reshape(rows * rows, rows, n_in), out)()
    at_positions = out.reshape(rows, rows, rows, n_out)[
        :, position, position
    ]  # (row, place, n_out)
    return bool((at_positions == at_positions[:, :1]).all())


def _cuts(length: int, longest: int) -> list[slice]:
    """Equal parts as near as may be, none longer than ``longest`` unless a line is longer."""
    n_parts = -(-length // max(longest // _COLUMNS * _COLUMNS, _COLUMNS))
    width = length if n_parts == 1 else row_length(-(-length // n_parts))
    return [slice(begin, min(begin + width, length)) for begin in range(0, length, width)]
