"""Two bundles whose ids begin with the same digits: why an id counts as a whole.

People see twelve hex digits of an id, 48 bits. Whoever may choose both bundles needs 2^24 to 2^26
hashes of each, a minute or two on one core, and no part of either bundle looks odd for it: only the
lowest bits of two weights differ from what was there before.

    python -m bench.id_collision --digits 12
"""

from __future__ import annotations

import argparse
import hashlib
import struct
import sys
import time
from dataclasses import replace
from typing import Final, cast

import numpy as np
from numpy.typing import NDArray

from streamer.bundles import known_risks
from streamer.bundles.build import build, make
from streamer.bundles.bundle import Bundle
from streamer.bundles.manifest import Manifest, hashed_text
from streamer.core import features
from streamer.core.alerts import AlertPolicy
from streamer.core.lstm_network import HORIZONS, Architecture, Network
from streamer.core.model import ID_DIGITS, Calibration, Model, Scaling

_TAIL: Final = struct.Struct("<II")  # the last two weights of a bundle
_LOW_BITS: Final = 16  # of each that may change: less than a hundredth of its value
_LOW: Final = (1 << _LOW_BITS) - 1
_FIRST_TRIES: Final = 1 << 11
COLLISION: Final = (44_647_146, 3_275_422)
"""What ``collide`` returns for the bundles of ``SEEDS`` and twelve digits, after 139 s of a core
(AMD EPYC): it goes through 2^26 variations of each, as one pair in fifty must."""
SEEDS: Final = (1, 7)  # of two bundles that are sound, by the thresholds below
_MOST_DIGITS: Final = 14  # 2^28 hashes of each, some hours and gigabytes


def plain_bundle(seed: int) -> Bundle:
    """A sound bundle that is the same on every machine, whatever its numpy draws or sums."""
    architecture = Architecture(features.N_FEATURES, hidden=2, encoder=8)
    weights = {}
    for number, (name, shape) in enumerate(architecture.shapes().items()):
        count = int(np.prod(shape))
        drawn = (np.arange(count) * 40_503 + number * 977 + seed * 7_919) % 65_536
        weights[name] = ((drawn - 32_768) / 65_536).astype(np.float32).reshape(shape)
    weights["binned"] = np.empty(0, np.int64)
    scaling = Scaling(
        np.full(features.N_FEATURES, 40, np.float32), np.full(features.N_FEATURES, 60, np.float32)
    )
    line = Calibration(np.array([-1.0, 1.0]), np.array([-1.0, 1.0]))
    model = Model(
        "plain",
        Network(architecture, weights),
        scaling,
        (line,) * len(HORIZONS),
        0.55,
        AlertPolicy(medium=0.6, high=0.7, off=0.55),
    )
    return make(model, {}, f"# An untrained model, seed {seed}\n")


def varied(bundle: Bundle, number: int) -> Bundle:
    """The same bundle with the lowest bits of its last two weights set to this 32-bit number.

    It gets known inputs of its own, and no signature.
    """
    weights = bundle.weights[: -_TAIL.size] + _tail(bundle, number)
    changed = replace(bundle, weights=weights, known=b"", signatures=())
    named = cast(Manifest, {**bundle.manifest, "model": changed.model_id})
    changed = replace(changed, manifest=named)
    return replace(changed, known=known_risks.make(build(changed)))


def collide(first: Bundle, second: Bundle, digits: int = ID_DIGITS) -> tuple[int, int]:
    """Returns the numbers with which two bundles get ids that begin with the same digits.

    Raises:
        RuntimeError: none of the 2^32 variations does.
    """
    seen = [np.empty(0, np.uint64), np.empty(0, np.uint64)]
    end = _FIRST_TRIES
    while end <= 1 << (2 * _LOW_BITS):
        for side, bundle in enumerate((first, second)):
            new = _beginnings(bundle, range(len(seen[side]), end), digits)
            seen[side] = np.concatenate([seen[side], new])
        shared = np.intersect1d(seen[0], seen[1])
        if len(shared):
            one, other = (int(np.flatnonzero(side == shared[0])[0]) for side in seen)
            return one, other
        end *= 2
    raise RuntimeError("no two variations of these bundles have ids that begin alike")


def _beginnings(bundle: Bundle, numbers: range, digits: int) -> NDArray[np.uint64]:
    """The first digits of the id of each variation, as a number."""
    start = hashlib.sha256(hashed_text(bundle.manifest).encode())
    start.update(bundle.weights[: -_TAIL.size])
    high = tuple(weight & ~_LOW for weight in _TAIL.unpack(bundle.weights[-_TAIL.size :]))
    digests, (one, other), pack = bytearray(), high, _TAIL.pack
    for number in numbers:
        state = start.copy()
        state.update(pack(one | number & _LOW, other | number >> _LOW_BITS))
        digests += state.digest()[:8]
    whole = np.frombuffer(bytes(digests), ">u8").astype(np.uint64)
    return whole >> np.uint64(64 - 4 * digits)


def _tail(bundle: Bundle, number: int) -> bytes:
    one, other = _TAIL.unpack(bundle.weights[-_TAIL.size :])
    return _TAIL.pack(one & ~_LOW | number & _LOW, other & ~_LOW | number >> _LOW_BITS)


def main() -> int:
    """Looks for a collision of two invented bundles and prints it."""
    parser = argparse.ArgumentParser(prog="python -m bench.id_collision", description=__doc__)
    parser.add_argument(
        "--digits", type=int, choices=range(1, _MOST_DIGITS + 1), default=ID_DIGITS, metavar="N",
        help="hex digits that are the same",
    )  # fmt: skip
    digits = parser.parse_args().digits
    began = time.monotonic()
    bundles = [plain_bundle(seed) for seed in SEEDS]
    numbers = collide(bundles[0], bundles[1], digits)
    print(f"{digits} equal digits in {time.monotonic() - began:.0f} s, numbers {numbers}")
    for bundle, number in zip(bundles, numbers, strict=True):
        print(varied(bundle, number).model_id)
    return 0


if __name__ == "__main__":
    sys.exit(main())
