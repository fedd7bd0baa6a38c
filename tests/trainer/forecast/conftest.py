"""One trained forecast head for the tests of this room."""

from __future__ import annotations

import pytest
import torch

from streamer.core.model import Model
from tests.support.small_models import random_model
from tests.support.wandering_stays import FORECAST_RECIPE, wandering_material
from trainer.data.dataset import Material
from trainer.forecast.training import train_head


@pytest.fixture(scope="session")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    torch.set_num_threads(1)
    return wandering_material(tmp_path_factory.mktemp("wandering"))


@pytest.fixture(scope="session")
def trained(material: Material) -> Model:
    model = random_model(seed=1)
    model.scaling = material.scaling
    model.forecaster = train_head(model.network, material, FORECAST_RECIPE)
    return model
