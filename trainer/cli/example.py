"""`trainer example`: tutorials of sequence models in medicine."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from streamer.process.terminal import say_lines
from trainer.cli.options import check_writable, refuse
from trainer.examples.mortality_recipe import RECIPE

if TYPE_CHECKING:
    from trainer.examples.handout import Handout

Out: TypeAlias = Annotated[
    Path, typer.Option(help="Write the figure and reading.md into this folder.")
]
Threads: TypeAlias = Annotated[
    int, typer.Option(min=1, help="Number of CPU threads; more than one slow such small networks.")
]
Seed: TypeAlias = Annotated[int, typer.Option(min=0, help="Random seed.")]

app = typer.Typer(
    no_args_is_help=True,
    help="""Run a tutorial: it trains models, compares them, draws a figure and explains it.

    The explanation follows from the measurements: with another seed, or on other data, it differs.
    Each takes a few minutes at most on 2 cores.

    Examples:

    `trainer example next-number --out runs/next-number`

    `trainer example drug-effects --out runs/drugs --seed 1`
    """,
)


@app.callback()
def _group() -> None:
    """Keeps `example` a group, even with a single example."""


def _begin(
    out: Path, threads: int, needs: tuple[str, ...], faults: list[str] | None = None
) -> None:
    """Reports every fault at once, or else sets the number of threads."""
    wrong = list(faults or [])
    check_writable("--out", out, wrong)
    missing = [name for name in needs if find_spec(name) is None]
    if missing:
        wrong.append(f"not installed: {', '.join(missing)}; pip install 'vigil-icu[train]'")
    refuse(wrong)

    import torch  # noqa: PLC0415 - takes two seconds, which help and errors need not wait for

    torch.set_num_threads(threads)


def _end(handout: Handout) -> None:
    say_lines((*handout.reading.split("\n"), f"figure: {handout.figure}"))


@app.command("next-number")
def next_number(
    out: Out,
    seed: Seed = 0,
    sequences: Annotated[int, typer.Option(min=16, help="Number of training sequences.")] = 3000,
    epochs: Annotated[int, typer.Option(min=1, help="Maximum epochs.")] = 150,
    threads: Threads = 1,
) -> None:
    """Predict the next number of a sequence: the smallest task that needs a memory.

    The training set mixes arithmetic, geometric, Fibonacci-like and noisy sine sequences. The
    network must infer the rule from the first numbers. It is compared with the last value, a
    straight line through the last two, and an autoregression, which has one rule for all.

    Then every number is multiplied by five. A network knows only the range of its training data;
    the figure shows what happens outside, and how dividing by the sequence's own size helps.

    Example: `trainer example next-number --out runs/next-number`
    """
    _begin(out, threads, ("matplotlib",))
    from trainer.examples.next_number import run  # noqa: PLC0415
    from trainer.progress import Reporter  # noqa: PLC0415

    _end(run(out, Reporter(), seed, sequences, epochs))


@app.command("drug-effects")
def drug_effects(
    out: Out,
    seed: Seed = 0,
    patients: Annotated[int, typer.Option(min=20, help="Number of patients in each cohort.")] = 400,
    epochs: Annotated[int, typer.Option(min=1, help="Maximum epochs of the networks.")] = 200,
    repetitions: Annotated[
        int,
        typer.Option(
            min=1,
            help="Number of repetitions with new cohorts and networks, for the curves' spread.",
        ),
    ] = 3,
    threads: Threads = 1,
) -> None:
    """Recover the shapes in which the effects of three drugs fade.

    In a generated cohort drug A's effect falls exponentially, B's stays flat for 12 hours and
    drops, C's starts 8 hours late. GLMs in their textbook forms (dose now, sum of recent doses, an
    exponential kernel, a day of lags), a vanilla RNN and an LSTM see the same doses. For each, the
    figure shows the effect of one dose, hour by hour, in patients that it was not fitted to.

    Below the curves, the LSTM's forget gates after a dose show how it keeps the time.

    Example: `trainer example drug-effects --out runs/drugs`
    """
    _begin(out, threads, ("matplotlib",))
    from trainer.examples.drug_effects import run  # noqa: PLC0415
    from trainer.progress import Reporter  # noqa: PLC0415

    _end(run(out, Reporter(), seed, patients, epochs, repetitions))


@app.command()
def readmission(
    out: Out,
    seed: Seed = 0,
    data: Annotated[
        Path | None,
        typer.Option(
            help="Read diabetic_data.csv of the UCI set 'Diabetes 130-US hospitals'.",
            show_default="a generated cohort",
        ),
    ] = None,
    patients: Annotated[
        int, typer.Option(min=50, help="Number of patients in the generated cohort.")
    ] = 10_000,
    epochs: Annotated[int, typer.Option(min=1, help="Maximum epochs of the LSTM.")] = 60,
    threads: Threads = 1,
) -> None:
    """Predict readmission within 30 days; each patient is a sequence of admissions.

    An LSTM (2 layers of 64, dropout, early stopping) reads the admissions one after another and
    predicts the next one at each discharge. It is compared with logistic regression on the present
    admission, and with logistic regression and boosted trees that also see means and changes over
    earlier admissions, which is what a table can hold of a sequence. The split is by patient, and
    only values known at discharge are used.

    Examples:

    `trainer example readmission --out runs/readmission`

    `trainer example readmission --data diabetic_data.csv --out runs/diabetes`
    """
    faults = []
    if data is not None and not data.is_file():
        faults.append(f"--data {data}: there is no such file")
    _begin(out, threads, ("matplotlib", "sklearn", "lightgbm"), faults)
    from trainer.examples.readmission import run  # noqa: PLC0415
    from trainer.progress import Reporter  # noqa: PLC0415

    _end(run(out, Reporter(), seed, data, patients, epochs, threads))


@app.command()
def mortality(
    out: Out,
    data: Annotated[
        Path | None,
        typer.Option(
            help="Read records of the PhysioNet 2012 challenge: a folder, or a parquet file."
        ),
    ] = None,
    outcomes: Annotated[
        Path | None, typer.Option(help="Read their outcomes, such as Outcomes-a.txt.")
    ] = None,
    seed: Seed = 0,
    knob: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KNOB=VALUE", help="Set a knob as in `trainer fit`; repeatable."
        ),
    ] = None,
    threads: Threads = 1,
) -> None:
    """Predict death in hospital instead of sepsis: the same trainer, another label.

    Features, network, teacher and training loop are those of `trainer fit`; every hour of a stay
    has the outcome of the stay as its label. At 48 hours, as in the challenge, the network is
    compared with logistic regression and boosted trees on the same features, SAPS-I and SOFA.

    Example: `trainer example mortality --data set-a --outcomes Outcomes-a.txt --out runs/mortality`
    """
    faults = []
    for option, path, kind in (
        ("--data", data, "records of the PhysioNet 2012 challenge"),
        ("--outcomes", outcomes, "their outcomes"),
    ):
        if path is None:
            faults.append(f"{option} is missing: name {kind}")
        elif not path.exists():
            faults.append(f"{option} {path}: there is no such file or folder")
    recipe, wrong = RECIPE.changed([f"seed={seed}", *(knob or [])])
    faults += [*wrong, *recipe.problems()]
    _begin(out, threads, ("matplotlib", "sklearn", "lightgbm"), faults)
    from trainer.examples.mortality import run  # noqa: PLC0415
    from trainer.progress import Reporter  # noqa: PLC0415

    assert data is not None
    assert outcomes is not None
    _end(run(out, Reporter(), data, outcomes, recipe, threads))
