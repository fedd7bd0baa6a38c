"""The network that scores: sizes, laws of a step, and bits that depend on the stay alone."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.core.lstm_network import HORIZONS, Architecture, Network, Weights
from streamer.core.matrix_blocks import Floats
from tests.support.paths import ROOT

ARCHITECTURES = (
    Architecture(11, 8, 1, encoder=7, binned=4, bins=3),
    Architecture(11, 8, 2, encoder=7, binned=4, bins=3),
    Architecture(205, 64, 1, encoder=128, binned=60, bins=6),
    Architecture(205, 33, 3, encoder=48),
    Architecture(2, 1, 1, encoder=1, binned=1, bins=1),
)
EACH = pytest.mark.parametrize(
    "size", ARCHITECTURES, ids=lambda size: f"{size.layers}x{size.hidden}"
)
CORES = ("SkylakeX", "Haswell", "Zen", "Prescott")


def random_weights(size: Architecture, seed: int = 0) -> Weights:
    """Weights as large as trained ones, edges that rise."""
    draws = np.random.default_rng(seed)
    weights = {
        name: (draws.normal(size=shape) / shape[-1] ** 0.5).astype(np.float32)
        for name, shape in size.shapes().items()
    }
    edges = np.sort(draws.uniform(-2, 2, (size.binned, size.bins + 1)))
    weights["edges"] = (edges + 0.1 * np.arange(size.bins + 1)).astype(np.float32)
    return {**weights, "binned": np.sort(draws.permutation(size.n_features)[: size.binned])}


def random_stays(size: Architecture, n: int, seed: int = 0) -> tuple[Floats, Floats, Floats]:
    """Standardised hours of stays, and the states before them."""
    draws = np.random.default_rng(seed)
    x = np.clip(2 * draws.normal(size=(n, size.n_features)), -6, 6).astype(np.float32)
    h = draws.uniform(-1, 1, (n, size.layers, size.hidden)).astype(np.float32)
    return x, h, 3 * draws.normal(size=h.shape).astype(np.float32)


@EACH
def test_a_step_is_that_of_the_equations(size: Architecture) -> None:
    weights = {n: w.astype(np.float64) for n, w in random_weights(size).items() if n != "binned"}
    x, h, c = random_stays(size, 21)
    logits, h1, c1 = Network(size, random_weights(size)).step(x, h, c)

    low, high = weights["edges"][:, :-1], weights["edges"][:, 1:]
    values = x[:, random_weights(size)["binned"], None]
    pieces = np.clip((values - low) / (high - low), 0, 1).reshape(len(x), -1)
    read = np.concatenate([x, pieces], axis=1)
    for name in ("first", "second"):
        read = np.maximum(read @ weights[f"{name}.weight"].T + weights[f"{name}.bias"], 0)
    above = read
    for layer in range(size.layers):
        w, u, b, d = (weights[f"lstm.{name}_l{layer}"] for name in
                      ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))  # fmt: skip
        rows = above @ w.T + h[:, layer] @ u.T + b + d
        i, f, g, o = np.split(rows, 4, axis=1)
        i, f, o = (1 / (1 + np.exp(-gate)) for gate in (i, f, o))
        cell = f * c[:, layer] + i * np.tanh(g)
        above = o * np.tanh(cell)
        np.testing.assert_allclose(c1[:, layer], cell, rtol=1e-6, atol=2e-6)
        np.testing.assert_allclose(h1[:, layer], above, rtol=0, atol=2e-6)
    heads = read @ weights["glance_head"].T + above @ weights["memory_head"].T + weights["bias"]
    np.testing.assert_allclose(logits, heads, rtol=0, atol=5e-6)


def test_a_piece_fills_as_the_value_passes_through_it() -> None:
    size = Architecture(2, 1, encoder=2, binned=1, bins=2)
    weights = {name: np.zeros(shape, np.float32) for name, shape in size.shapes().items()}
    weights["binned"] = np.array([1])
    weights["edges"] = np.array([[0.0, 1.0, 3.0]], np.float32)
    # After the two features come the pieces.
    weights["first.weight"] = np.array([[0, 0, 1, 0], [0, 0, 0, 1]], np.float32)
    weights["second.weight"] = np.eye(2, dtype=np.float32)
    values = np.array([-2.0, 0.0, 0.25, 1.0, 2.0, 3.0, 9.0], np.float32)
    x = np.stack([np.zeros(7, np.float32), values], axis=1)
    first, second = Network(size, weights).encode(x).T.tolist()
    assert first == [0, 0, 0.25, 1, 1, 1, 1]
    assert second == [0, 0, 0, 0, 0.5, 1, 1]


@EACH
def test_the_whole_sequence_is_the_chain_of_its_steps(size: Architecture) -> None:
    network = Network(size, random_weights(size))
    x = np.stack([random_stays(size, 13, seed)[0] for seed in range(30)])
    logits, out = network.run(x)
    assert logits.shape == (30, 13, len(HORIZONS))
    h = np.zeros((13, size.layers, size.hidden), np.float32)
    c = h.copy()
    for row, expected, remembered in zip(x, logits, out, strict=True):
        stepped, h, c = network.step(row, h, c)
        assert stepped.tobytes() == expected.tobytes()
        assert h[:, -1].tobytes() == remembered.tobytes()


@EACH
@pytest.mark.parametrize("sizes", [(), (1,), (150, 150, 9, 1), (5,) * 20])
def test_hours_of_stays_are_the_chain_of_their_steps(
    size: Architecture, sizes: tuple[int, ...]
) -> None:
    network = Network(size, random_weights(size))
    n = max(sizes, default=3)
    _, h, c = random_stays(size, n)
    x = random_stays(size, sum(sizes), seed=1)[0]
    h1, c1 = h.copy(), c.copy()
    network.advance(x, h1, c1, sizes)
    begin = 0
    for of_hour in sizes:
        stepped = network.step(x[begin : begin + of_hour], h[:of_hour], c[:of_hour])
        _, h[:of_hour], c[:of_hour] = stepped
        begin += of_hour
    assert (h1.tobytes(), c1.tobytes()) == (h.tobytes(), c.tobytes())


@EACH
@pytest.mark.parametrize("at", [1, 15, 29])
def test_nothing_looks_ahead(size: Architecture, at: int) -> None:
    network = Network(size, random_weights(size))
    x = np.stack([random_stays(size, 3, seed)[0] for seed in range(30)])
    other = x.copy()
    other[at:] -= 1
    one, two = network.run(x)[0], network.run(other)[0]
    assert one[:at].tobytes() == two[:at].tobytes()
    assert (one[at] != two[at]).any()


@EACH
def test_nothing_is_kept_and_no_argument_is_changed(size: Architecture) -> None:
    network = Network(size, random_weights(size))
    x, h, c = random_stays(size, 21)
    before = [a.tobytes() for a in (x, h, c)]
    first = [a.tobytes() for a in network.step(x, h, c)]
    network.step(*random_stays(size, 300, seed=1))
    assert [a.tobytes() for a in network.step(x, h, c)] == first
    assert [a.tobytes() for a in (x, h, c)] == before


@settings(max_examples=40, deadline=None)
@given(
    size=st.sampled_from(ARCHITECTURES),
    n=st.integers(1, 300),
    seed=st.integers(0, 2**32 - 1),
    cuts=st.lists(st.integers(0, 300), max_size=6),
)
def test_a_row_has_the_same_bits_in_any_batch(
    size: Architecture, n: int, seed: int, cuts: list[int]
) -> None:
    network = Network(size, random_weights(size))
    x, h, c = random_stays(size, n, seed=1)
    together = network.step(x, h, c)
    order = np.random.default_rng(seed).permutation(n)
    for some in np.split(order, sorted(cut % n for cut in cuts)):
        apart = network.step(x[some], h[some], c[some])
        for one, all_ in zip(apart, together, strict=True):
            assert one.tobytes() == all_[some].tobytes()


def test_stays_that_are_views_of_other_arrays_have_the_same_bits() -> None:
    size = ARCHITECTURES[1]
    network = Network(size, random_weights(size))
    x, h, c = random_stays(size, 40)
    plain = network.step(x[::2].copy(), h[::2].copy(), c[::2].copy())
    across = np.asfortranarray(x)[::2], np.asfortranarray(h)[::2], c[::2]
    for one, other in zip(plain, network.step(*across), strict=True):
        assert one.tobytes() == other.tobytes()
        assert other.flags.c_contiguous
        assert other.dtype == np.float32


def test_a_stay_with_nothing_known_spoils_no_other() -> None:
    size = ARCHITECTURES[2]
    network = Network(size, random_weights(size))
    x, h, c = random_stays(size, 8)
    whole = network.step(x, h, c)
    x[3], h[3], c[3] = np.nan, np.nan, np.inf
    with np.errstate(invalid="ignore"):
        damaged = network.step(x, h, c)
    others = np.arange(8) != 3
    for one, other in zip(whole, damaged, strict=True):
        assert one[others].tobytes() == other[others].tobytes()
    for one, other in zip(whole, network.step(*random_stays(size, 8)), strict=True):
        assert one.tobytes() == other.tobytes()


def test_threads_may_share_a_network() -> None:
    size = ARCHITECTURES[2]
    network = Network(size, random_weights(size))
    stays = [random_stays(size, 60, seed) for seed in range(8)]
    expected = [[a.tobytes() for a in network.step(*each)] for each in stays]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(20):
            made = pool.map(lambda each: [a.tobytes() for a in network.step(*each)], stays)
            assert list(made) == expected


@pytest.mark.parametrize("again", [copy.deepcopy, lambda n: pickle.loads(pickle.dumps(n))])
def test_a_copy_says_the_same(again: Callable[[Network], Network]) -> None:
    size = ARCHITECTURES[1]
    network = Network(size, random_weights(size))
    stays = random_stays(size, 9)
    for one, other in zip(network.step(*stays), again(network).step(*stays), strict=True):
        assert one.tobytes() == other.tobytes()


def test_weights_of_another_network_are_refused() -> None:
    size = ARCHITECTURES[0]
    weights = dict(random_weights(size))
    with pytest.raises(ValueError, match="bias is missing"):
        Network(size, {name: w for name, w in weights.items() if name != "bias"})
    with pytest.raises(ValueError, match="third is unknown"):
        Network(size, {**weights, "third": weights["bias"]})
    with pytest.raises(ValueError, match=r"size mismatch: bias is \(2,\)"):
        Network(size, {**weights, "bias": weights["bias"][:2]})
    with pytest.raises(ValueError, match="columns of the 11 features"):
        Network(size, {**weights, "binned": np.array([0, 1, 2, 11])})


PROGRAM = """
import sys
from hashlib import blake2b

import numpy as np

from streamer.core.lstm_network import Network
from tests.core.test_lstm_network import ARCHITECTURES, random_stays, random_weights

for size in ARCHITECTURES:
    network = Network(size, random_weights(size))
    x, h, c = random_stays(size, 200)
    together = network.step(x, h, c)
    draws = np.random.default_rng(0)
    for _ in range(40):
        some = draws.permutation(200)[: draws.integers(1, 60)]
        apart = network.step(x[some], h[some], c[some])
        same = all(a.tobytes() == b[some].tobytes() for a, b in zip(apart, together))
        assert same, (size, network.rows, len(some))
    sequence = np.stack([random_stays(size, 11, seed)[0] for seed in range(20)])
    logits, out = network.run(sequence)
    h = c = np.zeros((11, size.layers, size.hidden), np.float32)
    for row, said in zip(sequence, logits):
        stepped, h, c = network.step(row, h, c)
        assert stepped.tobytes() == said.tobytes(), size
    print(network.rows, blake2b(b"".join(a.tobytes() for a in together)).hexdigest())
"""


def run_on(core: str, threads: str) -> str:
    """What the program prints with OpenBLAS made for a kind of processor; "" if it cannot run."""
    around = {**os.environ, "OPENBLAS_CORETYPE": core, "OPENBLAS_VERBOSE": "2"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=ROOT, timeout=120, check=False,
        env=around | {"OPENBLAS_NUM_THREADS": threads}, capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode < 0:
        pytest.skip(f"this processor does not run OpenBLAS's {core}: signal {-done.returncode}")
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("core", CORES)
def test_bits_depend_on_the_stay_alone_on_other_processors(core: str) -> None:
    one, more = run_on(core, "1"), run_on(core, "4")
    # Nor on how many threads OpenBLAS may use: a service has one processor, a trainer has many.
    drop = [line for line in one.splitlines() if not line.startswith("Core")]
    assert drop == [line for line in more.splitlines() if not line.startswith("Core")]
    assert len(drop) == len(ARCHITECTURES)
