"""The `trainer` command: a file for each subcommand; none loads torch before it runs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import typer
from pydantic import ValidationError

from streamer.bundles.acceptance import BundleRefused
from streamer.bundles.bundle import BundleError
from streamer.datasets.cohort import DataError
from streamer.ports.models import Superseded
from streamer.ports.states import StoreUnavailable
from streamer.process.environment import fault_lines
from streamer.process.terminal import open_streams, say_lines
from trainer.cli import (
    archive,
    compare,
    demo,
    describe,
    evaluate,
    example,
    explain,
    export,
    fit,
    keys,
    models,
    recalibrate,
    run,
    runs,
    score,
    tune,
)
from trainer.errors import InputError, WrongUsage

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="""Train, evaluate and publish the models that the streamer runs.

    Start with `trainer describe --data FOLDER`, which looks at your data, and
    `trainer evaluate --data FOLDER`: it prints the figures of the shipped bundle. Then
    `trainer fit --data FOLDER --out runs/first` trains one of your own, and
    `trainer models promote runs/first/bundle` puts it in force.

    FOLDER holds PhysioNet 2019 files: `.psv`, one for each patient, or parquet.
    Research software for decision support; not a medical device.""",
)
app.command()(describe.describe)
app.command()(fit.fit)
app.command()(tune.tune)
app.command()(evaluate.evaluate)
app.command()(score.score)
app.command()(export.export)
app.command()(recalibrate.recalibrate)
app.command()(compare.compare)
app.command()(explain.explain)
app.command()(run.run)
app.command()(demo.demo)
app.command()(runs.freeze)
app.command()(runs.thaw)
app.add_typer(runs.app, name="runs")
app.add_typer(runs.policy_app, name="policy")
app.add_typer(models.app, name="models")
app.add_typer(keys.app, name="keys")
app.add_typer(archive.app, name="archive")
app.add_typer(example.app, name="example")


# Packages of the extra `train`.
_EXTRA: Final = ("torch", "pyarrow", "matplotlib", "sklearn", "lightgbm", "optuna", "apscheduler")

_OTHER_EXTRAS: Final = {"deltalake": "loop", "onnx": "onnx", "pandas": "notebook"}


def main() -> None:
    """Runs a command; exits with 0, 1 (failed while running) or 2 (usage, configuration)."""
    open_streams()
    try:
        app()
    except ValidationError as error:
        _end("The configuration is wrong:", fault_lines(error), 2)
    except WrongUsage as error:
        _end("Wrong usage:", error.faults, 2)
    except BundleRefused as error:
        _end("Refused:", [str(error)], 1)
    except (InputError, DataError, BundleError) as error:
        _end("Error:", [str(error)], 2)
    except (StoreUnavailable, Superseded, OSError) as error:
        _end("Error:", [str(error)], 1)
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        extra = _OTHER_EXTRAS.get(package, "train")
        if package not in _EXTRA and extra == "train":
            raise
        _end("Error:", [f"{package} is not installed: pip install 'vigil-icu[{extra}]'"], 2)


def _end(title: str, faults: Iterable[str], code: int) -> None:
    lines = list(faults)
    is_one = title in ("Error:", "Refused:")
    text = f"{title} {lines[0]}" if is_one else "\n  ".join([title, *lines])
    say_lines(text.split("\n"), error=True)
    raise SystemExit(code)
