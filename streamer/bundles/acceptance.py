"""Acceptance of a bundle: whether it may take over from the model in force, or why not.

A model decides at every bedside, so it is as dangerous as code. It takes over only if it is from
somebody who is trusted, is of this version, has every part within its bounds, and gives its known
inputs their risks on this machine. Services and the trainer ask the same questions in the same
order; whatever goes wrong on the way is a refusal, and the model before it stays in force.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from streamer.bundles import known_risks
from streamer.bundles.build import build
from streamer.bundles.bundle import Bundle, BundleError, from_bytes, short
from streamer.bundles.signatures import ModelKey
from streamer.core.model import Model
from streamer.core.reasons import Refusal

SHIPPED_DIGEST: Final = "8f769fbb22eeae93d3a37ad0754bc9a5392a69bb8cffcd992ba0024cf38f6b77"
"""``Bundle.digest`` of the shipped bundle: it is trusted by what it is, wherever it comes from."""

_WAY_OUT: Final = "sign it with `trainer models sign`"


class BundleRefused(BundleError):
    """A bundle that may not take over; the message says why and the way out."""

    def __init__(self, reason: Refusal, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Trust:
    """Whose bundles may take over.

    Attributes:
        keys: public keys; a signature by one of them is enough.
        allow_unsigned: whether bundles without such a signature may, too.
    """

    keys: tuple[ModelKey, ...] = ()
    allow_unsigned: bool = False


def accept(bundle: Bundle, trust: Trust) -> Model:
    """Returns the model of a bundle that may take over.

    Raises:
        BundleRefused: it may not.
    """
    name = short(bundle.model_id)
    signer(bundle, trust)
    try:
        model = build(bundle)
    except BundleError as error:
        raise BundleRefused(Refusal.UNSOUND, str(error)) from error
    if not bundle.known:
        raise BundleRefused(
            Refusal.NOT_REPRODUCED,
            f"bundle {name} is of an earlier version and has no known inputs to be tried on; "
            f"{_WAY_OUT}, which adds them",
        )
    try:
        known_risks.check(model, known_risks.parse(bundle.known, model.variables))
    except Exception as error:  # a trial of anybody's network; whatever it does is an answer
        raise BundleRefused(Refusal.NOT_REPRODUCED, f"bundle {name}: {error}") from error
    return model


def accept_bytes(packed: bytes, model_id: str, trust: Trust) -> tuple[Bundle, Model]:
    """Returns bundle and model of packed bytes that may take over as the model of this id.

    Args:
        packed: as ``Bundle.to_bytes`` packs a bundle.
        model_id: the id that they are published by, whole; or its first twelve digits, in a
            publication by an earlier version.
        trust: whose bundles may.

    Raises:
        BundleRefused: they may not.
    """
    try:
        bundle = from_bytes(packed)
        content_id = bundle.model_id
    except Exception as error:
        raise BundleRefused(Refusal.UNREADABLE, str(error)) from error
    if model_id not in (content_id, short(content_id)):
        raise BundleRefused(
            Refusal.OTHER_CONTENT,
            f"it was published as {ascii(model_id)[:80]} and its content is that of {content_id}",
        )
    return bundle, accept(bundle, trust)


def signer(bundle: Bundle, trust: Trust) -> str:
    """Returns in whose name a bundle may take over: a key's name, `shipped`, or `unsigned`.

    Raises:
        BundleRefused: nobody vouches for it.
    """
    digest = bundle.digest
    if digest.hex() == SHIPPED_DIGEST:
        return "shipped"
    by_key = {key.public_key: key for key in trust.keys}
    for public_key, signature in bundle.signatures:
        key = by_key.get(public_key)
        if key is not None and key.verifies(digest, signature):
            return key.name
    name = short(bundle.model_id)
    if any(public_key in by_key for public_key, _ in bundle.signatures):
        raise BundleRefused(Refusal.BAD_SIGNATURE, f"bundle {name} was changed since it was signed")
    if trust.allow_unsigned:
        return "unsigned"
    if bundle.signatures:
        strangers = ", ".join(key.hex()[:12] for key, _ in bundle.signatures)
        raise BundleRefused(
            Refusal.UNKNOWN_KEY,
            f"bundle {name} is signed by {strangers}, and none is a key that is trusted here; "
            f"{_WAY_OUT}, or add the key (STREAMER_MODEL_KEYS, TRAINER_MODEL_KEYS)",
        )
    raise BundleRefused(Refusal.UNSIGNED, f"bundle {name} is not signed; {_WAY_OUT}")
