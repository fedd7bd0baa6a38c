"""`trainer example`: the tutorials of the field."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from trainer.cli.options import check_writable, refuse
from trainer.examples.mortality_recipe import RECIPE

if TYPE_CHECKING:
    from trainer.examples.handout import Handout

Out: TypeAlias = Annotated[Path, typer.Option(help="Folder for the figure and reading.md.")]
Threads: TypeAlias = Annotated[
    int, typer.Option(min=1, help="CPU threads; with more, networks this small are slower.")
]
Seed: TypeAlias = Annotated[int, typer.Option(min=0, help="Of the data, the weights, the draws.")]

app = typer.Typer(
    no_args_is_help=True,
    help="""The tutorials of the field: each trains, compares, draws a figure and reads it out.

    What is said of the figure follows from what was measured: with another seed, or on other data,
    the reading is another. None takes longer than some minutes on 2 cores.

    Examples:

    `trainer example next-number --out runs/next-number`

    `trainer example drug-effects --out runs/drugs --seed 1`
    """,
)


@app.callback()
def _group() -> None:
    """Keeps `example` a group, however many examples there are."""


def _begin(
    out: Path, threads: int, needs: tuple[str, ...], faults: list[str] | None = None
) -> None:
    """Refuses all that is wrong at once, then sets the threads."""
    wrong = list(faults or [])
    check_writable("--out", out, wrong)
    missing = [name for name in needs if find_spec(name) is None]
    if missing:
        wrong.append(f"not installed: {', '.join(missing)}; pip install 'vigil-icu[train]'")
    refuse(wrong)

    import torch  # noqa: PLC0415 - takes two seconds, which help and errors need not wait for

    torch.set_num_threads(threads)


def _end(handout: Handout) -> None:
    sys.stdout.write(f"{handout.reading}\nfigure: {handout.figure}\n")


@app.command("next-number")
def next_number(
    out: Out,
    seed: Seed = 0,
    sequences: Annotated[int, typer.Option(min=16, help="To learn from.")] = 3000,
    epochs: Annotated[int, typer.Option(min=1, help="At most.")] = 150,
    threads: Threads = 1,
) -> None:
    """An LSTM learns how sequences of numbers go on: the smallest task that needs a memory.

    Arithmetic, geometric, Fibonacci-like and noisy sine sequences, all in one heap. No network is
    told the rule; it must see from the first numbers which one it is. It is compared with the last
    value, a straight line through the last two, and an autoregression, which has one rule for all.

    Then every number is made five times as large. A network knows the range that it learned in;
    look at what happens outside, and what dividing by the sequence's own size changes.

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
    patients: Annotated[int, typer.Option(min=20, help="In each cohort.")] = 400,
    epochs: Annotated[int, typer.Option(min=1, help="Of the networks, at most.")] = 200,
    repetitions: Annotated[
        int, typer.Option(min=1, help="New cohorts and new networks; the curves' spread.")
    ] = 3,
    threads: Threads = 1,
) -> None:
    """Three drugs, three shapes in which an effect fades: who finds the shape?

    In a generated cohort drug A's effect falls exponentially, B's stays flat for 12 hours and
    drops, C's starts 8 hours late. GLMs in their textbook forms (dose now, sum of recent doses, an
    exponential kernel, a day of lags), a vanilla RNN and an LSTM see the same doses. Each is asked
    the same: what does one dose change, hour by hour, in patients that it was not fitted to?

    Below the curves are the LSTM's forget gates after a dose: how it keeps the time.

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
            help="diabetic_data.csv of the UCI set 'Diabetes 130-US hospitals'.",
            show_default="a generated cohort",
        ),
    ] = None,
    patients: Annotated[int, typer.Option(min=50, help="Of the generated cohort.")] = 10_000,
    epochs: Annotated[int, typer.Option(min=1, help="Of the LSTM, at most.")] = 60,
    threads: Threads = 1,
) -> None:
    """Who is back within 30 days? Each patient is a sequence of admissions.

    An LSTM (2 layers of 64, dropout, early stopping) reads the admissions one after another, and
    at each discharge says how likely the next one is. It is compared with logistic regression on
    the present admission, and with logistic regression and boosted trees that are also given
    means and changes over the admissions before: what a table can know of a sequence. Patients are
    split, not admissions; only what is known at discharge is used.

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
        typer.Option(help="Records of the PhysioNet 2012 challenge: a folder, or a parquet file."),
    ] = None,
    outcomes: Annotated[
        Path | None, typer.Option(help="Their outcomes, such as Outcomes-a.txt.")
    ] = None,
    seed: Seed = 0,
    knob: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KNOB=VALUE", help="As in `trainer fit`; repeatable."),
    ] = None,
    threads: Threads = 1,
) -> None:
    """Death in hospital instead of sepsis: the same trainer, another label.

    The features of an hour, the network, the teacher and the training loop are those of
    `trainer fit`; every hour of a stay is labelled with how the stay ends. At 48 hours, when the
    challenge asked, it is compared with logistic regression and boosted trees on the same features
    and with SAPS-I and SOFA.

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
