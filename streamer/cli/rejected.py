"""`streamer rejected`: what was refused, why, and back into the input topic after a fix."""

from __future__ import annotations

import json
import re
import sys
import time
from typing import Annotated, Final, NoReturn, TypeAlias

import typer
from rich.console import Console

from streamer.cli import rejected_view as view
from streamer.cli.report import Report
from streamer.core.rejected import Selection
from streamer.core.rejections import Reason
from streamer.core.time import BadTimeError, read_ms
from streamer.ports.log import Interrupted, LogUnavailable
from streamer.service.rejected import Replay, opened, overview, plan
from streamer.service.rejected import replay as replayed
from streamer.service.settings import Settings

_UNIT_MS: Final = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="""What was refused, why, and back into the input topic after a fix.

    The service puts every event that it cannot take on `vitals.rejected`, as it came, with the
    reason. Nothing is lost: look, mend the cause, replay.

    Examples:

    `streamer rejected list --since 24h`

    `streamer rejected show 17`

    `streamer rejected replay --reason future_time`, which counts, and with `--yes`, which does it
    """,
)

Json: TypeAlias = Annotated[bool, typer.Option("--json", help="For programs.")]
Reasons: TypeAlias = Annotated[
    list[Reason] | None, typer.Option("--reason", help="Only this reason; may be given again.")
]
Since: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="AGE|TIME", help="Refused at most so long ago (`30m`, `6h`, `2d`), or since a time."
    ),
]


@app.command("list")
def list_rejected(
    reason: Reasons = None,
    since: Since = None,
    limit: Annotated[int, typer.Option(min=0, help="How many of the newest to list.")] = 20,
    as_json: Json = False,
) -> None:
    """Counts what was refused by reason, and lists the newest.

    *waiting*: never re-entered. *re-entered*: put back by `replay`. *refused again*: came from a
    replay and was refused once more; the cause is not mended. *without value*,
    *truncated*: nothing, or not all of it, to replay.
    """
    selection = Selection(frozenset(reason or ()), since_ms=_since_ms(since))
    _, topic = opened(Settings())
    with Report("reading the rejected topic"):
        found = overview(topic, selection, limit)
    if as_json:
        print(json.dumps(view.overview_json(found)))
    else:
        view.print_overview(found, Console())


@app.command()
def show(
    offset: Annotated[int, typer.Argument(metavar="OFFSET", min=0, help="As `list` gives it.")],
    as_json: Json = False,
) -> None:
    """Shows one refused record: reason, where it came from, headers, payload.

    Exits with 1 when there is no such record.
    """
    _, topic = opened(Settings())
    rejected = topic.at(offset)
    if rejected is None:
        first, end = topic.bounds()
        kept = f"it holds offsets {first} to {end - 1}, with gaps" if end > first else "it is empty"
        _fail(f"no record of the rejected topic has offset {offset}: {kept}")
    reentered = topic.reentered()
    if as_json:
        print(json.dumps(view.record_json(rejected, reentered)))
    else:
        view.print_record(rejected, reentered, Console())


@app.command()
def replay(
    reason: Reasons = None,
    since: Since = None,
    offsets: Annotated[
        str | None, typer.Option(metavar="N|N-M", help="Only these, both ends included.")
    ] = None,
    partition: Annotated[
        int | None, typer.Option(min=0, help="Only what came from this partition of `vitals`.")
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Also what was replayed before and refused again.")
    ] = False,
    repartition: Annotated[
        bool,
        typer.Option(
            "--repartition",
            help="To the partition of the key by Kafka's own rule (murmur2), instead of back to "
            "where it was: for `other_partition`, after its producers were mended.",
        ),
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes/--dry-run", help="Do it; without it, only count.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Puts refused records back into the input topic after a fix, each exactly once.

    Key and payload stay as they came; the record is as of now. It counts unless `--yes` is given.
    It may be killed, repeated, or run twice at a time: a record and the mark that it was re-entered
    are one transaction. What is refused again comes back to the rejected topic, with the header
    `replayed-of`, and is left alone from then on unless `--again` is given. A payload that is
    itself wrong must be sent anew by its source.

    Example: after the clock of a monitor was set right by waiting an hour,
    `streamer rejected replay --reason future_time --since 1d --yes`
    """
    wanted = None if offsets is None else _range(offsets)
    selection = Selection(frozenset(reason or ()), wanted, partition, _since_ms(since))
    options, topic = opened(Settings())
    done = Replay()
    with Report("replay" if yes else "reading the rejected topic") as report:
        if not yes:
            done = plan(topic, selection, again=again)
        else:
            try:
                replayed(
                    options, topic, selection, done,
                    again=again, repartition=repartition,
                    progress=lambda: report.update(f"{done.chosen.total()} re-entered"),
                )  # fmt: skip
            except (Interrupted, LogUnavailable, KeyboardInterrupt) as error:
                _fail(
                    f"{str(error) or 'cut off'}; at least {done.chosen.total()} records were "
                    "re-entered. Run it again: nothing is doubled"
                )
    if wanted is not None and not done.chosen and not done.left:
        _fail(f"no chosen record of the rejected topic has an offset in {offsets}")
    if as_json:
        print(json.dumps(view.replay_json(done, dry_run=not yes)))
    else:
        view.print_replay(done, Console(), dry_run=not yes)


def _since_ms(text: str | None) -> int | None:
    if text is None:
        return None
    if age := re.fullmatch(r"(\d+)([smhd])", text):
        return int(time.time() * 1000) - int(age[1]) * _UNIT_MS[age[2]]
    try:
        return read_ms(text)
    except BadTimeError as error:
        raise typer.BadParameter(
            f"--since {text!r} is neither 30m, 6h, 2d nor a time: {error}"
        ) from None


def _range(text: str) -> range:
    ends = re.fullmatch(r"(\d+)(?:-(\d+))?", text)
    if ends is None:
        raise typer.BadParameter(f"--offsets is a number or two with a dash, not {text!r}")
    return range(int(ends[1]), int(ends[2] or ends[1]) + 1)


def _fail(says: str) -> NoReturn:
    print(f"Error: {says}", file=sys.stderr)
    raise typer.Exit(1)
