from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.support.synthetic_cohort import QUICK, learnable_file
from tests.support.training_material import material_of, without_teacher
from trainer.data.dataset import Material
from trainer.training.encoder import train_encoder
from trainer.training.loop import architecture_of
from trainer.training.loss import Objective
from trainer.training.torch_network import TorchNetwork

RECIPE = replace(QUICK, reading_epochs=2)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Equal threads, equal sums."""
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    return material_of(learnable_file(tmp_path_factory.mktemp("data")))


def trained_encoder(material: Material) -> tuple[TorchNetwork, dict[str, torch.Tensor]]:
    """The network after its training, and its weights before."""
    torch.manual_seed(1)
    network = TorchNetwork(architecture_of(RECIPE))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    objective = Objective(material.cohort, RECIPE, without_teacher(material), torch.device("cpu"))
    train_encoder(network, material, objective, RECIPE)
    return network, before


def test_the_lstm_is_not_trained(material: Material) -> None:
    network, before = trained_encoder(material)
    changed = {
        name for name, value in network.state_dict().items() if not torch.equal(value, before[name])
    }
    assert changed
    assert not [name for name in changed if name.startswith(("lstm", "memory_head"))]


def test_other_patients_than_those_of_training_change_nothing(material: Material) -> None:
    others = np.setdiff1d(np.arange(material.cohort.n_rows), material.rows_of(material.split.train))
    built = material.built.copy()
    built[others] = np.nan
    network, _ = trained_encoder(material)
    blind, _ = trained_encoder(replace(material, built=built))
    for name, value in network.state_dict().items():
        torch.testing.assert_close(
            value, blind.state_dict()[name], rtol=0, atol=0, equal_nan=True, msg=name
        )
