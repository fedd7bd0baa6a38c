"""Speed and size of the archive, on one core: archiving with parsing, and folding into stays.

The events are those of a simulated ward, one row a minute and bed, in a log in memory: what Kafka
and its client cost is not part of it. Seconds are those of the processor, so that other work on the
machine counts little.

    python -m bench.archive_speed --events 300000
"""

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, TypeVar

import orjson
import pyarrow as pa

from streamer.adapters.memory.log import MemoryBroker, MemoryLog
from streamer.process.terminal import say
from streamer.sim.scenario import Scenario
from streamer.sim.ward import ward
from trainer.archive.archive import Archive
from trainer.archive.delta_table import ArchiveTable
from trainer.archive.fold import newest_logged_ms
from trainer.archive.pseudonyms import PatientNames
from trainer.archive.schemas import EVENTS
from trainer.archive.stay_rows import fold_partition, good_rows

BEDS: Final = 200
_FLUSH_S: Final = 1e9  # full batches alone
_T = TypeVar("_T")


def log_of(n: int, vitals_every_s: float = 60.0) -> MemoryBroker:
    """One partition with the first events of a ward."""
    broker = MemoryBroker(1)
    feed = ward(Scenario(beds=BEDS, vitals_every_s=vitals_every_s))
    vitals = (message for message in feed if message.topic == "vitals")
    for message in itertools.islice(vitals, n):
        broker.append(0, message.key.encode(), orjson.dumps(message.value), message.due_ms)
    return broker


def main(arguments: Sequence[str]) -> int:
    """Prints one line for each step."""
    parser = argparse.ArgumentParser(prog="python -m bench.archive_speed", description=__doc__)
    parser.add_argument("--events", type=int, default=300_000)
    parser.add_argument("--rounds", type=int, default=3, help="the fastest one counts")
    options = parser.parse_args(arguments)
    n = options.events
    broker = log_of(n)
    pa.set_cpu_count(1)
    with tempfile.TemporaryDirectory(prefix="vigil-archive-") as name:
        folders = [Path(name) / str(i) for i in range(options.rounds)]
        seconds = min(_timed(lambda f=f: _archive(f, broker))[0] for f in folders)  # type: ignore[misc]
        table = ArchiveTable(folders[0], EVENTS)
        size = sum(n_bytes for _, n_bytes in table.sizes())
        say(f"archived {n / seconds:,.0f} events/s with parsing; {size / n:.1f} bytes an event")
        now_ms = newest_logged_ms(table)

        def fold() -> int:
            rows = good_rows([table.read(path) for path in table.paths()])
            return len(fold_partition(rows, 0, now_ms).stays)

        runs = [_timed(fold) for _ in range(options.rounds)]
        seconds, n_stays = min(runs)
        say(f"folded {n / seconds:,.0f} events/s into {n_stays} stays, reading the files included")
    return 0


def _archive(folder: Path, broker: MemoryBroker) -> None:
    writer = Archive(folder, PatientNames(b"of a measurement")).writer(
        "vitals", MemoryLog(broker), _FLUSH_S
    )
    writer.step(0)
    while writer.step(0):
        pass
    writer.flush()
    writer.close()


def _timed(work: Callable[[], _T]) -> tuple[float, _T]:
    began = time.process_time()
    result = work()
    return time.process_time() - began, result


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
