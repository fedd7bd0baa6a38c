"""A line an epoch for those who watch a fit: CSV always, TensorBoard and MLflow where installed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, TypeAlias

Log: TypeAlias = Callable[[Mapping[str, float]], None]

CSV, TENSORBOARD, MLFLOW = KINDS = ("csv", "tensorboard", "mlflow")
CSV_FILE: Final = "history.csv"
_FOLDER: Final = "tensorboard"


def faults_of(kinds: Sequence[str]) -> list[str]:
    """A sentence for each log that cannot be written here."""
    faults = [
        f"--log {kind}: must be one of {', '.join(KINDS)}" for kind in kinds if kind not in KINDS
    ]
    return faults + [
        f"--log {kind}: {kind} is not installed: pip install {kind}"
        for kind in kinds
        if kind in (TENSORBOARD, MLFLOW) and find_spec(kind) is None
    ]


@contextmanager
def opened(kinds: Sequence[str], out: Path) -> Iterator[list[Log]]:
    """The logs of a fit, the one in CSV among them; each is called with the figures of an epoch.

    Args:
        kinds: of ``KINDS``.
        out: folder of the fit; gets ``history.csv`` and ``tensorboard/``. MLflow writes where
            ``MLFLOW_TRACKING_URI`` says.
    """
    with ExitStack() as stack:
        logs: list[Log] = [csv_log(out / CSV_FILE)]
        if TENSORBOARD in kinds:
            library: Any = import_module("torch.utils.tensorboard")
            writer = library.SummaryWriter(str(out / _FOLDER))
            stack.callback(writer.close)
            logs.append(_each(writer.add_scalar))
        if MLFLOW in kinds:
            mlflow: Any = import_module("mlflow")
            stack.enter_context(mlflow.start_run(run_name=out.name))
            logs.append(
                lambda figures: mlflow.log_metrics(dict(figures), step=int(figures["epoch"]))
            )
        yield logs


def csv_log(file: Path) -> Log:
    """A line an epoch in a CSV file, which the first epoch begins anew."""

    def write(figures: Mapping[str, float]) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)  # not before data that may be refused
        is_first = figures["epoch"] == 1 or not file.exists()
        with file.open("w" if is_first else "a") as lines:
            if is_first:
                lines.write(",".join(figures) + "\n")
            lines.write(",".join(f"{value:.6g}" for value in figures.values()) + "\n")

    return write


def _each(add: Callable[[str, float, int], None]) -> Log:
    def write(figures: Mapping[str, float]) -> None:
        for name, value in figures.items():
            if name != "epoch":
                add(name, value, int(figures["epoch"]))

    return write
