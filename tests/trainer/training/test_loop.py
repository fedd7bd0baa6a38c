from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from tests.support.synthetic_cohort import QUICK, learnable_file
from tests.support.training_material import material_of, without_teacher
from trainer.data.dataset import Material
from trainer.training import loop
from trainer.training.encoder import FrozenHours


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Equal threads, equal sums; and the suite runs beside others."""
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    return material_of(learnable_file(tmp_path_factory.mktemp("data")))


def test_training_stops_when_validation_gets_no_better(
    material: Material, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = iter([0.5, 0.9, 0.8, 0.7, 0.95, 0.99])
    monkeypatch.setattr(
        loop, "_validate", lambda *_: {"validation_score": next(scores), "validation_loss": 0}
    )
    run = loop.train(material, replace(QUICK, epochs=6, patience=2), without_teacher(material))
    assert (len(run.history), run.best_epoch) == (4, 2)


def test_the_lstm_learns_on_top_of_an_encoder_that_stays_as_it_is(material: Material) -> None:
    run = loop.train(material, QUICK, without_teacher(material))
    other = loop.train(material, replace(QUICK, memory_rate=5e-3), without_teacher(material))
    for name, value in run.weights.items():
        is_memory = name.startswith(("lstm", "memory_head"))
        assert torch.equal(value, other.weights[name]) != is_memory, name


def test_hours_that_are_kept_are_those_of_the_encoder(material: Material) -> None:
    network = loop.trained(loop.train(material, QUICK, without_teacher(material)), QUICK).eval()
    stays = material.split.validation
    hours = FrozenHours(network, material, stays)
    rows = material.rows_of(stays)[::3].reshape(1, -1)
    x = torch.from_numpy(material.scaling.apply(material.built[rows]))
    with torch.no_grad():
        torch.testing.assert_close(network.encode_rest(hours.of(rows)), network.encode(x))


def test_both_losses_of_an_epoch_are_against_the_labels(material: Material) -> None:
    run = loop.train(material, QUICK, without_teacher(material))
    for epoch in run.history:  # without a teacher the target is the label
        assert epoch["train_label_loss"] == pytest.approx(epoch["train_loss"])
