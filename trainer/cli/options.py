"""Options of several commands, and their checks, which collect every fault before any work."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from streamer.bundles.bundle import MANIFEST
from streamer.bundles.signatures import parse_keys
from streamer.process import logs
from trainer.archive.source import ArchiveSource
from trainer.errors import WrongUsage
from trainer.settings import TrainerSettings

if TYPE_CHECKING:
    from streamer.datasets.task import Task
    from trainer.registry.registry import Registry

Data: TypeAlias = Annotated[
    list[Path] | None,
    typer.Option(
        "--data",
        help="Read these PhysioNet 2019 files or folders, with labels, or `archive:FOLDER`, "
        "with `@VERSION` an earlier version of it; repeatable. Default: TRAINER_DATA.",
    ),
]
Model: TypeAlias = Annotated[
    Path,
    typer.Option(
        "--model", help="Use the bundle in this folder.", show_default="the shipped bundle"
    ),
]
Threads: TypeAlias = Annotated[
    int | None,
    typer.Option(
        min=0,
        help="Number of CPU threads; 0: PyTorch's own choice. Default: TRAINER_THREADS, or 0.",
    ),
]
SplitFile: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--split-file",
        exists=True,
        dir_okay=False,
        help="CSV file of the columns `patient` (or `person`) and `side` (train, validation, "
        "test): the split, instead of a hash of the person.",
    ),
]
TaskFile: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--task",
        exists=True,
        dir_okay=False,
        help="Read --data by this task file: outcome, label, columns, units (docs/data.md). "
        "Default: sepsis, as in PhysioNet 2019.",
    ),
]
Folder: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--registry",
        help="Use this registry folder. Default: TRAINER_REGISTRY, or .vigil/registry.",
    ),
]


def data_paths(
    data: Sequence[Path] | None, settings: TrainerSettings, faults: list[str]
) -> list[Path]:
    """The paths of --data, or else of TRAINER_DATA; adds a fault for each that is missing."""
    paths = list(data or settings.paths())
    if not paths:
        faults.append("--data is missing: name a file or folder of stays, or set TRAINER_DATA")
    for path in paths:
        source = ArchiveSource.parse(str(path))
        if not (path if source is None else source.root).exists():
            faults.append(f"--data {path}: there is no such file or folder")
    return paths


def check_bundle(option: str, folder: Path | None, faults: list[str]) -> None:
    """Adds a fault if a folder is not a bundle."""
    if folder is not None and not (folder / MANIFEST).is_file():
        faults.append(f"{option} {folder}: no model bundle (a folder with {MANIFEST})")


def check_writable(option: str, folder: Path, faults: list[str]) -> None:
    """Adds a fault if a folder cannot be written to, or cannot be made."""
    existing = folder
    while not existing.exists() and existing != existing.parent:
        existing = existing.parent
    if folder.exists() and not folder.is_dir():
        faults.append(f"{option} {folder}: is a file, not a folder")
    elif not existing.is_dir() or not os.access(existing, os.W_OK):
        faults.append(f"{option} {folder}: cannot be written to")


def open_registry(folder: Path, settings: TrainerSettings) -> Registry:
    """The registry in a folder, with the keys and the audit file of the settings.

    Raises:
        InputError: the signing key cannot be read.
    """
    from streamer.bundles.acceptance import Trust  # noqa: PLC0415 - help needs neither
    from trainer.registry import keys  # noqa: PLC0415
    from trainer.registry.registry import Registry  # noqa: PLC0415

    key = None if settings.signing_key is None else keys.load(settings.signing_key)
    trusted = parse_keys(settings.model_keys) + ((key.public,) if key is not None else ())
    trust = Trust(trusted, settings.unsigned_allowed())
    return Registry(folder, trust, key, settings.audit_file)


def registry_of(folder: Path | None) -> Registry:
    """The registry in a folder, or in that of the settings; its log is for people.

    Raises:
        WrongUsage: the folder cannot be written to.
        InputError: the signing key cannot be read.
    """
    settings, faults = TrainerSettings(), list[str]()
    path = folder or settings.registry
    check_writable("--registry", path, faults)
    refuse(faults)
    logs.configure("console")
    return open_registry(path, settings)


def task_in(file: Path | None, faults: list[str]) -> Task | None:
    """The task in a file; adds a fault if it is none."""
    from streamer.datasets.cohort import DataError  # noqa: PLC0415
    from streamer.datasets.task import read_task  # noqa: PLC0415

    try:
        return None if file is None else read_task(file)
    except DataError as error:
        faults.append(f"--task {error}")
        return None


def refuse(faults: list[str]) -> None:
    """Raises ``WrongUsage`` if there are any faults."""
    if faults:
        raise WrongUsage(faults)


def use_threads(threads: int | None, settings: TrainerSettings) -> None:
    """Sets the number of PyTorch's threads: the option, or else the setting; 0 changes nothing."""
    threads = settings.threads if threads is None else threads
    if threads:
        import torch  # noqa: PLC0415 - takes two seconds, which help and errors need not wait for

        torch.set_num_threads(threads)
