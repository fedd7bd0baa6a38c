"""What each part of the shipped recipe is worth: trained again without it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import torch

from streamer.bundles import build
from streamer.bundles.bundle import Bundle
from streamer.core import features
from streamer.datasets.cohort import Progress
from trainer.compare.models.shipped import NetworkScores
from trainer.compare.protocol.family import Family, Fitted, Level, Settings, Task
from trainer.data.cohort import fingerprint
from trainer.data.dataset import Material
from trainer.decisions.operating_point import uncalibrated
from trainer.fit import learn_from_trees
from trainer.training.loop import train, trained
from trainer.training.recipe import Recipe
from trainer.training.teacher import SoftLabels

ENCODER_ALONE: Final = "encoder alone"

CHANGES: Final[dict[str, Settings]] = {
    "no teacher": {"teacher_share": 0.0},
    "no pieces": {"binned": 0},
    "no dropout in the encoder": {"encoder_dropout": 0.0, "input_dropout": 0.0},
    "all hours count alike": {"utility_weight": 0.0},
}
"""What is changed in the recipe. Without a teacher the pieces are still those of the features that
the trees found most useful."""


@dataclass(frozen=True, slots=True)
class SoftLabelVariants:
    """What the trees say, asked once for each set of training patients and kept.

    Attributes:
        folder: where lessons are kept.
        recipe: of the trees: the one that is ablated, without any change.
    """

    folder: Path
    recipe: Recipe

    @property
    def knobs(self) -> dict[str, Any]:
        """What the risks of a network depend on: the recipe without its forecast of vital signs."""
        knobs = self.recipe.to_json()
        return {name: knob for name, knob in knobs.items() if not name.startswith("forecast_")}

    def about(self, material: Material, progress: Progress | None) -> SoftLabels:
        """The lesson of these training patients."""
        made_of = {
            "recipe": self.knobs,
            "data": fingerprint(material.cohort.take(material.split.train))["sha256"],
            "features": features.RECIPE,
        }
        file = self.folder / f"teacher-{str(made_of['data'])[:12]}.npz"
        return learn_from_trees(material, self.recipe, file, made_of, True, progress)


def network_family(name: str, settings: Settings, lessons: SoftLabelVariants) -> Family:
    """The shipped recipe with some knobs changed, as a family of one candidate."""

    def fit(task: Task, changes: Settings, progress: Progress | None) -> Fitted:
        torch.set_num_threads(task.threads)
        material = task.material
        changed: dict[str, Any] = dict(changes)
        recipe = replace(lessons.recipe, **changed)
        run = train(material, recipe, lessons.about(material, progress), progress=progress)
        return NetworkScores(uncalibrated(trained(run, recipe), material.scaling), material)

    return Family(name, Level.SEQUENCE, (settings,), fit)


def ablations(lessons: SoftLabelVariants) -> tuple[Family, ...]:
    """The shipped recipe with one thing changed at a time.

    Another seed changes nothing but chance: what the others lose is to be seen beside that.
    """
    # Whatever is changed, the trees were asked once: the teacher is not part of what varies.
    changes = {"another seed": {"seed": lessons.recipe.seed + 1}, **CHANGES}
    return tuple(network_family(name, settings, lessons) for name, settings in changes.items())


def encoder_alone(bundle: Bundle) -> Family:
    """The final model without its LSTM.

    The LSTM was trained on top of an encoder that stayed as it was, so what is left without it is
    the encoder as it would have been alone.
    """

    def fit(task: Task, _: Settings, __: Progress | None) -> Fitted:
        model = build.build(bundle)
        torch.nn.init.zeros_(model.network.memory_head)
        return NetworkScores(model, task.material)

    return Family(ENCODER_ALONE, Level.WINDOW, (), fit)
