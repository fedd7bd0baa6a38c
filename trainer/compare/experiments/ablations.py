"""Ablations: the shipped recipe trained again with one part changed or left out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from streamer.bundles import build
from streamer.bundles.bundle import Bundle
from streamer.core import features
from streamer.core.lstm_network import Network
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
"""Changes of the recipe, by the name of the ablation. Without a teacher the piecewise encoding is
still of the features that the trees found most useful."""


@dataclass(frozen=True, slots=True)
class SoftLabelCache:
    """The teacher's soft labels, fitted once for each set of training patients and kept.

    Attributes:
        folder: holds a file for each set of training patients.
        recipe: of the trees: the one that is ablated, without any change.
    """

    folder: Path
    recipe: Recipe

    @property
    def knobs(self) -> dict[str, object]:
        """The recipe without its forecast of vital signs, on which no risk depends."""
        knobs = self.recipe.to_json()
        return {name: knob for name, knob in knobs.items() if not name.startswith("forecast_")}

    def load_or_fit(self, material: Material, progress: Progress | None) -> SoftLabels:
        """The soft labels of these training patients."""
        made_of = {
            "recipe": self.knobs,
            "data": fingerprint(material.cohort.take(material.split.train))["sha256"],
            "features": features.FEATURE_VERSION,
        }
        file = self.folder / f"teacher-{str(made_of['data'])[:12]}.npz"
        return learn_from_trees(material, self.recipe, file, made_of, True, progress)


def network_family(name: str, settings: Settings, soft_labels: SoftLabelCache) -> Family:
    """The shipped recipe with some knobs changed, as a family of one candidate."""

    def fit(task: Task, changes: Settings, progress: Progress | None) -> Fitted:
        torch.set_num_threads(task.threads)
        material = task.material
        changed: Any = dict(changes)
        recipe = replace(soft_labels.recipe, **changed)
        targets = soft_labels.load_or_fit(material, progress)
        run = train(material, recipe, targets, progress=progress)
        variables = material.cohort.variables
        network = trained(run, recipe, variables).in_numpy()
        return NetworkScores(uncalibrated(network, material.scaling, variables), material)

    return Family(name, Level.SEQUENCE, (settings,), fit)


def ablations(soft_labels: SoftLabelCache) -> tuple[Family, ...]:
    """The shipped recipe with one thing changed at a time.

    Another seed changes nothing but chance: a loss as small as its own says nothing.
    """
    # All of them learn from the same soft labels: the teacher itself does not vary.
    changes = {"another seed": {"seed": soft_labels.recipe.seed + 1}, **CHANGES}
    return tuple(network_family(name, settings, soft_labels) for name, settings in changes.items())


def encoder_alone(bundle: Bundle) -> Family:
    """The final model without its LSTM.

    The encoder was trained first and did not change while the LSTM was trained on top of it, so the
    rest is the encoder as it would have been alone.
    """

    def fit(task: Task, _: Settings, __: Progress | None) -> Fitted:
        model = build.build(bundle)
        weights = model.network.weights
        silent = {**weights, "memory_head": np.zeros_like(weights["memory_head"])}
        model.network = Network(model.architecture, silent)
        return NetworkScores(model, task.material)

    return Family(ENCODER_ALONE, Level.WINDOW, (), fit)
