"""Views of rejected records: tables and text for people, plain objects for programs.

A rejected record may hold anything, so only printable characters of it reach a terminal.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Final, TypedDict

from rich.console import Console
from rich.table import Table
from rich.text import Text

from streamer.core.dead_letters import DeadLetter, Standing
from streamer.core.reasons import Reason
from streamer.feeds.message import rfc3339
from streamer.service.dead_letters import Overview, Replay

_MOST_SHOWN: Final = 16_384  # characters of a payload; --json has all of it
_DETAIL: Final = 60


def printable(content: bytes | None) -> str:
    r"""Writes bytes as text that is safe on a terminal.

    >>> printable(b"p1"), printable(None), printable(b"\xff\x1b[2J")
    ('p1', '-', '\\xff\\x1b[2J')
    """
    if content is None:
        return "-"
    text = content.decode(errors="backslashreplace")
    return "".join(
        c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text
    )


class Base64(TypedDict):
    """Bytes that are not UTF-8."""

    base64: str


class NewestJson(TypedDict):
    """One of the newest records, in short."""

    offset: int
    time: str
    reason: str
    detail: str
    key: str | Base64 | None
    origin: str
    standing: str


class OverviewJson(TypedDict):
    """Counts by reason and standing, and the newest records."""

    total: int
    reasons: list[dict[str, str | int]]
    records: list[NewestJson]


class RecordJson(TypedDict):
    """One record with all that is known of it; times are RFC 3339."""

    offset: int
    time: str
    reason: str
    meaning: str
    origin: str
    first_origin: str
    standing: str
    re_entered: str | None
    headers: dict[str, str]
    key: str | Base64 | None
    value: str | Base64 | None


class ReplayJson(TypedDict):
    """Counts of a replay, done or planned."""

    dry_run: bool
    re_entered: int
    chosen: int
    by_reason: dict[str, int]
    left_alone: dict[str, int]


def overview_json(overview: Overview) -> OverviewJson:
    """The counts and the newest records."""
    return {
        "total": sum(group.n for group in overview.groups.values()),
        "reasons": [
            {
                "reason": reason,
                "count": group.n,
                **{standing.replace("-", "_").replace(" ", "_"): group.standings[standing]
                   for standing in Standing},
                "oldest": rfc3339(group.oldest_ms),
                "newest": rfc3339(group.newest_ms),
            }
            for reason, group in overview.groups.items()
        ],
        "records": [
            {
                "offset": rejected.offset,
                "time": rfc3339(rejected.time_ms),
                "reason": rejected.reason,
                "detail": rejected.headers.get("detail", ""),
                "key": _text(rejected.key),
                "origin": str(rejected.origin or ""),
                "standing": standing,
            }
            for rejected, standing in overview.newest
        ],
    }  # fmt: skip


def print_overview(overview: Overview, console: Console) -> None:
    """Prints the counts by reason and the newest records."""
    if not overview.groups:
        console.print("No matching rejected records.")
        return
    counts = Table("reason", *Standing, "oldest", "newest", "meaning", box=None)
    for reason, group in overview.groups.items():
        counts.add_row(
            Text(reason or "-"),
            *(str(group.standings[standing]) for standing in Standing),
            rfc3339(group.oldest_ms),
            rfc3339(group.newest_ms),
            Text(_meaning(reason)),
        )
    console.print(counts)
    if overview.newest:
        console.print()
        newest = Table("offset", "time", "reason", "key", "came from", "detail", "", box=None)
        for rejected, standing in overview.newest:
            newest.add_row(
                str(rejected.offset),
                rfc3339(rejected.time_ms),
                Text(rejected.reason or "-"),
                Text(printable(rejected.key)),
                Text(str(rejected.origin or "-")),
                Text(printable(rejected.headers.get("detail", "").encode())[:_DETAIL]),
                "" if standing is Standing.WAITING else standing,
            )
        console.print(newest)


def record_json(rejected: DeadLetter, reentered: Mapping[int, int]) -> RecordJson:
    """One record with all that is known of it; bytes that are not UTF-8 are in base64."""
    mark_ms = reentered.get(rejected.offset)
    return {
        "offset": rejected.offset,
        "time": rfc3339(rejected.time_ms),
        "reason": rejected.reason,
        "meaning": _meaning(rejected.reason),
        "origin": str(rejected.origin or ""),
        "first_origin": rejected.first_origin,
        "standing": rejected.standing(reentered),
        "re_entered": None if mark_ms is None else rfc3339(mark_ms),
        "headers": dict(rejected.headers),
        "key": _text(rejected.key),
        "value": _text(rejected.value),
    }


def print_record(rejected: DeadLetter, reentered: Mapping[int, int], console: Console) -> None:
    """Prints one record for people."""
    mark_ms = reentered.get(rejected.offset)
    standing = str(rejected.standing(reentered))
    lines = {
        "reason": f"{rejected.reason or '-'}: {_meaning(rejected.reason)}",
        "standing": standing if mark_ms is None else f"{standing} {rfc3339(mark_ms)}",
        "refused": rfc3339(rejected.time_ms),
        "came from": str(rejected.origin or "-"),
        "key": printable(rejected.key),
        **{f"header {name}": printable(text.encode()) for name, text in rejected.headers.items()},
    }
    for name, text in lines.items():
        console.print(Text(f"{name:20} {text}"), soft_wrap=True)
    size = 0 if rejected.value is None else len(rejected.value)
    console.print(Text(f"{'payload':20} {size} bytes"))
    payload = _pretty(rejected.value)
    console.print(Text(payload[:_MOST_SHOWN]), soft_wrap=True)
    if len(payload) > _MOST_SHOWN:
        console.print(f"... cut after {_MOST_SHOWN} characters; --json has all of it")


def replay_json(done: Replay, *, dry_run: bool) -> ReplayJson:
    """The counts of a replay, done or planned."""
    return {
        "dry_run": dry_run,
        "re_entered": 0 if dry_run else done.chosen.total(),
        "chosen": done.chosen.total(),
        "by_reason": dict(done.chosen),
        "left_alone": {str(standing): n for standing, n in done.left.items()},
    }


def print_replay(done: Replay, console: Console, *, dry_run: bool) -> None:
    """Prints the counts of a replay, and after a plan the option that does it."""
    for reason, n in sorted(done.chosen.items()):
        console.print(Text(f"{n:8}  {reason or '-'}"))
    outcome = "would be re-entered" if dry_run else "re-entered"
    console.print(f"{done.chosen.total():8}  {outcome}", highlight=False)
    for standing, n in done.left.items():
        hint = "; add --again to replay them" if standing is Standing.REFUSED_AGAIN else ""
        console.print(f"{n:8}  left alone: {standing}{hint}", highlight=False)
    if dry_run and done.chosen:
        console.print("Nothing was done. Add --yes to do it.")


def _meaning(reason: str) -> str:
    return (
        Reason(reason).sentence
        if reason in set(Reason)
        else "Not a reason that this version knows."
    )


def _text(content: bytes | None) -> str | Base64 | None:
    if content is None:
        return None
    try:
        return content.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(content).decode()}


def _pretty(value: bytes | None) -> str:
    try:
        return printable(json.dumps(json.loads(value or b""), indent=2).encode())
    except ValueError:
        return printable(value)
