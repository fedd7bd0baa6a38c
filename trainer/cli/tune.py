"""`trainer tune`: hyperparameter search."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from trainer.cli.options import (
    Data,
    TaskFile,
    Threads,
    check_writable,
    data_paths,
    refuse,
    task_in,
    use_threads,
)
from trainer.settings import TrainerSettings
from trainer.training.recipe import Recipe
from trainer.tune.space import chosen_knobs


def tune(
    out: Annotated[Path, typer.Option(help="Write trials, tables and plots into this folder.")],
    data: Data = None,
    trials: Annotated[
        str,
        typer.Option(
            metavar="N|TIME",
            help="Number of further trials, or a time such as 90m or 6h after which none begins.",
        ),
    ] = "20",
    names: Annotated[
        list[str] | None,
        typer.Option(
            "--knob",
            metavar="KNOB",
            help="Search this knob; repeatable. Default: all in trainer/tune/space.py "
            "except the teacher's, so that one teacher serves all trials.",
        ),
    ] = None,
    fixed: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KNOB=VALUE", help="Set a knob of the baseline recipe; repeatable."
        ),
    ] = None,
    task_file: TaskFile = None,
    threads: Threads = None,
) -> None:
    """Search for a better recipe: train trials and score them on validation patients.

    The first trial is the baseline recipe: the shipped one, with the values of --set. Ctrl-C ends
    the search; finished trials are kept in OUT, and the same command continues there. A trial takes
    about as long as a fit without its teacher.

    Examples:

    `trainer tune --data training_setA --data training_setB --out runs/search --trials 30`

    `trainer tune --data stays.parquet --out runs/rates --knob learning_rate --trials 6h`
    """
    settings, faults = TrainerSettings(), list[str]()
    paths = data_paths(data, settings, faults)
    check_writable("--out", out, faults)
    task = task_in(task_file, faults)
    n_trials, timeout_s = _limits(trials, faults)
    base, wrong = Recipe().changed(fixed or [])
    searched, unknown = chosen_knobs(names)
    outside = [knob.out_of_range(base) for knob in searched if not knob.contains(base)]
    refuse([*faults, *wrong, *base.problems(), *unknown, *outside])

    from trainer.cli.tables import trials_table  # noqa: PLC0415
    from trainer.fit import Stays  # noqa: PLC0415
    from trainer.progress import Reporter  # noqa: PLC0415
    from trainer.tune.search import tune as search_recipes  # noqa: PLC0415
    from trainer.tune.search import write  # noqa: PLC0415

    use_threads(threads, settings)
    search = search_recipes(
        Stays(paths, task=task),
        out,
        base,
        reporter=Reporter(),
        knobs=searched,
        n_trials=n_trials,
        timeout_s=timeout_s,
    )
    write(search, out)
    trials_table(search)


def _limits(text: str, faults: list[str]) -> tuple[int | None, float | None]:
    """Trials and seconds, of which one is without limit.

    >>> _limits("20", []), _limits("1.5h", [])
    ((20, None), (None, 5400.0))
    """
    match = re.fullmatch(r"([\d.]+)([mh]?)", text)
    try:
        number = float(match[1]) if match else 0.0
    except ValueError:
        number = 0.0
    if match is None or number <= 0 or (not match[2] and number != int(number)):
        faults.append(f"--trials {text}: give a whole number, or a time such as 90m or 6h")
        return None, None
    if match[2]:
        return None, number * {"m": 60, "h": 3600}[match[2]]
    return int(number), None
