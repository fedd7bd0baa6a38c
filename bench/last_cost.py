"""Cost of `last` in risk messages: microseconds of processor time an event, in one process.

    python -m bench.last_cost

The loads of `bench.scoring` pass through the service's parts with `last` and with an empty one, in
turns, over the same bytes. Of many turns the least counts. What the longer messages cost on their
way to Kafka is not in it.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import repeat
from unittest.mock import patch

from bench.machine import describe
from bench.scoring import cost_us, loads
from streamer.core import risk_messages

_SCORED = ("1 Hz ward", "hourly, each scored")


def _with_empty_last() -> AbstractContextManager[object]:
    """Risk messages have an empty `last`, which nothing is collected for."""
    empty = risk_messages._Last()
    return patch.multiple(
        risk_messages, _shown=lambda _wave: (repeat(None),), _Last=lambda _none: empty
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints a line for each load."""
    parser = argparse.ArgumentParser(prog="python -m bench.last_cost", description=__doc__)
    parser.add_argument("--events", type=int, default=80_000)
    parser.add_argument("--turns", type=int, default=5)
    chosen = parser.parse_args(arguments)
    stored = loads(chosen.events)
    print(f"Machine: {describe()}; least CPU µs an event of {chosen.turns} turns.\n")
    print("| load | with `last` | with an empty one | cost |\n|---|---|---|---|")
    for title in _SCORED:
        least = {"full": float("inf"), "empty": float("inf")}
        for _ in range(chosen.turns):
            for kind, context in (("full", nullcontext()), ("empty", _with_empty_last())):
                with context:
                    costs, _checksum = cost_us(*stored[title])
                least[kind] = min(least[kind], sum(costs.values()))
        cost = least["full"] - least["empty"]
        share = 100 * cost / least["full"]
        print(
            f"| {title} | {least['full']:.2f} | {least['empty']:.2f} | {cost:.2f} ({share:.1f} %) |"
        )


if __name__ == "__main__":
    main()
