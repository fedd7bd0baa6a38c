"""What `last` costs in risk messages: microseconds of processor time, in one process.

    python -m bench.last_cost

A load of `bench.scoring` passes through the service's parts, and what risk messages are made of is
kept. Then they are made again from it, with `last` and with an empty one, in turns. Of many turns
the least counts. What the longer messages cost on their way to Kafka is not in it.
"""

from __future__ import annotations

import argparse
import gc
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from itertools import repeat
from typing import Final
from unittest.mock import patch

from bench.machine import describe
from bench.scoring import cost_us, loads
from streamer.core import messages, risk_messages
from streamer.core.assessment import Assessments
from streamer.core.model import Model

_SCORED: Final = ("1 Hz ward", "hourly, each scored")
_PASSES: Final = 2  # of the whole load, for its cost an event

Wave = tuple[Assessments, tuple[Sequence[int], Sequence[int]], Model]


def _with_empty_last() -> AbstractContextManager[object]:
    """Risk messages have an empty `last`, which nothing is collected for."""
    empty = risk_messages._Last()
    return patch.multiple(
        risk_messages, _shown=lambda _wave: (repeat(None),), _Last=lambda _none: empty
    )


def _keeping(waves: list[Wave]) -> AbstractContextManager[object]:
    """Keeps what risk messages are made of."""

    def keep(*wave: *Wave) -> tuple[list[bytes], list[str]]:
        waves.append(wave)
        return risk_messages.write_risks(*wave)

    return patch.object(messages, "write_risks", keep)


def _us(waves: list[Wave]) -> float:
    """Makes all risk messages."""
    began = time.process_time()
    for wave in waves:
        risk_messages.write_risks(*wave)
    return (time.process_time() - began) * 1e6


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints a line for each load."""
    parser = argparse.ArgumentParser(prog="python -m bench.last_cost", description=__doc__)
    parser.add_argument("--events", type=int, default=80_000)
    parser.add_argument("--turns", type=int, default=15)
    chosen = parser.parse_args(arguments)
    stored = loads(chosen.events)
    print(f"Machine: {describe()}; least CPU µs of {chosen.turns} turns.\n")
    print("| load | an event in all | a risk message | without `last` | `last`: of an event |")
    print("|---|---|---|---|---|")
    for title in _SCORED:
        polls, interval_ms, silent = stored[title]
        waves: list[Wave] = []
        with _keeping(waves):
            cost_us(polls, interval_ms, silent)
        passes = [cost_us(polls, interval_ms, silent)[0] for _ in range(_PASSES)]
        event_us = min(sum(costs.values()) for costs in passes)
        full_us, empty_us = float("inf"), float("inf")
        gc.collect()
        gc.disable()  # as in the service
        for _ in range(chosen.turns):
            full_us = min(full_us, _us(waves))
            with _with_empty_last():
                empty_us = min(empty_us, _us(waves))
        gc.enable()
        risks = sum(len(wave.patients) for wave, _, _ in waves)
        events = sum(map(len, polls))
        cost_of_event = (full_us - empty_us) / events
        print(
            f"| {title} | {event_us:.2f} | {full_us / risks:.2f} | {empty_us / risks:.2f} "
            f"| {cost_of_event:.2f} ({100 * cost_of_event / event_us:.1f} %) |"
        )


if __name__ == "__main__":
    main()
