"""Ed25519 signatures of bundles, and the public keys that they are checked with.

A public key is written as the base64 of its 32 bytes, if wanted with a name before it:
`icu-2026:q1X5...=`. Signatures are kept beside the content that they are of, in `signatures.json`.
`cryptography` is loaded when a signature is checked or made: a service on the shipped model, which
is trusted by its hash, does without it (10 MB, 16 ms).
"""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass
from typing import Final, NamedTuple

from streamer.bundles.manifest import parse_json

_PURPOSE: Final = b"vigil model bundle 1\0"  # a signature for another purpose is none for a bundle
_KEY_BYTES: Final = 32
_SIGNATURE_BYTES: Final = 64
_MOST_SIGNATURES: Final = 16
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")


class Signature(NamedTuple):
    """A signature (64 bytes), and the public key (32 bytes) that it claims to be of."""

    public_key: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class ModelKey:
    """A public key that bundles may be signed by, under the name that people know it by."""

    name: str
    public_key: bytes

    def __str__(self) -> str:
        return f"{self.name}:{base64.b64encode(self.public_key).decode()}"

    def verifies(self, digest: bytes, signature: bytes) -> bool:
        """Whether a signature is this key's, of the bundle with this digest."""
        from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - see above
        from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415
            Ed25519PublicKey,
        )

        try:
            Ed25519PublicKey.from_public_bytes(self.public_key).verify(
                signature, signed_message(digest)
            )
        except (InvalidSignature, ValueError):
            return False
        return True


def signed_message(digest: bytes) -> bytes:
    """The bytes that a signature is of, for the bundle with this digest."""
    return _PURPOSE + digest


def parse_key(text: str) -> ModelKey:
    """Reads a public key, with or without a name.

    Raises:
        ValueError: it is not the base64 of 32 bytes, or its name has other characters.
    """
    name, _, encoded = text.strip().rpartition(":")
    try:
        key = base64.b64decode(encoded, validate=True)
    except ValueError:
        key = b""
    if len(key) != _KEY_BYTES or (name and not _NAME.fullmatch(name)):
        raise ValueError(
            f"{text!a} is not a public key; give NAME:BASE64 as `trainer keys list` prints it"
        )
    return ModelKey(name or key.hex()[:12], key)


def parse_keys(text: str) -> tuple[ModelKey, ...]:
    """Reads public keys that are separated by commas or blanks.

    Raises:
        ValueError: one of them is not a public key.
    """
    return tuple(parse_key(word) for word in text.replace(",", " ").split())


def parse_signatures(text: bytes) -> tuple[Signature, ...]:
    """Reads `signatures.json`.

    Raises:
        ValueError: it is not a short list of signatures.
    """
    listed = parse_json(text)
    if not isinstance(listed, list) or len(listed) > _MOST_SIGNATURES:
        raise ValueError(f"signatures: not a list of at most {_MOST_SIGNATURES}")
    return tuple(map(_signature, listed))


def signatures_text(signatures: tuple[Signature, ...]) -> str:
    """Writes `signatures.json`."""
    listed = [
        {"key": base64.b64encode(key).decode(), "signature": base64.b64encode(value).decode()}
        for key, value in signatures
    ]
    return json.dumps(listed, indent=1) + "\n"


def _signature(entry: object) -> Signature:
    match entry:
        case {"key": str(key), "signature": str(value)}:
            read = Signature(
                base64.b64decode(key, validate=True), base64.b64decode(value, validate=True)
            )
            if (len(read.public_key), len(read.signature)) == (_KEY_BYTES, _SIGNATURE_BYTES):
                return read
    raise ValueError("a signature is not a key of 32 bytes and a signature of 64, in base64")
