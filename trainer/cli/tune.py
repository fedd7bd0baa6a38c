"""`trainer tune`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trainer.cli.options import Data, Threads, check_writable, data_paths, refuse, use_threads
from trainer.settings import TrainerSettings
from trainer.training.recipe import Recipe
from trainer.tune.space import chosen_knobs


def tune(
    out: Annotated[Path, typer.Option(help="Folder for the trials, tables and pictures.")],
    data: Data = None,
    trials: Annotated[int, typer.Option(min=1, help="How many more.")] = 20,
    timeout: Annotated[
        float | None, typer.Option(min=0, help="Minutes after which no further trial begins.")
    ] = None,
    knob: Annotated[
        list[str] | None,
        typer.Option(
            "--knob",
            metavar="KNOB",
            help="Search this knob; repeatable. Default: all in trainer/tune/space.py "
            "but the teacher's, so that one teacher serves all trials.",
        ),
    ] = None,
    fixed: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KNOB=VALUE", help="Begin with this value; repeatable."),
    ] = None,
    threads: Threads = None,
) -> None:
    """Searches for a better recipe: trains again and again, judged by validation patients.

    The first trial is the shipped recipe. Ctrl-C ends the search; what is finished is kept in OUT,
    and the same command goes on there. A trial takes about as long as a fit without its teacher.

    Examples:

    `trainer tune --data training_setA --data training_setB --out runs/search --trials 30`

    `trainer tune --data stays.parquet --out runs/rates --knob learning_rate --knob memory_rate`
    """
    settings, faults = TrainerSettings(), list[str]()
    paths = data_paths(data, settings, faults)
    check_writable("--out", out, faults)
    base, wrong = Recipe().changed(fixed or [])
    knobs, unknown = chosen_knobs(knob)
    outside = [each.outside(base) for each in knobs if not each.holds(base)]
    refuse([*faults, *wrong, *base.problems(), *unknown, *outside])

    from trainer.cli.tables import trials_table  # noqa: PLC0415
    from trainer.progress import Reporter  # noqa: PLC0415
    from trainer.tune import search as tuning  # noqa: PLC0415

    use_threads(threads, settings)
    search = tuning.tune(
        paths,
        out,
        base,
        reporter=Reporter(),
        knobs=knobs,
        n_trials=trials,
        timeout_s=None if timeout is None else timeout * 60,
    )
    tuning.write(search, out)
    trials_table(search)
