"""Model bundles, read and written: as a folder, or packed as bytes.

A bundle holds `weights.safetensors`, `manifest.json` and `card.md`, and from this version on
`known.json` (inputs with their risks, ``bundles.known_risks``) and `signatures.json`. Its id is the
SHA-256 of the weights and of the manifest without the id, so a model is exchanged as a whole or not
at all. Card and known inputs are not part of the id, so that a bundle of an earlier version keeps
its id when it gets the latter; a signature covers them all (``Bundle.digest``).

Bytes from elsewhere may be anything, so every size is checked before something is unpacked.
`bundles.build` makes the model of a bundle that scores, `bundles.acceptance` decides whether it may
take over.
"""

from __future__ import annotations

import hashlib
import io
import os
import struct
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from streamer.bundles.manifest import FORECAST, Manifest, hashed_text, is_of_stay, parse, to_text
from streamer.bundles.signatures import Signature, parse_signatures, signatures_text
from streamer.core.model import ID_DIGITS, IN_THIS_STAY, SEPSIS

WEIGHTS, MANIFEST, CARD = "weights.safetensors", "manifest.json", "card.md"
KNOWN, SIGNATURES = "known.json", "signatures.json"
NO_FORECAST: Final = (
    "it has no forecast head; take a bundle that `trainer fit` made with forecast_epochs above 0, "
    "or do not ask for forecasts"
)
SHIPPED: Final = Path(__file__).parents[1] / "models" / "default"

MiB: Final = 1024 * 1024
MOST_BYTES: Final = {
    WEIGHTS: 32 * MiB,  # forty times those of the shipped model
    MANIFEST: 4 * MiB,  # two million training patients in its filter
    CARD: MiB,
    KNOWN: MiB,
    SIGNATURES: 64 * 1024,
}
"""The most that a part may have, unpacked: a service has 1 GiB for everything."""
MOST_PACKED: Final = sum(MOST_BYTES.values())
_REQUIRED: Final = (WEIGHTS, MANIFEST, CARD)
_ZIP_DATE: Final = (1980, 1, 1, 0, 0, 0)  # the format's epoch: equal bundles are equal bytes
_METHODS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED: Final = 0x1
_ZIP_END: Final = struct.Struct("<4s4H2LH")  # APPNOTE.TXT 4.3.16
_ZIP64_LOCATOR: Final = b"PK\6\7"
_ZIP64_LOCATOR_BYTES: Final = 20
_MOST_DIRECTORY: Final = 4096  # bytes of five entries without extras; each costs memory when read


def short(model_id: str) -> str:
    """The first twelve digits of a model's id, as messages and people have it."""
    return model_id[:ID_DIGITS]


class BundleError(ValueError):
    """A bundle that cannot be used; the message says why and what would help."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """A model bundle in memory.

    Attributes:
        manifest: everything about the model except weights and card.
        weights: the content of the safetensors file.
        card: the model card, Markdown.
        known: the content of `known.json`; empty in a bundle of an earlier version.
        signatures: of ``digest``; whether one counts, ``bundles.acceptance`` decides.
    """

    manifest: Manifest
    weights: bytes
    card: str
    known: bytes = b""
    signatures: tuple[Signature, ...] = ()

    @property
    def model_id(self) -> str:
        """The SHA-256 of manifest and weights, 64 hex digits."""
        digest = hashlib.sha256(hashed_text(self.manifest).encode())
        digest.update(self.weights)
        return digest.hexdigest()

    @property
    def shown_id(self) -> str:
        """The beginning of the id, for people."""
        return short(self.model_id)

    @property
    def digest(self) -> bytes:
        """The SHA-256 of everything but the signatures: what a signature is of."""
        digest = hashlib.sha256()
        for content in (to_text(self.manifest).encode(), self.weights, self.card.encode()):
            digest.update(len(content).to_bytes(8) + content)
        digest.update(self.known)
        return digest.digest()

    @property
    def outcome(self) -> str:
        """What the risks are of, in words; of a bundle that can be built, one line."""
        task = self.manifest.get("task")
        if task is None:
            return SEPSIS
        return str(task["outcome"]) + IN_THIS_STAY * is_of_stay(self.manifest)

    @property
    def has_forecast(self) -> bool:
        """Whether the bundle holds a forecast head."""
        return self.manifest.get(FORECAST) is not None

    def to_bytes(self) -> bytes:
        """Packs the bundle; equal bundles give equal bytes."""
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in self.parts().items():
                archive.writestr(zipfile.ZipInfo(name, _ZIP_DATE), content)
        return packed.getvalue()

    def save(self, folder: Path) -> None:
        """Writes the bundle's files, and syncs them, into a folder that is created if missing."""
        folder.mkdir(parents=True, exist_ok=True)
        parts = self.parts()
        for name in MOST_BYTES:
            if name not in parts:
                (folder / name).unlink(missing_ok=True)  # of the bundle that was here before
                continue
            with (folder / name).open("wb") as file:
                file.write(parts[name])
                file.flush()
                os.fsync(file.fileno())

    def parts(self) -> dict[str, bytes]:
        """The content of each file, by name."""
        manifest = to_text(self.manifest).encode()
        parts = {WEIGHTS: self.weights, MANIFEST: manifest, CARD: self.card.encode()}
        if self.known:
            parts[KNOWN] = self.known
        if self.signatures:
            parts[SIGNATURES] = signatures_text(self.signatures).encode()
        return parts


def load(folder: Path) -> Bundle:
    """Reads a bundle's folder.

    Raises:
        BundleError: a file is missing, too large or unreadable.
    """
    try:
        return _bundle(
            {
                name: _read(folder / name, most)
                for name, most in MOST_BYTES.items()
                if name in _REQUIRED or (folder / name).exists()
            }
        )
    except (OSError, ValueError) as error:
        raise BundleError(
            f"{folder} is not a model bundle ({error}); give the folder that `trainer fit` wrote"
        ) from error


def from_bytes(packed: bytes) -> Bundle:
    """Unpacks what ``Bundle.to_bytes`` packed.

    Raises:
        BundleError: the bytes are not a packed bundle.
    """
    try:
        _check_directory(packed)
        with zipfile.ZipFile(io.BytesIO(packed)) as archive:
            return _bundle({name: _unpacked(archive, name) for name in _listed(archive)})
    # Bytes of anybody: zipfile, zlib and json raise a dozen kinds of errors for them.
    except Exception as error:
        raise BundleError(f"not a packed model bundle: {error or type(error).__name__}") from error


def _bundle(parts: dict[str, bytes]) -> Bundle:
    return Bundle(
        parse(parts[MANIFEST]),
        parts[WEIGHTS],
        parts[CARD].decode(),
        parts.get(KNOWN, b""),
        parse_signatures(parts[SIGNATURES]) if SIGNATURES in parts else (),
    )


def _read(file: Path, most: int) -> bytes:
    with file.open("rb") as content:
        read = content.read(most + 1)
    if len(read) > most:
        raise ValueError(f"{file.name} has more than {most} bytes")
    return read


def _check_directory(packed: bytes) -> None:
    """Checks the end of a zip file, which says how much is read of it before any other check."""
    if not _ZIP_END.size <= len(packed) <= MOST_PACKED:
        raise ValueError(f"{len(packed)} bytes, at most {MOST_PACKED} are read")
    magic, *_, size, _, comment = _ZIP_END.unpack(packed[-_ZIP_END.size :])
    locator = len(packed) - _ZIP_END.size - _ZIP64_LOCATOR_BYTES
    is_plain = magic == b"PK\5\6" and not comment
    if not is_plain or packed[max(0, locator) :].startswith(_ZIP64_LOCATOR):
        raise ValueError("not a zip file without comment and without zip64")
    if size > _MOST_DIRECTORY:
        raise ValueError(f"its directory has {size} bytes, at most {_MOST_DIRECTORY} are read")


def _listed(archive: zipfile.ZipFile) -> list[str]:
    names = archive.namelist()
    if len(set(names)) < len(names) or not set(_REQUIRED) <= set(names) <= set(MOST_BYTES):
        raise ValueError(f"it holds {names!a}, not {', '.join(MOST_BYTES)}")
    return names


def _unpacked(archive: zipfile.ZipFile, name: str) -> bytes:
    info = archive.getinfo(name)
    if info.flag_bits & _ENCRYPTED or info.compress_type not in _METHODS:
        raise ValueError(f"{name} is encrypted, or compressed by another method than deflate")
    if info.file_size > MOST_BYTES[name]:
        raise ValueError(f"{name} has {info.file_size} bytes, at most {MOST_BYTES[name]} are read")
    with archive.open(info) as content:  # ends after file_size bytes, whatever they unpack to
        return content.read()
