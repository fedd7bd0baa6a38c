"""`streamer rejected`: list rejected events and replay them into the input topic after a fix."""

from __future__ import annotations

import re
import time
from typing import Annotated, Final, NoReturn, TypeAlias

import typer

from streamer.cli import rejected_view as view
from streamer.cli.progress import Report
from streamer.cli.times import parse_time_ms
from streamer.core.dead_letters import Selection
from streamer.core.reasons import Reason
from streamer.core.time import DAY_MS, HOUR_MS, MINUTE_MS
from streamer.ports.log import Interrupted, LogUnavailable
from streamer.process.audit import audited
from streamer.process.terminal import say, say_json, say_lines
from streamer.service.dead_letters import Replay, open_rejected_topic, overview, plan
from streamer.service.dead_letters import replay as replayed
from streamer.service.settings import Settings

_UNIT_MS: Final = {"s": 1_000, "m": MINUTE_MS, "h": HOUR_MS, "d": DAY_MS}

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="""List rejected events, and replay them into the input topic after a fix.

    The service puts each event that it cannot process on `vitals.rejected`, as it came, with the
    reason. Nothing is lost: look at them, mend the cause, replay them.

    Examples:

    `streamer rejected list --since 24h`

    `streamer rejected show 17`

    `streamer rejected replay --reason future_time` (counts; with `--yes` it replays)
    """,
)

Json: TypeAlias = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Reasons: TypeAlias = Annotated[
    list[Reason] | None,
    typer.Option("--reason", help="Only events with this reason; may be repeated. Default: all."),
]
Since: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="AGE|TIME",
        help="Only events rejected within this age (`30m`, `6h`, `2d`) or since this RFC 3339 "
        "time. Default: all.",
    ),
]


@app.command("list")
def list_rejected(
    reason: Reasons = None,
    since: Since = None,
    limit: Annotated[int, typer.Option(min=0, help="List this many of the newest.")] = 20,
    as_json: Json = False,
) -> None:
    """Count rejected events by reason, and list the newest.

    *waiting*: never replayed. *re-entered*: put back by `replay`. *refused again*: replayed and
    rejected once more, because the cause is not mended. *without value*, *truncated*: cannot be
    replayed, because the value is missing or cut.
    """
    selection = Selection(frozenset(reason or ()), since_ms=_since_ms(since))
    topic = open_rejected_topic(Settings())
    with Report("reading the rejected topic"):
        counts = overview(topic, selection, limit)
    if as_json:
        say_json(view.overview_json(counts))
    else:
        say_lines(view.overview_lines(counts))


@app.command()
def show(
    offset: Annotated[
        int,
        typer.Argument(
            metavar="OFFSET", min=0, help="Offset in the rejected topic, as `list` prints it."
        ),
    ],
    as_json: Json = False,
) -> None:
    """Show one rejected record: reason, origin, headers, payload.

    Exits with 1 when there is no such record.
    """
    topic = open_rejected_topic(Settings())
    rejected = topic.at(offset)
    if rejected is None:
        first, end = topic.bounds()
        kept = f"it holds offsets {first} to {end - 1}, with gaps" if end > first else "it is empty"
        _fail(f"no record of the rejected topic has offset {offset}: {kept}")
    reentered = topic.reentered()
    if as_json:
        say_json(view.record_json(rejected, reentered))
    else:
        say_lines(view.record_lines(rejected, reentered))


@app.command()
def replay(
    reason: Reasons = None,
    since: Since = None,
    offsets: Annotated[
        str | None,
        typer.Option(metavar="N|N-M", help="Only these offsets, both ends included. Default: all."),
    ] = None,
    partition: Annotated[
        int | None,
        typer.Option(min=0, help="Only records of this partition of `vitals`. Default: all."),
    ] = None,
    again: Annotated[
        bool,
        typer.Option(
            "--again", help="Include records that were replayed before and rejected again."
        ),
    ] = False,
    repartition: Annotated[
        bool,
        typer.Option(
            "--repartition",
            help="Send to the partition that Kafka's own rule (murmur2) gives the key, instead of "
            "the original one: for `other_partition`, after its producers were mended.",
        ),
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes/--dry-run", help="Replay them; default: only count.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Put rejected records back into the input topic after a fix, each exactly once.

    Key and payload stay as they came; the record has the present time. Without `--yes` it only
    counts. It may be killed, repeated, or run twice at a time: a record and the mark that it was
    re-entered are one transaction. A record that is rejected again comes back to the rejected topic
    with the header `replayed-of`; only `--again` replays it once more. A payload that is itself
    wrong must be sent anew by its source.

    Example: after the clock of a monitor was set right by waiting an hour,
    `streamer rejected replay --reason future_time --since 1d --yes`
    """
    chosen = None if offsets is None else _range(offsets)
    selection = Selection(frozenset(reason or ()), chosen, partition, _since_ms(since))
    settings = Settings()
    topic = open_rejected_topic(settings, to_replay=yes)
    done = Replay()
    with Report("replay" if yes else "reading the rejected topic") as report:
        if not yes:
            done = plan(topic, selection, again=again)
        else:
            try:
                with audited(settings.audit_file, "replay rejected", "") as action:
                    try:
                        replayed(
                            topic, selection, done, again=again, repartition=repartition,
                            progress=lambda: report.update(f"{done.chosen.total()} re-entered"),
                        )  # fmt: skip
                    finally:
                        action.target = _records(settings, selection, done)
            except (Interrupted, LogUnavailable, KeyboardInterrupt) as error:
                _fail(
                    f"{str(error) or 'cut off'}; at least {done.chosen.total()} records were "
                    "re-entered. Run it again: nothing is doubled"
                )
    if chosen is not None and not done.chosen and not done.left:
        _fail(f"no chosen record of the rejected topic has an offset in {offsets}")
    if as_json:
        say_json(view.replay_json(done, dry_run=not yes))
    else:
        say_lines(view.replay_lines(done, dry_run=not yes))


def _records(settings: Settings, selection: Selection, done: Replay) -> str:
    """What was replayed, for the audit line."""
    reasons = ",".join(sorted(selection.reasons)) or "all reasons"
    offsets = "" if selection.offsets is None else f", offsets {selection.offsets}"
    return f"{done.chosen.total()} records of {settings.topic_rejected} ({reasons}{offsets})"


def _since_ms(text: str | None) -> int | None:
    if text is None:
        return None
    if age := re.fullmatch(r"(\d+)([smhd])", text):
        return int(time.time() * 1000) - int(age[1]) * _UNIT_MS[age[2]]
    return parse_time_ms(text, "--since", "30m, 6h, 2d or RFC 3339")


def _range(text: str) -> range:
    ends = re.fullmatch(r"(\d+)(?:-(\d+))?", text)
    if ends is None:
        raise typer.BadParameter(f"--offsets is a number or two with a dash, not {text!r}")
    return range(int(ends[1]), int(ends[2] or ends[1]) + 1)


def _fail(message: str) -> NoReturn:
    say(f"Error: {message}", error=True)
    raise typer.Exit(1)
