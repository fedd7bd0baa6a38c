"""The shipped model in the comparison: loaded as it is, not fitted again."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streamer.bundles import build
from streamer.bundles.bundle import Bundle
from streamer.core.features import STATIC, features_of
from streamer.core.model import Model
from trainer.compare.protocol.family import Level, Task
from trainer.compare.protocol.fitting import microseconds_per_hour
from trainer.compare.protocol.results import Entry, HeldOut
from trainer.data.cohort import fingerprint
from trainer.data.dataset import Material
from trainer.data.known_stays import known_stays
from trainer.decisions.operating_point import OperatingPoint
from trainer.decisions.predictions import cohort_logits
from trainer.errors import InputError
from trainer.training.recipe import Recipe

NAME: Final = "final LSTM"
_FLOAT_BYTES: Final = 4


@dataclass(frozen=True, slots=True)
class NetworkScores:
    """The 6 h head of a network, scored as in the stream.

    Attributes:
        model: the network with its scaling.
        material: the cohort that can be scored.
    """

    model: Model
    material: Material

    @property
    def state_bytes(self) -> int:
        """The hour, demographics, the memory of the features, and the LSTM's h and c."""
        size = self.model.architecture
        memory = features_of(self.model.variables).memory_size
        kept = 1 + len(STATIC) + memory + 2 * size.layers * size.hidden
        return _FLOAT_BYTES * kept

    def scores(self, stays: NDArray[np.int64]) -> NDArray[np.float64]:
        """(R,) logits of the 6 h head; NaN in the hours of other stays."""
        return cohort_logits(self.model, self.material.dataset(stays))[:, 0]


def bundle_entry(bundle: Bundle, task: Task, held_out: HeldOut) -> Entry:
    """The entry of a bundle, with the calibration and the thresholds that are in it."""
    model = build.build(bundle)
    fitted = NetworkScores(model, task.material)
    microseconds = microseconds_per_hour(fitted, task, task.material.split.validation)
    score = fitted.scores(held_out.stays)[task.material.rows_of(held_out.stays)]
    operating_point = OperatingPoint(model.calibrations[0], model.threshold, model.policy)
    return Entry(
        NAME, Level.SEQUENCE, operating_point, score, (), {}, microseconds, fitted.state_bytes
    )


def recipe_of(bundle: Bundle) -> Recipe:
    """The recipe that a bundle was made by; a knob that is younger than the bundle has its default.

    Raises:
        InputError: the manifest has no recipe, or one with knobs that this version lacks.
    """
    kept = bundle.manifest.get("recipe")
    knobs = {field.name for field in fields(Recipe)}
    if not isinstance(kept, dict) or not set(kept) <= knobs:
        raise InputError(
            f"bundle {bundle.shown_id} was not made by a recipe of this program, so its ablations "
            "cannot be; train one with `trainer fit` and name it with --model"
        )
    values: Any = {name: tuple(v) if isinstance(v, list) else v for name, v in kept.items()}
    return Recipe(**values)


def refuse_other_patients(bundle: Bundle, material: Material, fitted_on: str) -> None:
    """Refuses a bundle that was fitted on other patients than the families are fitted on.

    Args:
        bundle: the final model.
        material: the stays and their split.
        fitted_on: fingerprint of their training and validation patients.

    Raises:
        InputError: the bundle was fitted on more data, less data, or on test patients.
    """
    test = material.cohort.take(material.split.test)
    known = known_stays(bundle.manifest, test)
    if n_seen := 0 if known is None else known.beyond_chance(known.seen):
        why = f"{n_seen} of the {len(test)} test patients served to fit it"
    elif bundle.manifest.get("data", {}).get("fitted_on") not in (
        fitted_on,
        _fitted_on_as_charted(material),
    ):
        why = "its training and validation patients are not those of these files"
    else:
        return
    raise InputError(
        f"bundle {bundle.shown_id} cannot be compared with models that are fitted here: {why}. "
        "Give the files that it was fitted on, or train one on these with `trainer fit` and name "
        "it with --model"
    )


def _fitted_on_as_charted(material: Material) -> str:
    """The fingerprint of training and validation patients as earlier versions took it."""
    split = material.split
    known = material.cohort.take(np.sort(np.concatenate([split.train, split.validation])))
    return fingerprint(known, as_charted=True)["sha256"]
