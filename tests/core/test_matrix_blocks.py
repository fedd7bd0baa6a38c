"""Products in blocks of fixed shape: a row's bits are its own."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.core import matrix_blocks
from streamer.core.matrix_blocks import (
    BLOCKS,
    Floats,
    Product,
    block_rows,
    floats,
    keeps_rows,
    with_bias,
)


@settings(max_examples=30, deadline=None)
@given(
    n_in=st.integers(1, 90), n_out=st.integers(1, 70), n=st.integers(1, 30), seed=st.integers(0, 99)
)
def test_a_product_is_that_of_its_weights(n_in: int, n_out: int, n: int, seed: int) -> None:
    draws = np.random.default_rng(seed)
    weights = draws.normal(size=(n_out, n_in)).astype(np.float32)
    bias = draws.normal(size=n_out).astype(np.float32)
    given_rows = draws.normal(size=(n, n_in)).astype(np.float32)
    product = Product(with_bias(weights, bias))
    made = product.of_rows(given_rows, block_rows([product]))
    expected = given_rows.astype(np.float64) @ weights.T.astype(np.float64) + bias
    np.testing.assert_allclose(made, expected, rtol=0, atol=1e-5 * n_in)


def test_weights_are_cut_so_that_no_product_goes_to_two_threads() -> None:
    for n_in, n_out in ((566, 128), (193, 256), (257, 512), (5_000, 33), (3, 10_000)):
        product = Product(np.zeros((n_in, n_out), np.float32))
        covered = np.zeros((n_in, n_out), np.int64)
        for inputs, columns, part in product.parts:
            covered[inputs, columns] += 1
            assert part.shape == covered[inputs, columns].shape
            assert part.shape[0] <= 144
            assert max(BLOCKS) * part.size <= 2**18
        assert (covered == 1).all()


def test_arrays_begin_at_a_cache_line() -> None:
    for shape in ((1,), (3, 5), (128, 577)):
        array = floats(*shape)
        assert array.shape == shape
        assert array.ctypes.data % 64 == 0
        assert not array.any()


def test_the_widest_block_that_keeps_bits_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    product = Product(np.zeros((5, 7), np.float32))
    assert block_rows([product]) in BLOCKS
    for widest in BLOCKS:
        monkeypatch.setattr(matrix_blocks, "keeps_rows", lambda rows, *_, most=widest: rows <= most)
        assert block_rows([product]) == widest


def test_a_block_in_which_the_place_counts_is_recognised(monkeypatch: pytest.MonkeyPatch) -> None:
    assert keeps_rows(1, 40, 40)

    right = Product.between

    def by_place(self: Product, blocks: Floats, out: Floats) -> Callable[[], None]:
        def multiply() -> None:
            right(self, blocks, out)()
            # The last row of a block is added up from behind.
            weights = np.concatenate([part for _, _, part in self.parts])
            out[:, -1:] = np.matmul(blocks[:, -1:, ::-1].copy(), weights[::-1].copy())

        return multiply

    monkeypatch.setattr(Product, "between", by_place)
    keeps_rows.cache_clear()
    try:
        assert not keeps_rows(8, 40, 40)
    finally:
        keeps_rows.cache_clear()
