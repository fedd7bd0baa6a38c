from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from trainer.errors import ResumeError
from trainer.training.checkpoint import FILE, Checkpoint, Run

CPU = torch.device("cpu")
RUN = Run(
    weights={"w": torch.tensor([1.0, 2.0])},
    average={"w": torch.tensor([0.5, 1.5])},
    optimizer={"state": {}, "param_groups": [{"lr": 0.1, "params": [0]}]},
    steps=7,
    best={"w": torch.tensor([0.25])},
    best_epoch=2,
    history=[{"epoch": 1, "train_loss": 0.5}, {"epoch": 2, "train_loss": 0.25}],
)
MADE_OF: dict[str, object] = {"recipe": {"hidden": 8}, "data": "abc", "features": "v1"}


@pytest.fixture
def checkpoint(tmp_path: Path) -> Checkpoint:
    return Checkpoint(tmp_path / FILE, MADE_OF)


def test_a_run_is_read_as_it_was_kept(checkpoint: Checkpoint) -> None:
    assert checkpoint.load(CPU) is None
    checkpoint.save(RUN)
    run = checkpoint.load(CPU)
    assert run is not None
    for name in ("weights", "average", "best"):
        kept, saved = getattr(run, name), getattr(RUN, name)
        assert kept.keys() == saved.keys()
        assert all(torch.equal(kept[key], saved[key]) for key in saved)
    assert (run.steps, run.best_epoch, run.history) == (7, 2, RUN.history)
    assert run.optimizer == RUN.optimizer


@pytest.mark.parametrize("name", list(MADE_OF))
def test_a_run_of_something_else_is_refused(checkpoint: Checkpoint, name: str) -> None:
    checkpoint.save(RUN)
    other = replace(checkpoint, made_of={**MADE_OF, name: "other"})
    with pytest.raises(ResumeError, match=rf"another {name}; remove .* or leave out --resume"):
        other.load(CPU)


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_a_damaged_file_is_refused(checkpoint: Checkpoint, share: float) -> None:
    checkpoint.save(RUN)
    content = checkpoint.file.read_bytes()
    checkpoint.file.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ResumeError, match="cannot be read"):
        checkpoint.load(CPU)


def test_the_file_before_stays_until_the_new_one_is_whole(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint.save(RUN)
    before = checkpoint.file.read_bytes()

    def cut(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", cut)
    with pytest.raises(KeyboardInterrupt):
        checkpoint.save(replace(RUN, steps=8))
    assert checkpoint.file.read_bytes() == before
    assert [path.name for path in checkpoint.file.parent.iterdir()] == [FILE]
