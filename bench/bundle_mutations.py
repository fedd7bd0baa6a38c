"""Mutated bundles: none may crash, hang or fill the memory of whoever reads it.

Each is a good bundle with something changed: bytes of the packed form, the manifest's JSON, the
weights' header and numbers, known inputs, signatures, or the zip file's own fields. Whatever comes
of it, ``accept_bytes`` must answer: with a model whose risks are numbers, or with a refusal.

    python -m bench.bundle_mutations --n 10000
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import random
import resource
import sys
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from streamer.bundles import known_risks
from streamer.bundles.acceptance import BundleRefused, Trust, accept_bytes
from streamer.bundles.bundle import (
    KNOWN,
    MANIFEST,
    SIGNATURES,
    WEIGHTS,
    Bundle,
    BundleError,
    from_bytes,
)

TRUST: Final = Trust(allow_unsigned=True)  # so that what a signature would stop is tried as well
_ODD: Final[Sequence[Any]] = (
    None, True, -1, 0, 1, 3, 40_000, 10**9, 10**400, 1e308, -1e308, float("nan"), float("inf"), "",
    "\x1b[2J", "\ud800", [], {}, [[]], [0.0], [1, 2, 3], {"a": {"b": []}}, "x" * 10_000,
)  # fmt: skip


@dataclass
class Outcomes:
    """Outcomes of many mutations.

    Attributes:
        counts: by `accepted` or the reason of the refusal.
        crashes: what was neither, with the seed that makes it again.
        slowest_s: seconds that the slowest answer took.
    """

    counts: Counter[str] = field(default_factory=Counter)
    crashes: list[str] = field(default_factory=list)
    slowest_s: float = 0.0


def mutated(packed: bytes, seed: int) -> bytes:
    """Returns a packed bundle with something changed; the same for the same seed."""
    draws = random.Random(seed)
    return draws.choice(_MUTATIONS)(packed, draws)


def run(bundle: Bundle, seeds: Sequence[int]) -> Outcomes:
    """Reads a mutation of a bundle for each seed."""
    packed, outcomes = bundle.to_bytes(), Outcomes()
    pool = known_risks.pool()
    for seed in seeds:
        content = mutated(packed, seed)
        began = time.monotonic()
        try:
            outcome = _answer(content, bundle.model_id, pool)
        except Exception as error:  # what is looked for
            outcome = "crash"
            outcomes.crashes.append(f"seed {seed}: {type(error).__name__}: {error}")
        outcomes.slowest_s = max(outcomes.slowest_s, time.monotonic() - began)
        outcomes.counts[outcome] += 1
    return outcomes


def _answer(content: bytes, model_id: str, pool: Any) -> str:
    with contextlib.suppress(BundleError):
        model_id = from_bytes(content).model_id  # whoever writes Redis names it as it is
    try:
        _, model = accept_bytes(content, model_id, TRUST)
    except BundleRefused as refused:
        return str(refused.reason)
    risks = known_risks.risks_of(model, *pool)
    if not (np.isfinite(risks) & (risks >= 0) & (risks <= 1)).all():
        raise AssertionError("a model was accepted whose risks are not numbers within 0 and 1")
    return "accepted"


def _flip(packed: bytes, draws: random.Random) -> bytes:
    changed = bytearray(packed)
    for _ in range(draws.choice((1, 1, 2, 8, 64))):
        changed[draws.randrange(len(changed))] = draws.randrange(256)
    return bytes(changed)


def _cut(packed: bytes, draws: random.Random) -> bytes:
    begin, end = sorted(draws.randrange(len(packed) + 1) for _ in range(2))
    return draws.choice((packed[:end], packed[begin:], packed[:begin] + packed[end:], packed * 2))


def _end_of_zip(packed: bytes, draws: random.Random) -> bytes:
    changed = bytearray(packed)
    at = len(packed) - draws.randrange(1, 500)
    changed[at : at + 4] = draws.choice((b"\xff" * 4, bytes(4), draws.randbytes(4)))
    return bytes(changed)


def _manifest(packed: bytes, draws: random.Random) -> bytes:
    return _with_json(packed, MANIFEST, draws)


def _known(packed: bytes, draws: random.Random) -> bytes:
    return _with_json(packed, KNOWN, draws)


def _signatures(packed: bytes, draws: random.Random) -> bytes:
    signed = _with(packed, {SIGNATURES: b'[{"key": "AAAA", "signature": "AAAA"}]'})
    return _with_json(signed, SIGNATURES, draws)


def _text(packed: bytes, draws: random.Random) -> bytes:
    name = draws.choice((MANIFEST, KNOWN, "card.md"))
    depth = draws.choice((10, 100, 100_000))
    odd = (b"", b"null", b"[" * depth, b'{"a":' * depth, draws.randbytes(500), b"9" * 5_000)
    return _with(packed, {name: draws.choice(odd)})


def _weights(packed: bytes, draws: random.Random) -> bytes:
    content = bytearray(_part(packed, WEIGHTS))
    length = int.from_bytes(content[:8], "little")
    kind = draws.randrange(4)
    if kind == 0:  # of the header's length
        content[:8] = draws.choice((0, length - 1, length + 7, 2**40, 2**64 - 1)).to_bytes(
            8, "little"
        )
    elif kind == 1:  # of the header
        for _ in range(draws.choice((1, 3))):
            content[8 + draws.randrange(length)] = draws.randrange(256)
    elif kind == 2:  # of the numbers
        number = np.float32(draws.choice((np.nan, np.inf, -np.inf, 1e38, 1e4, -1e3, 0.0)))
        at = 8 + length + 4 * draws.randrange((len(content) - 8 - length) // 4)
        content[at : at + 4] = number.tobytes()
    else:
        del content[draws.randrange(len(content)) :]
    return _renamed(_with(packed, {WEIGHTS: bytes(content)}))


_MUTATIONS: Final[Sequence[Callable[[bytes, random.Random], bytes]]] = (
    _flip, _cut, _end_of_zip, _manifest, _manifest, _manifest, _known, _signatures, _text, _weights,
    _weights,
)  # fmt: skip


def _with_json(packed: bytes, name: str, draws: random.Random) -> bytes:
    content = json.loads(_part(packed, name))
    holder, key = _somewhere(content, draws)
    kind = draws.randrange(5)
    if kind == 0:
        del holder[key]
    elif kind == 1 and isinstance(holder[key], int | float):
        holder[key] = holder[key] * draws.choice((-1, 0, 2, 1e6, 1e-9)) + draws.choice((0, 1, 1e-4))
    elif kind == 2 and isinstance(holder, list):
        holder.insert(key, holder[key])
    else:
        holder[key] = draws.choice(_ODD)
    return _renamed(_with(packed, {name: json.dumps(content).encode()}))


def _somewhere(content: Any, draws: random.Random) -> tuple[Any, Any]:
    """A container somewhere in a JSON value, and a key of it."""
    while True:
        keys = list(content) if isinstance(content, dict) else list(range(len(content)))
        key = draws.choice(keys)
        inner = content[key]
        if not isinstance(inner, dict | list) or not inner or draws.random() < 0.2:
            return content, key
        content = inner


def _renamed(packed: bytes) -> bytes:
    """The same with the id of its content in the manifest, where that can be had."""
    try:
        bundle = from_bytes(packed)
        manifest = {**bundle.manifest, "model": bundle.model_id}
        return _with(packed, {MANIFEST: json.dumps(manifest).encode()})
    except ValueError:
        return packed


def _part(packed: bytes, name: str) -> bytes:
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        return archive.read(name)


def _with(packed: bytes, parts: Mapping[str, bytes]) -> bytes:
    new = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(packed)) as old, zipfile.ZipFile(new, "w") as archive:
        for name in {**dict.fromkeys(old.namelist()), **parts}:
            content = parts[name] if name in parts else old.read(name)
            archive.writestr(zipfile.ZipInfo(name), content)  # a name alone gets the present time
    return new.getvalue()


def main() -> int:
    """Mutates the shipped bundle, prints what came of it; 1 if anything crashed."""
    parser = argparse.ArgumentParser(prog="python -m bench.bundle_mutations", description=__doc__)
    parser.add_argument("--n", type=int, default=10_000, help="number of mutated bundles")
    parser.add_argument("--seed", type=int, default=0, help="first seed")
    options = parser.parse_args()
    from streamer.bundles import bundle as bundles  # noqa: PLC0415 - help needs none

    began = time.monotonic()
    outcomes = run(bundles.load(bundles.SHIPPED), range(options.seed, options.seed + options.n))
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{options.n} mutated bundles in {time.monotonic() - began:.0f} s")
    print(f"slowest answer {outcomes.slowest_s:.2f} s, peak memory {peak_mib:.0f} MiB")
    for outcome, n in outcomes.counts.most_common():
        print(f"{n:7} {outcome}")
    for crash in outcomes.crashes[:20]:
        print(crash)
    return 1 if outcomes.crashes else 0


if __name__ == "__main__":
    sys.exit(main())
