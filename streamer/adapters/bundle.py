"""Model bundles: a folder or the bytes of one, to a `Model` and back.

A bundle holds `weights.safetensors`, `manifest.json` and `card.md`. Its id is a hash of the weights
and of the manifest without the id, so what is swapped can only be the whole of it.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from safetensors import SafetensorError
from safetensors.torch import load as load_weights
from safetensors.torch import save as save_weights

from streamer.core import features
from streamer.core.alerts import AlertPolicy
from streamer.core.model import Calibration, Model, Scaling
from streamer.core.network import HORIZONS, Architecture, Network
from streamer.core.variables import VARIABLES

FORMAT: Final = 1
WEIGHTS, MANIFEST, CARD = "weights.safetensors", "manifest.json", "card.md"
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

    def to_model(self) -> Model:
        """Builds the model that scores.

        Raises:
            BundleError: when format, features or variables are not those of this program, or a
                part is missing or broken.
        """
        manifest = self.manifest
        _require(manifest.get("format") == FORMAT, f"format {manifest.get('format')} is unknown")
        _require(
            manifest.get("features") == features.RECIPE,
            f"made for features {manifest.get('features')!r}, this program has {features.RECIPE!r}",
        )
        _require(
            manifest.get("variables") == [variable.name for variable in VARIABLES],
            "its variables are not those of this program",
        )
        _require(manifest.get("model") == self.model_id, "its content does not match its id")
        try:
            network = Network(Architecture(**manifest["architecture"]))
            network.load_state_dict(load_weights(self.weights))
            return Model(
                self.model_id,
                network,
                Scaling(
                    np.array(manifest["scaling"]["mean"], np.float32),
                    np.array(manifest["scaling"]["std"], np.float32),
                ),
                tuple(
                    Calibration(
                        np.array(manifest["calibration"][horizon]["logits"], np.float64),
                        np.array(manifest["calibration"][horizon]["calibrated"], np.float64),
                    )
                    for horizon in HORIZONS
                ),
                float(manifest["threshold"]),
                AlertPolicy(**manifest["alert_policy"]),
            )
        except (KeyError, TypeError, ValueError, RuntimeError, SafetensorError) as error:
            raise BundleError(f"bundle {self.model_id}: {error}") from error

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


def make(model: Model, about: dict[str, Any], card: str) -> Bundle:
    """Makes a bundle of a model.

    Args:
        model: what scores; its id is set anew from the content.
        about: what else the manifest says: metrics, data fingerprint, recipe, alert budget.
        card: the model card, Markdown.
    """
    manifest = {
        **about,
        "format": FORMAT,
        "features": features.RECIPE,
        "variables": [variable.name for variable in VARIABLES],
        "architecture": asdict(model.architecture),
        "scaling": {"mean": model.scaling.mean.tolist(), "std": model.scaling.std.tolist()},
        "calibration": {
            horizon: {"logits": cal.logits.tolist(), "calibrated": cal.calibrated.tolist()}
            for horizon, cal in zip(HORIZONS, model.calibrations, strict=True)
        },
        "threshold": model.threshold,
        "alert_policy": asdict(model.policy),
    }
    bundle = Bundle(manifest, save_weights(model.network.state_dict()), card)
    manifest["model"] = bundle.model_id
    return bundle


def load(folder: Path) -> Bundle:
    """Reads a bundle's folder.

    Raises:
        BundleError: a file is missing or unreadable.
    """
    try:
        return Bundle(
            json.loads((folder / MANIFEST).read_text()),
            (folder / WEIGHTS).read_bytes(),
            (folder / CARD).read_text(),
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
                json.loads(archive.read(MANIFEST)),
                archive.read(WEIGHTS),
                archive.read(CARD).decode(),
            )
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise BundleError(f"not a packed model bundle: {error}") from error


def _require(holds: bool, why_not: str) -> None:
    if not holds:
        raise BundleError(f"this bundle cannot be used: {why_not}; train one with `trainer fit`")
