"""`trainer tune`: hyperparameter search."""

from __future__ import annotations

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
    trials: Annotated[int, typer.Option(min=1, help="Number of further trials.")] = 20,
    timeout: Annotated[
        float | None,
        typer.Option(min=0, help="Minutes after which no further trial begins. Default: no limit."),
    ] = None,
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

    `trainer tune --data stays.parquet --out runs/rates --knob learning_rate --knob memory_rate`
    """
    settings, faults = TrainerSettings(), list[str]()
    paths = data_paths(data, settings, faults)
    check_writable("--out", out, faults)
    task = task_in(task_file, faults)
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
        n_trials=trials,
        timeout_s=None if timeout is None else timeout * 60,
    )
    write(search, out)
    trials_table(search)
