"""What several commands check before they begin: paths, so that every fault is said at once."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from streamer.bundles.bundle import MANIFEST
from trainer.errors import WrongUsage
from trainer.settings import TrainerSettings

Data: TypeAlias = Annotated[
    list[Path] | None,
    typer.Option(
        "--data",
        help="PhysioNet 2019 files or folders, with labels; may be given several times. "
        "Default: TRAINER_DATA.",
    ),
]
Model: TypeAlias = Annotated[
    Path, typer.Option("--model", help="Bundle folder.", show_default="the bundle that is shipped")
]
Threads: TypeAlias = Annotated[
    int | None, typer.Option(min=0, help="CPU threads; 0: PyTorch's own choice. TRAINER_THREADS.")
]
Folder: TypeAlias = Annotated[
    Path | None, typer.Option("--registry", help="Registry folder. Default: TRAINER_REGISTRY.")
]


def data_paths(
    given: Sequence[Path] | None, settings: TrainerSettings, faults: list[str]
) -> list[Path]:
    """The paths of --data or else of the environment; notes what is missing."""
    paths = list(given or settings.paths())
    if not paths:
        faults.append("--data is missing: name a file or folder of stays, or set TRAINER_DATA")
    faults += [
        f"--data {path}: there is no such file or folder" for path in paths if not path.exists()
    ]
    return paths


def check_bundle(option: str, folder: Path | None, faults: list[str]) -> None:
    """Notes a folder that cannot be a bundle."""
    if folder is not None and not (folder / MANIFEST).is_file():
        faults.append(f"{option} {folder}: no model bundle (a folder with {MANIFEST})")


def check_writable(option: str, place: Path, faults: list[str]) -> None:
    """Notes a place where nothing can be written; folders that are not there yet can be made."""
    there = place
    while not there.exists() and there != there.parent:
        there = there.parent
    if place.exists() and not place.is_dir():
        faults.append(f"{option} {place}: is a file, not a folder")
    elif not there.is_dir() or not os.access(there, os.W_OK):
        faults.append(f"{option} {place}: nothing can be written there")


def refuse(faults: list[str]) -> None:
    """Raises ``WrongUsage`` if there are any faults."""
    if faults:
        raise WrongUsage(faults)


def use_threads(given: int | None, settings: TrainerSettings) -> None:
    """Sets the number of PyTorch's threads."""
    threads = settings.threads if given is None else given
    if threads:
        import torch  # noqa: PLC0415 - takes two seconds, which help and errors need not wait for

        torch.set_num_threads(threads)
