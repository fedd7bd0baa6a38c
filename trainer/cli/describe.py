"""`trainer describe`: what stays hold, beside the public data, and what is wrong with them."""

from __future__ import annotations

from typing import Annotated

import typer

from streamer.process.terminal import say, say_json
from trainer.cli.options import Data, TaskFile, data_paths, refuse, task_in
from trainer.settings import TrainerSettings


def describe(
    data: Data = None,
    task_file: TaskFile = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object instead of tables.")
    ] = False,
) -> None:
    """Describe stays beside the public data, and say what cannot be right with them.

    Labels may be absent. Exits with 1 where `trainer fit` would refuse the data.

    Example:

    `trainer describe --data our_icu.parquet`
    """
    settings, faults = TrainerSettings(), list[str]()
    paths = data_paths(data, settings, faults)
    task = task_in(task_file, faults)
    refuse(faults)

    from trainer.cli.tables import report_tables  # noqa: PLC0415 - help needs none of it
    from trainer.data.cohort import load_unlabelled  # noqa: PLC0415
    from trainer.data.finding import Kind  # noqa: PLC0415
    from trainer.data.report import DataReport  # noqa: PLC0415
    from trainer.progress import Reporter  # noqa: PLC0415

    with Reporter().follow("reading") as progress:
        cohort = load_unlabelled(paths, progress, task)
    report = DataReport.of(cohort)
    if as_json:
        say_json(report.to_json())
    else:
        report_tables(report)
        for finding in report.findings:
            say(f"{finding.kind}: {finding.text}")
        if not report.findings:
            say("nothing that a bedside would not record")
    if report.names(Kind.REFUSAL):
        raise typer.Exit(1)
