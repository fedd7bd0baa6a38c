"""Model bundles: a folder, or the bytes of one. What is in them, `bundle_model` builds.

A bundle holds `weights.safetensors`, `manifest.json` and `card.md`. Its id is a hash of the weights
and of the manifest without the id, so what is swapped can only be the whole of it.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

FORMAT: Final = 2
WEIGHTS, MANIFEST, CARD = "weights.safetensors", "manifest.json", "card.md"
FORECAST: Final = "forecast"  # the part of the manifest that bundles with a forecast head have
NO_FORECAST: Final = (
    "it has no forecast head; take a bundle that `trainer fit` made with forecast_epochs above 0, "
    "or do not ask for forecasts"
)
SHIPPED: Final = Path(__file__).parents[1] / "models" / "default"
_ZIP_DATE: Final = (1980, 1, 1, 0, 0, 0)  # the format's epoch: equal bundles are equal bytes
_ID_DIGITS: Final = 12


class BundleError(ValueError):
    """A bundle that cannot be used; the message says why and what would help."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """A model bundle in memory: the manifest as a dictionary, weights and card as bytes."""

    manifest: dict[str, Any]
    weights: bytes
    card: str

    @property
    def model_id(self) -> str:
        """The first twelve hex digits of the content's SHA-256."""
        manifest = {name: part for name, part in self.manifest.items() if name != "model"}
        digest = hashlib.sha256(json.dumps(manifest, sort_keys=True).encode())
        digest.update(self.weights)
        return digest.hexdigest()[:_ID_DIGITS]

    @property
    def has_forecast(self) -> bool:
        """Whether there is a forecast head in it."""
        return self.manifest.get(FORECAST) is not None

    def to_bytes(self) -> bytes:
        """Packs the bundle; equal bundles give equal bytes."""
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in self._parts().items():
                archive.writestr(zipfile.ZipInfo(name, _ZIP_DATE), content)
        return packed.getvalue()

    def save(self, folder: Path) -> None:
        """Writes the bundle's three files into a folder, which is made if need be."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in self._parts().items():
            (folder / name).write_bytes(content)

    def _parts(self) -> dict[str, bytes]:
        manifest = json.dumps(self.manifest, indent=1, sort_keys=True) + "\n"
        return {WEIGHTS: self.weights, MANIFEST: manifest.encode(), CARD: self.card.encode()}


def load(folder: Path) -> Bundle:
    """Reads a bundle's folder.

    Raises:
        BundleError: a file is missing or unreadable.
    """
    try:
        return Bundle(
            _object((folder / MANIFEST).read_bytes()),
            (folder / WEIGHTS).read_bytes(),
            (folder / CARD).read_text("utf-8"),
        )
    except (OSError, ValueError) as error:
        raise BundleError(
            f"{folder} is no model bundle ({error}); give the folder that `trainer fit` wrote"
        ) from error


def from_bytes(packed: bytes) -> Bundle:
    """Unpacks what ``Bundle.to_bytes`` packed.

    Raises:
        BundleError: the bytes are no packed bundle.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(packed)) as archive:
            return Bundle(
                _object(archive.read(MANIFEST)),
                archive.read(WEIGHTS),
                archive.read(CARD).decode(),
            )
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise BundleError(f"not a packed model bundle: {error}") from error


def _object(text: bytes) -> dict[str, Any]:
    manifest = json.loads(text)
    if not isinstance(manifest, dict):
        raise ValueError(f"{MANIFEST} is no JSON object")
    return manifest
