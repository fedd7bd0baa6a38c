"""Private keys that bundles are signed with: a PEM file each, and signing itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from streamer.bundles import known_risks
from streamer.bundles.build import build
from streamer.bundles.bundle import CARD, KNOWN, SIGNATURES, Bundle
from streamer.bundles.signatures import ModelKey, Signature, signed_message
from trainer.atomic import write_atomically, write_secret_once
from trainer.errors import InputError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

SUFFIX: Final = ".key"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private Ed25519 key, under the name of its file."""

    name: str
    private: Ed25519PrivateKey

    @property
    def public(self) -> ModelKey:
        """The public key that services are given."""
        return ModelKey(self.name, self.private.public_key().public_bytes_raw())

    def sign(self, bundle: Bundle) -> Bundle:
        """Returns the bundle with this key's signature, in place of an older one of the same key.

        A bundle of an earlier version gets known inputs first, so that it can be tried.
        """
        if not bundle.known:
            bundle = replace(bundle, known=known_risks.make(build(bundle)))
        public = self.public.public_key
        others = tuple(one for one in bundle.signatures if one.public_key != public)
        own = Signature(public, self.private.sign(signed_message(bundle.digest)))
        return replace(bundle, signatures=(*others, own))


def save_signed(bundle: Bundle, folder: Path) -> None:
    """Writes the parts that a bundle's id does not cover over those of the same bundle.

    Weights and manifest stay as they are, so that a crash leaves a bundle that can be read. The
    signatures come last: those before them are of the card and the known inputs before.
    """
    parts = bundle.parts()
    for name in (KNOWN, CARD, SIGNATURES):
        if name in parts:
            with write_atomically(folder / name) as file:
                file.write(parts[name])


def new(folder: Path, name: str) -> SigningKey:
    """Draws a key and writes it to `NAME.key`, which only its owner may read.

    Raises:
        InputError: the name has other characters, or there is a key of that name.
    """
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - 16 ms
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415
        Ed25519PrivateKey,
    )

    if not _NAME.fullmatch(name):
        raise InputError(f"{name!a} is no name for a key; take letters, digits, '.', '_' and '-'")
    private = Ed25519PrivateKey.generate()
    content = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = folder / f"{name}{SUFFIX}"
    try:
        write_secret_once(file, content)
    except FileExistsError:
        raise InputError(f"{file} is there already; choose another name") from None
    return SigningKey(name, private)


def load(file: Path) -> SigningKey:
    """Reads a private key.

    Raises:
        InputError: the file is missing, or is not an Ed25519 key in PEM without a password.
    """
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - 16 ms
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415
        Ed25519PrivateKey,
    )
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415
        load_pem_private_key,
    )

    try:
        private = load_pem_private_key(file.read_bytes(), None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise InputError(
            f"{file} is not a signing key ({error}); make one with `trainer keys new NAME`"
        ) from error
    if not isinstance(private, Ed25519PrivateKey):
        raise InputError(f"{file} is not an Ed25519 key; make one with `trainer keys new NAME`")
    return SigningKey(file.stem, private)


def all_in(folder: Path) -> Iterator[SigningKey]:
    """The keys of a folder, by name; files that are no keys are left out."""
    for file in sorted(folder.glob(f"*{SUFFIX}")):
        try:
            yield load(file)
        except InputError:
            continue
