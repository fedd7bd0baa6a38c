"""Mutated events: whatever comes in on `vitals` is answered, and nothing crashes.

`python -m bench.mutated_events` mutates valid events in bytes and in structure, takes them through
decoder and scorer in batches of any size, and prints what became of them. Each event must be taken
or rejected with a reason, each message must be sound JSON with risks from 0 to 1.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from streamer.bundles import bundle
from streamer.bundles.build import build
from streamer.core.columns import decode
from streamer.core.messages import headers, rejected, write
from streamer.core.model import Model
from streamer.core.reasons import Reason
from streamer.core.records import Record
from streamer.core.scoring import Scorer
from streamer.core.stays import StayTable
from streamer.core.variables import VARIABLES

Json = object
_START_MS: Final = 1_795_255_200_000
_HOUR_MS: Final = 3_600_000
_LASTS_MS: Final = 72 * _HOUR_MS
_MOST_A_BATCH: Final = 400
_PATIENTS: Final = 40
_ODD: Final[tuple[Json, ...]] = (
    None, True, False, 0, -0.0, -1, 1e308, 10**30, 2**63, 5e-324, "", " ", "x" * 300, "\x00",
    "\x1b[2J", "\u202eid", "\ud800", "NaN", "1e999", "<0.01", ">= 15", "7,4", [], {}, [[]],
    {"a": {}}, [1, 2], "2026-11-21T10:00:00Z", "20261121100000+0000", 1795255200,
    "2016-12-31T23:59:60Z", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "discharge",
    "admission", "mmol/L", 255, "p1",
)  # fmt: skip
_NAMES: Final = (
    "type", "patient_id", "time", "values", "units", "revision", "cancelled", "ward", "bed", "age",
    "sex", "icu_type", "label", "drug", "action", "hours_since_hospital_admission", "heart_rate",
)  # fmt: skip
_BYTES: Final = (
    b"\x00", b"\xff", b"\xed\xa0\x80", b'"', b"\\", b"{", b"}", b"[" * 2000, b"1" * 400, b"e", b"-",
    b"NaN", b"Infinity", b"\\u0000", b"\\ud800", b",", b":", b"\xef\xbb\xbf",
)  # fmt: skip


class Unanswered(AssertionError):
    """An event that was neither taken nor rejected, or a message that nobody could use."""


def valid_event(draws: random.Random, now_ms: int) -> dict[str, Json]:
    """An event of any type, of one of some patients, some minutes late and at times some days."""
    event: dict[str, Json] = {
        "type": draws.choice(
            ["observation"] * 8 + ["admission", "discharge", "transfer", "medication"]
        ),
        "patient_id": f"p{draws.randrange(_PATIENTS)}",
        "time": now_ms - round(draws.expovariate(1) ** 3 * _HOUR_MS / 2),
    }
    chosen = draws.sample(VARIABLES, draws.randrange(6))
    more: dict[str, dict[str, Json]] = {
        "observation": {
            "values": {v.name: draws.uniform(v.low, v.high) for v in chosen},
            "units": {v.name: v.ucum for v in chosen[:2]},
            "revision": draws.choice([0, 0, 0, 1, 255]),
        },
        "admission": {
            "age": draws.uniform(18, 99),
            "sex": "male",
            "icu_type": "medical",
            "bed": "7",
        },
        "discharge": {"cancelled": draws.random() < 0.3},
        "transfer": {"ward": "B", "bed": "2"},
        "medication": {"drug": "noradrenaline", "class": "vasopressor", "action": "start"},
    }
    return event | more[str(event["type"])]


def mutated(draws: random.Random, now_ms: int) -> tuple[bytes | None, bytes | None]:
    """Key and value of a record: a valid event, changed some times or not at all."""
    event: Json = valid_event(draws, now_ms)
    key: bytes | None = str(event["patient_id"]).encode() if isinstance(event, dict) else None
    for _ in range(draws.choice([0, 0, 1, 1, 1, 3])):
        event = _restructured(draws, event)
    value: bytes | None = json.dumps(event, ensure_ascii=draws.random() < 0.5).encode(
        errors="surrogatepass"
    )
    for _ in range(draws.choice([0, 0, 0, 0, 1, 2])):
        value = _rewritten(draws, value or b"")
    if draws.random() < 0.02:
        value = draws.choice([None, b"", b"null", b"x" * 70_000, b"[" * 60_000, b"\xff" * 9])
    if draws.random() < 0.03:
        key = draws.choice([None, b"", b"\xff", b"p1", b"other"])
    return key, value


def _restructured(draws: random.Random, event: Json) -> Json:
    """Replaces, removes, renames or nests one part of an event."""
    if not isinstance(event, dict) or not event or draws.random() < 0.02:
        return draws.choice([event, [event], draws.choice(_ODD)])
    changed = dict(event)
    name = draws.choice(list(changed))
    inner = changed[name]
    if isinstance(inner, dict) and inner and draws.random() < 0.6:
        changed[name] = _restructured(draws, inner)
        return changed
    match draws.randrange(4):
        case 0:
            changed[name] = draws.choice(_ODD)
        case 1:
            del changed[name]
        case 2:
            changed[draws.choice(_NAMES)] = changed.pop(name)
        case _:
            changed[draws.choice(_NAMES)] = draws.choice(_ODD)
    return changed


def _rewritten(draws: random.Random, value: bytes) -> bytes:
    """Changes, inserts, repeats or cuts some bytes."""
    at = draws.randrange(len(value) + 1)
    end = min(at + draws.randrange(1, 30), len(value))
    match draws.randrange(4):
        case 0:
            return value[:at] + bytes([draws.randrange(256)]) + value[at + 1 :]
        case 1:
            return value[:at] + draws.choice(_BYTES) + value[at:]
        case 2:
            return value[:end] + value[at:]
        case _:
            return value[:at] + value[end:]


def batches(draws: random.Random, n_events: int) -> Iterator[list[Record]]:
    """Mutated events as records, in batches of 1 to some hundred."""
    offset = 0
    while offset < n_events:
        size = min(draws.choice([1, 2, 17, _MOST_A_BATCH]), n_events - offset)
        now_ms = _START_MS + _LASTS_MS * offset // n_events
        yield [Record(0, offset + i, now_ms, *mutated(draws, now_ms)) for i in range(size)]
        offset += size


def answers(
    model: Model, n_events: int, seed: int, progress: Callable[[int], None] | None = None
) -> Counter[str]:
    """Takes mutated events, and counts what became of them: `taken`, `message` and each reason.

    Raises:
        Unanswered: an event or a message is not sound.
    """
    scorer = Scorer(model, StayTable(model.architecture), 60_000)
    counts: Counter[str] = Counter()
    for batch in batches(random.Random(seed), n_events):
        columns = decode(batch, _HOUR_MS)
        outcome = scorer.score(columns, [0] * len(columns.patients))
        refused = [rejection.record for rejection in outcome.rejections]
        if len(set(refused)) != len(refused) or not all(0 <= r < len(batch) for r in refused):
            raise Unanswered(f"rejected twice, or a record of nobody: {refused}")
        decoded = set(columns.record.tolist())
        for index in range(len(batch)):
            if index not in decoded and index not in set(refused):
                raise Unanswered(f"neither taken nor rejected: {batch[index]}")
        for rejection in outcome.rejections:
            counts[Reason(rejection.reason).value] += 1
            rejected(rejection, batch[rejection.record], "vitals")
            rejection.detail.encode(errors="replace")
        counts["taken"] += len(batch) - len(refused)
        for message in write(outcome, columns.record.tolist(), batch, model, scorer.table):
            headers(message, batch[message.record])
            content = json.loads(message.value or b"null")
            counts["message"] += 1
            if message.kind not in ("risk", "alert"):
                continue
            if not (math.isfinite(content["risk"]) and 0 <= content["risk"] <= 1):
                raise Unanswered(f"a risk of {content['risk']}: {content}")
        if progress is not None:
            progress(len(batch))
    return counts


def main() -> int:
    """Takes mutated events and prints what became of them; 1 if one was not answered."""
    parser = argparse.ArgumentParser(prog="python -m bench.mutated_events", description=__doc__)
    parser.add_argument("--events", type=int, default=100_000, help="number of mutated events")
    parser.add_argument("--seed", type=int, default=1, help="seed of the mutations")
    parser.add_argument("--model", type=Path, default=bundle.SHIPPED, help="folder of a bundle")
    arguments = parser.parse_args()
    began = time.monotonic()
    try:
        counts = answers(build(bundle.load(arguments.model)), arguments.events, arguments.seed)
    except Unanswered as error:
        print(f"not answered: {error}", file=sys.stderr)
        return 1
    print(f"{arguments.events} events in {time.monotonic() - began:.0f} s, all answered")
    for name, count in counts.most_common():
        print(f"{count:8}  {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
