"""One bad thing at a time, and what it costs everybody else.

    python -m bench.one_bad_thing [--only WORDS]

A steady ward sends five events a second on each of two partitions. Something bad happens to one
of them, or to the machine; the figures are of the other one.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from bench.machine import describe
from bench.one_bad_thing.handicaps import HANDICAPS
from bench.one_bad_thing.scene import Scene, scene
from bench.one_bad_thing.things import THINGS, Figure
from streamer.local import LocalStack

_QUIET_S: Final = 5.0


def _ends(one: Scene) -> list[Figure]:
    """The end of a service that has seen it all, and what it is like when nothing happens."""
    since = time.time()
    time.sleep(_QUIET_S)
    waits = one.waits(since, time.time() - 1)
    code, ended_s = one.service.terminate()
    total = one.waits(0, time.time() - _QUIET_S)
    return [
        Figure("others' p99 when nothing happens", waits.p99, 1),
        Figure("SIGTERM", ended_s, 5),
        Figure("exit code", float(code), 1, ""),
        Figure(f"of {total.n} others without a risk", float(total.without), 1, ""),
    ]


def _print(name: str, figures: list[Figure]) -> bool:
    holds = all(figure.holds for figure in figures)
    row = "; ".join(map(str, figures))
    print(f"| {name} | {row} | {'' if holds else '**no**'} |", flush=True)
    return holds


def main() -> int:
    """Measures all and prints a table in Markdown; 1 if a bound was not kept."""
    parser = argparse.ArgumentParser(prog="python -m bench.one_bad_thing", description=__doc__)
    parser.add_argument("--only", default="", help="only things with these words in their name")
    only = parser.parse_args().only
    things = [thing for thing in THINGS if only in thing.name]
    print(f"On {describe()}.\n\n| what happens | figures (bounds) | |\n|---|---|---|", flush=True)
    holds = True
    with tempfile.TemporaryDirectory(prefix="vigil-") as name, LocalStack() as stack:
        folder = Path(name)
        if things:
            with scene(stack, folder, "one-") as one:
                for thing in things:
                    holds &= _print(thing.name, thing.happen(one))
                holds &= _print("then the service is stopped", _ends(one))
        for n, handicap in enumerate(HANDICAPS):
            if only not in handicap.name:
                continue
            if handicap.hides_tmp and Path(__file__).is_relative_to("/tmp"):
                print(f"| {handicap.name} | not measured: these sources lie below /tmp | |")
            else:
                (own := folder / str(n)).mkdir()
                holds &= _print(handicap.name, handicap.measure(stack, own, f"h{n}-"))
    return int(not holds)


if __name__ == "__main__":
    sys.exit(main())
