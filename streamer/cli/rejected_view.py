"""Views of rejected records: lines for people, plain objects for programs.

A rejected record may hold anything; `streamer.process.terminal` escapes it when it is printed.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from typing import Final, TypedDict

from streamer.core.dead_letters import DeadLetter, Standing
from streamer.core.reasons import Reason
from streamer.core.time import rfc3339, rfc3339_or_none
from streamer.process.terminal import printable, table
from streamer.service.dead_letters import Overview, Replay

_MOST_SHOWN: Final = 16_384  # characters of a payload; --json has all of it
_DETAIL: Final = 120  # characters in a list; `show` has all of it


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


def overview_lines(overview: Overview) -> Iterator[str]:
    """Writes the counts by reason, and the newest records, a line each."""
    if not overview.groups:
        yield "No matching rejected records."
        return
    counts = [
        (
            reason or None,
            *(str(group.standings[standing]) for standing in Standing),
            rfc3339(group.oldest_ms),
            rfc3339(group.newest_ms),
            _meaning(reason),
        )
        for reason, group in overview.groups.items()
    ]
    head = ("reason", *Standing, "oldest", "newest", "meaning")
    yield from table(head, counts, right=range(1, 1 + len(Standing)))
    if overview.newest:
        yield ""
        newest = [
            (
                str(rejected.offset),
                rfc3339(rejected.time_ms),
                rejected.reason or None,
                rejected.key,
                str(rejected.origin or "-"),
                "" if standing is Standing.WAITING else standing,
                _short(printable(rejected.headers.get("detail", ""))),
            )
            for rejected, standing in overview.newest
        ]
        yield from table(("offset", "time", "reason", "key", "came from", "", "detail"), newest)


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
        "re_entered": rfc3339_or_none(mark_ms),
        "headers": dict(rejected.headers),
        "key": _text(rejected.key),
        "value": _text(rejected.value),
    }


def record_lines(rejected: DeadLetter, reentered: Mapping[int, int]) -> Iterator[str]:
    """Writes one record for people."""
    mark_ms = reentered.get(rejected.offset)
    standing = str(rejected.standing(reentered))
    fields = {
        "reason": f"{rejected.reason or '-'}: {_meaning(rejected.reason)}",
        "standing": standing if mark_ms is None else f"{standing} {rfc3339(mark_ms)}",
        "refused": rfc3339(rejected.time_ms),
        "came from": str(rejected.origin or "-"),
        "key": printable(rejected.key),
        **{f"header {name}": text for name, text in rejected.headers.items()},
        "payload": f"{0 if rejected.value is None else len(rejected.value)} bytes",
    }
    for name, text in fields.items():
        yield f"{name:20} {text}"
    payload = _pretty(rejected.value)
    yield from payload[:_MOST_SHOWN].split("\n")
    if len(payload) > _MOST_SHOWN:
        yield f"... cut after {_MOST_SHOWN} characters; --json has all of it"


def replay_json(done: Replay, *, dry_run: bool) -> ReplayJson:
    """The counts of a replay, done or planned."""
    return {
        "dry_run": dry_run,
        "re_entered": 0 if dry_run else done.chosen.total(),
        "chosen": done.chosen.total(),
        "by_reason": dict(done.chosen),
        "left_alone": {str(standing): n for standing, n in done.left.items()},
    }


def replay_lines(done: Replay, *, dry_run: bool) -> Iterator[str]:
    """Writes the counts of a replay, and after a plan the option that does it."""
    for reason, n in sorted(done.chosen.items()):
        yield f"{n:8}  {reason or '-'}"
    outcome = "would be re-entered" if dry_run else "re-entered"
    yield f"{done.chosen.total():8}  {outcome}"
    for standing, n in done.left.items():
        hint = "; add --again to replay them" if standing is Standing.REFUSED_AGAIN else ""
        yield f"{n:8}  left alone: {standing}{hint}"
    if dry_run and done.chosen:
        yield "Nothing was done. Add --yes to do it."


def _short(detail: str) -> str:
    return detail if len(detail) <= _DETAIL else f"{detail[: _DETAIL - 3]}..."


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
        return json.dumps(json.loads(value or b""), indent=2)
    except (ValueError, RecursionError):  # no JSON, or deeper than anything an event could be
        return printable(value)
