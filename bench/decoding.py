"""Cost of decoding: microseconds of processor time an event, from JSON to columns.

    python -m bench.decoding

The events are the ward's, as they stand in Kafka. Below the two ways of the service stand the parts
that were tried for the new one, so that the choice can be made again when the libraries change.
"""

from __future__ import annotations

import argparse
import gc
import time
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Final, NotRequired

import msgspec
import numpy as np
import orjson
from numpy.typing import NDArray
from pydantic import TypeAdapter
from rich.console import Console
from rich.table import Table
from typing_extensions import TypedDict

from bench.machine import describe
from streamer.core.columns import decode
from streamer.core.events import milliseconds
from streamer.core.observations import Observation, read_plain
from streamer.core.records import Record, Records
from streamer.core.time import HOUR_MS
from streamer.core.time_batches import read_many_ms
from streamer.core.variables import INDEX, VARIABLES
from streamer.sim.scenario import Scenario
from streamer.sim.ward import ward

_START_MS: Final = 1_767_225_600_000  # 2026-01-01T00:00:00Z
_ROUNDS: Final = 9
_BATCHES: Final = (500, 50, 5, 1)

_ByName = msgspec.defstruct(
    "_ByName", [(variable.name, float, float("nan")) for variable in VARIABLES], gc=False
)


class _Checked(TypedDict):
    """An event as pydantic reads it."""

    patient_id: str
    time: str | int
    values: dict[str, float | None]
    type: NotRequired[str]


class _Wide(msgspec.Struct, gc=False):
    """An event whose values are a struct with a field for each variable."""

    patient_id: str
    time: str | int
    values: _ByName  # type: ignore[valid-type]


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=20_000)
    n_events = parser.parse_args(arguments).events
    records = ward_records(n_events)
    n_bytes = sum(len(value or b"") for value in records.values) / len(records)
    console = Console()
    console.print(f"{describe()}; {len(records):,} events of {n_bytes:.0f} bytes on average")
    table = Table(title="JSON to columns, µs an event")
    for name in ("events in a batch", "one by one", "at once"):
        table.add_column(name, justify="right")
    for size in _BATCHES:
        old, new = fastest(
            len(records),
            lambda size=size: in_batches(records, size, read_nothing),  # type: ignore[misc]
            lambda size=size: in_batches(records, size, read_plain),  # type: ignore[misc]
        )
        table.add_row(f"{size}", f"{old:.2f}", f"{new:.2f}")
    console.print(table)
    console.print(parts(records))


def ward_records(n_events: int) -> Records:
    """Returns the first events of a ward of fifty beds as the records of a log."""
    scenario = Scenario(beds=50, hours=None, start_ms=_START_MS, vitals_every_s=60.0)
    vitals = (message for message in ward(scenario) if message.topic == "vitals")
    return Records.of(
        Record(0, i, message.due_ms, message.key.encode(), orjson.dumps(message.value))
        for i, message in enumerate(islice(vitals, n_events))
    )


def read_nothing(
    values: Sequence[bytes | None], _keys: Sequence[bytes | None]
) -> tuple[list[Observation | None], NDArray[np.int64]]:
    """Is never sure, so that every event is parsed one by one."""
    return [None] * len(values), np.zeros(len(values), np.int64)


def in_batches(records: Records, size: int, read: Callable[..., object]) -> None:
    """Decodes all records, so many at a time."""
    for begin in range(0, len(records), size):
        decode(records[begin : begin + size], HOUR_MS, read)  # type: ignore[arg-type]


def fastest(n_events: int, *ways: Callable[[], object]) -> list[float]:
    """Returns the least processor time of each way, in µs an event; the ways take turns."""
    least = [float("inf")] * len(ways)
    gc.collect()
    for _ in range(_ROUNDS):
        for i, way in enumerate(ways):
            begun = time.process_time()
            way()
            least[i] = min(least[i], time.process_time() - begun)
    return [seconds / n_events * 1e6 for seconds in least]


def parts(records: Records) -> Table:
    """Measures what was tried for each part, on the observations alone."""
    values = [value for value in records.values if value and b'"observation"' in value]
    typed = msgspec.json.Decoder(Observation).decode
    wide = msgspec.json.Decoder(_Wide).decode
    pydantic = TypeAdapter(_Checked).validator.validate_json
    untyped = msgspec.json.Decoder().decode
    events = [typed(value) for value in values]
    wides = [wide(value) for value in values]
    texts = [event.time for event in events if isinstance(event.time, str)]
    ways: dict[str, Callable[[], object]] = {
        "JSON: orjson to dictionaries, nothing checked": lambda: [orjson.loads(v) for v in values],
        "JSON: msgspec to dictionaries, nothing checked": lambda: [untyped(v) for v in values],
        "JSON: pydantic, typed, strict": lambda: [pydantic(v, strict=True) for v in values],
        "JSON: msgspec, typed, values by name (used)": lambda: list(map(typed, values)),
        "JSON: msgspec, typed, values as a struct of 34": lambda: list(map(wide, values)),
        "cells: orjson's dictionaries, checked in a loop": lambda: checked_in_a_loop(values),
        "cells: from values by name": lambda: [
            np.fromiter((INDEX.get(n, -1) for event in events for n in event.values), np.int16),
            np.array([number for event in events for number in event.values.values()], float),
        ],
        "cells: from a struct of 34": lambda: np.array(
            [msgspec.structs.astuple(event.values) for event in wides]
        ),
        "time: one by one": lambda: [milliseconds(text) for text in texts],
        "time: at once (used)": lambda: read_many_ms(texts),
    }
    table = Table(title="The parts, µs an observation")
    table.add_column("part and way")
    table.add_column("µs", justify="right")
    for name, cost in zip(ways, fastest(len(values), *ways.values()), strict=True):
        table.add_row(name, f"{cost:.2f}")
    return table


def checked_in_a_loop(values: Sequence[bytes]) -> tuple[list[int], list[float]]:
    """Decodes with orjson and checks the types of what an observation must have, by hand."""
    variables: list[int] = []
    numbers: list[float] = []
    for value in values:
        event = orjson.loads(value)
        if not (isinstance(event, dict) and isinstance(event.get("patient_id"), str)):
            continue
        if not isinstance(event.get("time"), str | int) or not isinstance(event["values"], dict):
            continue
        for name, number in event["values"].items():
            if number.__class__ is float or number.__class__ is int:
                variables.append(INDEX.get(name, -1))
                numbers.append(number)
    return variables, numbers


if __name__ == "__main__":
    main()
