"""Bundles that must not take over, as somebody could put them into Redis by hand, and good ones."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any, NamedTuple, cast

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from safetensors.numpy import load as load_weights
from safetensors.numpy import save as save_weights

from bench import id_collision
from streamer.bundles.build import make
from streamer.bundles.bundle import MANIFEST, Bundle
from streamer.bundles.manifest import Manifest
from streamer.core.lstm_network import Network
from streamer.core.reasons import Refusal
from tests.support.small_models import balanced, random_bundle, random_model
from trainer.registry.keys import SigningKey

KEY = SigningKey("ours", Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
STRANGER = SigningKey("stranger", Ed25519PrivateKey.from_private_bytes(bytes(32)))
MIB = 1024 * 1024


class Bad(NamedTuple):
    """A published bundle: its name in the tests, id, bytes, and why it is refused."""

    name: str
    model_id: str
    packed: bytes
    reason: Refusal


def good(seed: int) -> Bundle:
    """A small sound bundle, signed by ``KEY``."""
    return KEY.sign(random_bundle(seed))


def changed(bundle: Bundle, **parts: Any) -> Bundle:
    """The same with other parts of its manifest and the id that goes with them; not signed."""
    manifest = cast(Manifest, {**bundle.manifest, **parts})
    new = replace(bundle, manifest=manifest, signatures=())
    return replace(new, manifest=cast(Manifest, {**manifest, "model": new.model_id}))


def with_weights(bundle: Bundle, value: float) -> Bundle:
    """The same with this number as each weight."""
    filled = {
        name: array if name == "binned" else np.full_like(array, value)
        for name, array in load_weights(bundle.weights).items()
    }
    return changed(replace(bundle, weights=save_weights(filled)))


def with_bias(value: float) -> Bundle:
    """A bundle whose network adds this to each logit, and knows the risks that follow."""
    model = balanced(random_model(3))
    bias = np.full_like(model.network.weights["bias"], value)
    model.network = Network(model.architecture, {**model.network.weights, "bias": bias})
    return make(model, {}, "")


def colliding() -> tuple[Bundle, Bundle]:
    """Two sound bundles, signed by ``KEY``, whose ids begin with the same twelve digits."""
    one, other = (
        KEY.sign(id_collision.varied(id_collision.plain_bundle(seed), number))
        for seed, number in zip(id_collision.SEEDS, id_collision.COLLISION, strict=True)
    )
    return one, other


@cache
def bad_bundles() -> tuple[Bad, ...]:
    """Every kind of bad bundle; what can be signed is, so that it is refused for what it is."""
    return tuple(_bad_bundles())


def _bad_bundles() -> Iterator[Bad]:
    base = random_bundle(5)
    packed, whole = good(5).to_bytes(), base.model_id
    deep = b'{"model":' + b"[" * 200_000 + b"]" * 200_000 + b"}"
    unsound = {
        "all NaN": with_weights(base, np.nan),
        "threshold 5": changed(base, threshold=5.0),
        "scaling of 3": changed(base, scaling={"mean": [0.0] * 3, "std": [1.0] * 3}),
        "hidden 40,000": changed(
            base, architecture={**base.manifest["architecture"], "hidden": 40_000}
        ),
        "layers 10^9": changed(
            base, architecture={**base.manifest["architecture"], "layers": 10**9}
        ),
    }
    for name, bundle in unsound.items():
        yield Bad(name, bundle.model_id, KEY.sign(bundle).to_bytes(), Refusal.UNSOUND)
    for bias in (-1000.0, 30.0):
        mute = KEY.sign(with_bias(bias))
        yield Bad(f"bias {bias:g}", mute.model_id, mute.to_bytes(), Refusal.NOT_REPRODUCED)
    broken = {
        "encrypted": encrypted(packed),
        "corrupt deflate": packed[:600] + bytes(64) + packed[664:],
        "deep JSON": repacked(packed, MANIFEST, deep),
        "a card of 700 MiB": with_large_card(packed, 700),
        "random bytes": np.random.default_rng(1).bytes(50_000),
        "nothing": b"",
    }
    for name, content in broken.items():
        yield Bad(name, whole, content, Refusal.UNREADABLE)
    stranger = STRANGER.sign(random_bundle(6))
    yield Bad("stranger", stranger.model_id, stranger.to_bytes(), Refusal.UNKNOWN_KEY)
    first, second = colliding()
    yield Bad("same 12 digits", first.model_id, second.to_bytes(), Refusal.OTHER_CONTENT)
    yield Bad("unsigned", base.model_id, base.to_bytes(), Refusal.UNSIGNED)
    weights = bytearray(base.weights)
    weights[-1] ^= 1
    tampered = changed(replace(base, weights=bytes(weights)))
    tampered = replace(tampered, signatures=good(5).signatures)
    yield Bad("one byte", tampered.model_id, tampered.to_bytes(), Refusal.BAD_SIGNATURE)


def repacked(packed: bytes, name: str, content: bytes) -> bytes:
    """The same packed bundle with other content of one part."""
    new = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(packed)) as old, zipfile.ZipFile(new, "w") as archive:
        for part in old.namelist():
            kept = content if part == name else old.read(part)
            archive.writestr(part, kept, zipfile.ZIP_DEFLATED, 1)
    return new.getvalue()


def encrypted(packed: bytes) -> bytes:
    """The same packed bundle, with all parts marked as encrypted."""
    marked = bytearray(packed)
    for magic, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        at = marked.find(magic)
        while at >= 0:
            marked[at + flags] |= 1
            at = marked.find(magic, at + 4)
    return bytes(marked)


def with_large_card(packed: bytes, mebibytes: int) -> bytes:
    """The same packed bundle with a card of this size, in a thousandth of the bytes."""
    new = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(packed)) as old, zipfile.ZipFile(new, "w") as archive:
        for part in old.namelist():
            if part != "card.md":
                archive.writestr(part, old.read(part))
        info = zipfile.ZipInfo("card.md")
        info.compress_type, info.file_size = zipfile.ZIP_DEFLATED, mebibytes * MIB
        info._compresslevel = 1  # type: ignore[attr-defined]  # fast; level 9 takes ten seconds
        with archive.open(info, "w") as card:
            for _ in range(mebibytes):
                card.write(bytes(MIB))
    return new.getvalue()
