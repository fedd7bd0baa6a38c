"""Fits whose pictures nobody looks at: to draw them takes longer than to train on these stays."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

import pytest
import torch
from rich.console import Console

from streamer.bundles import bundle as bundles
from streamer.bundles.bundle import Bundle
from streamer.datasets.task import Task
from trainer.fit import Stays, fit
from trainer.progress import Reporter
from trainer.training.recipe import Recipe


@contextmanager
def drawing_nothing() -> Iterator[None]:
    """Fits draw nothing while the block lasts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(import_module("trainer.fit"), "draw_fit", lambda *_: None)
        yield


def fitted(file: Path, task: Task, recipe: Recipe, folder: Path) -> Bundle:
    """The bundle of a fit of a file's stays by their task; it is left in the folder."""
    torch.set_num_threads(1)
    with drawing_nothing():
        quiet = Reporter(Console(quiet=True))
        fit(Stays([file], task=task), folder, recipe, reporter=quiet, n_bootstrap=0)
    return bundles.load(folder / "bundle")
