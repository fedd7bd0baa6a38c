from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from trainer.training import epoch_logs
from trainer.training.device import training_device, use_device
from trainer.training.epoch_logs import faults_of, opened

EPOCHS = [{"epoch": 1, "train_loss": 0.5}, {"epoch": 2, "train_loss": 0.25}]


def test_a_line_an_epoch_is_there_at_once_and_after_resuming(tmp_path: Path) -> None:
    file = tmp_path / "history.csv"
    with opened(["csv"], tmp_path) as (log,):
        log(EPOCHS[0])
        assert file.read_text() == "epoch,train_loss\n1,0.5\n"
    with opened([], tmp_path) as (log,):
        log(EPOCHS[1])
        assert file.read_text() == "epoch,train_loss\n1,0.5\n2,0.25\n"
        log(EPOCHS[0])
    assert file.read_text() == "epoch,train_loss\n1,0.5\n"


def test_other_logs_get_each_figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    logged: list[Any] = []

    class Writer:
        def __init__(self, folder: str) -> None:
            logged.append(Path(folder).name)

        def add_scalar(self, *figure: object) -> None:
            logged.append(figure)

        def close(self) -> None:
            logged.append("closed")

    class Run:
        def __enter__(self) -> None:
            logged.append("run")

        def __exit__(self, *_: object) -> None:
            logged.append("ended")

    mlflow = SimpleNamespace(
        start_run=lambda run_name: Run(),  # noqa: ARG005
        log_metrics=lambda figures, step: logged.append((figures, step)),
    )
    tensorboard = SimpleNamespace(SummaryWriter=Writer)
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", tensorboard)
    monkeypatch.setitem(sys.modules, "mlflow", mlflow)
    with opened(["tensorboard", "mlflow"], tmp_path) as logs:
        for log in logs:
            log(EPOCHS[1])
    figure = ("train_loss", 0.25, 2)
    assert logged == ["tensorboard", "run", figure, (EPOCHS[1], 2), "ended", "closed"]


def test_logs_that_cannot_be_written_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(epoch_logs, "find_spec", lambda _: None)
    assert faults_of(["csv", "wandb", "mlflow"]) == [
        "--log wandb: must be one of csv, tensorboard, mlflow",
        "--log mlflow: mlflow is not installed: pip install mlflow",
    ]


def test_a_device_that_is_not_there_is_named() -> None:
    use_device("cpu")
    assert training_device().type == "cpu"
    with pytest.raises(ValueError, match="gpu9: PyTorch cannot use this device here"):
        use_device("gpu9")
    assert training_device().type == "cpu"
    use_device("auto")
