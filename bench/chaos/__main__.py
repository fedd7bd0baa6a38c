"""`make chaos`: faults of every kind at all times, and an output that must not differ."""

from __future__ import annotations

import argparse
import contextlib
import random
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from bench.chaos.report import document, report
from bench.chaos.run import Plan, RunProgress, run
from bench.machine import describe
from bench.redis_groups import Group, cluster_group, sentinel_group
from streamer.local import LocalStack

GROUPS: Final[Mapping[str, Callable[[], AbstractContextManager[Group | None]]]] = {
    "server": contextlib.nullcontext,
    "sentinel": lambda: sentinel_group(n_replicas=2, n_sentinels=3),
    "cluster": lambda: cluster_group(replicas=True),
}


class Bar(RunProgress):
    """A progress bar on a terminal, a line now and then elsewhere."""

    def __init__(self, console: Console, plan: Plan) -> None:
        self._plan = plan
        self._console = console
        self._shown: tuple[str, int] = ("", -1)
        columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
        self.progress = Progress(*columns, console=console, disable=not console.is_terminal)
        self._task = self.progress.add_task("chaos", total=1.0)

    def in_faults(self, seconds: float, sent: int, faults: int) -> None:
        """See ``RunProgress``."""
        self._update("faults", seconds / self._plan.seconds, f"{sent:,} events, {faults} faults")

    def draining(self, left: int) -> None:
        """See ``RunProgress``."""
        self._update("peace", 1 - left / self._plan.events, f"{left:,} events left")

    def comparing(self, partitions: int, of: int) -> None:
        """See ``RunProgress``."""
        self._update("oracle", partitions / of, f"{partitions} of {of} partitions")

    def _update(self, phase: str, share: float, text: str) -> None:
        self.progress.update(self._task, completed=share, description=f"{phase}: {text}")
        tenth = (phase, int(share * 10))
        if not self._console.is_terminal and tenth != self._shown:
            self._shown = tenth
            self._console.print(f"{phase}: {text}", highlight=False)


def main() -> int:
    """Runs it and prints the tables; 1 if anything differs or went wrong."""
    parser = argparse.ArgumentParser(prog="python -m bench.chaos", description=__doc__)
    parser.add_argument(
        "--minutes", type=float, default=15, help="cause faults for so many minutes (default: 15)"
    )
    parser.add_argument("--events", type=int, help="send so many events (default: 1,150 a second)")
    parser.add_argument(
        "--seed", type=int, help="draw events and faults from this seed (default: a new one)"
    )
    parser.add_argument("--swaps", action="store_true", help="publish models in turns meanwhile")
    parser.add_argument(
        "--redis", choices=GROUPS, default="server",
        help="a server of its own, one with two replicas behind three Sentinels, or a Cluster of "
        "three masters with a replica each (default: server)",
    )  # fmt: skip
    parser.add_argument("--write", type=Path, help="write this Markdown file, too")
    parser.add_argument("--keep", type=Path, help="keep logs and data in this folder")
    arguments = parser.parse_args()
    console = Console(stderr=True)
    seed = arguments.seed if arguments.seed is not None else random.SystemRandom().randrange(10**6)
    seconds = arguments.minutes * 60
    plan = Plan(seed, seconds, arguments.events or int(1_150 * seconds), swaps=arguments.swaps)
    console.print(f"Seed {seed} (--seed {seed} draws the same events and faults again)")
    machine = describe()
    bar = Bar(console, plan)
    with (
        tempfile.TemporaryDirectory(prefix="vigil-chaos-") as name,
        GROUPS[arguments.redis]() as group,
        LocalStack(
            arguments.keep / "data" if arguments.keep else None,
            existing_redis=None if group is None else group.url,
        ) as stack,
        bar.progress,
    ):
        folder = arguments.keep or Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        outcome = run(stack, folder, plan, bar, group)
    print(report(plan, outcome, machine))
    if arguments.write:
        arguments.write.write_text(document(plan, outcome, machine))
    return 0 if outcome.holds else 1


if __name__ == "__main__":
    sys.exit(main())
