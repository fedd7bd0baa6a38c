"""Costs of a batch in process, by stage: microseconds of processor time an event, no servers.

    python -m bench.scoring --against main

Two loads come in batches of a partition each, as a backlog does: the 1 Hz ward, where one event in
sixty is scored, and hourly rows, where each is scored, or none (states alone). The tree of an
earlier revision takes turns with this one, over the same bytes. Of many turns the least counts.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import json
import os
import pickle
import subprocess
import sys
import tempfile
import time
import zlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import orjson

from bench.engines import earlier
from bench.loads import hourly, one_hertz
from bench.machine import describe
from streamer.adapters.memory.states import MemoryStates
from streamer.bundles import bundle
from streamer.bundles.build import build
from streamer.core.codec import Era
from streamer.core.columns import decode
from streamer.core.records import Record, Records
from streamer.core.time import HOUR_MS
from streamer.core.workload import Workload
from streamer.feeds.message import Message
from streamer.service.batch import ModelBatch, Topics, changed_states, process
from streamer.service.stay_cache import StayCache
from streamer.service.takeover import Partition

STAGES: Final = ("decode", "claim", "bound", "score and write", "encode")
_PARTITIONS: Final = 4
_POLL_RECORDS: Final = 4_000  # of one partition: as many as its part of a fetch has
_BEDS: Final = 200
_TOPICS: Final = Topics("vitals", "alerts", "risk", "rejected", "stays", "outcomes")
_MOST_STAYS: Final = 100_000
_WARM_BATCHES: Final = 4  # a ward's first minutes are admissions, and every array is new

Batches = list[Records]
Costs = dict[str, float]


def batches(feed: Iterable[Message]) -> Batches:
    """The polls of a backlog: so many records of one partition, then of the next."""
    lists: dict[int, list[Record]] = defaultdict(list)
    for message in feed:
        key = message.key.encode()
        of_partition = lists[zlib.crc32(key) % _PARTITIONS]
        of_partition.append(
            Record(
                zlib.crc32(key) % _PARTITIONS,
                len(of_partition),
                message.due_ms,
                key,
                orjson.dumps(message.value),
            )
        )
    cut = [
        [records[at : at + _POLL_RECORDS] for at in range(0, len(records), _POLL_RECORDS)]
        for _, records in sorted(lists.items())
    ]
    turns = itertools.zip_longest(*cut)
    return [Records.of(part) for turn in turns for part in turn if part]


def cost_us(polls: Batches, interval_ms: int, silent: bool) -> tuple[Costs, int]:
    """Takes all polls through a fresh service once.

    Returns:
        Microseconds an event, by stage; a checksum of all messages and states.
    """
    cache = StayCache(interval_ms, _MOST_STAYS)
    model = build(bundle.load(bundle.SHIPPED))
    scorer, store = cache.scorer(model), MemoryStates()
    if hasattr(store, "complete_homes"):  # a tree before has none
        store.complete_homes("log")
    last = np.iinfo(np.int64).max if silent else 0
    owned = {
        number: Partition(number, 1, 0, 0, last, "log", Era(model.model_id))
        for number in range(_PARTITIONS)
    }
    seconds, n_events, checksum = dict.fromkeys(STAGES, 0.0), 0, 0
    gc.collect()
    gc.disable()  # the service collects rarely, and never what a batch leaves
    for nth, records in enumerate(polls):
        times = [time.process_time()]
        columns = decode(records, HOUR_MS)
        times.append(time.process_time())
        partitions = records.partition[columns.record].tolist()
        homes = cache.claim_partition(store, owned, columns, partitions)
        cache.load(store, owned, getattr(columns, "distinct", columns.patients))
        times.append(time.process_time())
        Workload(scorer.table, columns).rows_of(np.arange(len(columns.patients)))
        times.append(time.process_time())
        result = process(scorer, ModelBatch(records, columns, partitions, homes), owned, _TOPICS)
        times.append(time.process_time())
        changed = changed_states(scorer, [owned[int(records.partition[0])]])
        times.append(time.process_time())
        outputs = [
            (output.key, output.value, sorted([*getattr(output, "common", ()), *output.headers]))
            for output in result.outputs
        ]
        checksum = zlib.crc32(
            repr((outputs, [write.changed for write in changed])).encode(), checksum
        )
        if nth >= _WARM_BATCHES:
            n_events += len(records)
            for stage, begun, ended in zip(STAGES, times, times[1:], strict=False):
                seconds[stage] += ended - begun
    return {stage: seconds[stage] / n_events * 1e6 for stage in STAGES}, checksum


def loads(n_events: int) -> dict[str, tuple[Batches, int, bool]]:
    """The loads by title: polls, evaluation interval, whether they cause no messages."""
    rows = batches(hourly(n_events // 2, _BEDS * 5))
    ward = batches(one_hertz(n_events, _BEDS))
    return {
        "1 Hz ward": (ward, 60_000, False),
        "1 Hz ward, states alone": (ward, 60_000, True),
        "hourly, each scored": (rows, 0, False),
        "hourly, states alone": (rows, 0, True),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints a table for each load."""
    parser = argparse.ArgumentParser(prog="python -m bench.scoring", description=__doc__)
    parser.add_argument("--against", metavar="REVISION", help="an earlier commit takes turns")
    parser.add_argument("--events", type=int, default=80_000)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--one-turn", metavar="LOADS", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if chosen.one_turn:
        stored = pickle.loads(chosen.one_turn.read_bytes())
        print(json.dumps({title: cost_us(*load) for title, load in stored.items()}))
        return 0
    print(f"Machine: {describe()}; least CPU µs an event of {chosen.turns} turns.")
    with tempfile.TemporaryDirectory() as folder:
        stored = Path(folder, "loads")
        stored.write_bytes(pickle.dumps(loads(chosen.events)))
        trees = {"this tree": str(Path(__file__).parents[1])}
        if chosen.against:
            trees = {chosen.against: earlier(chosen.against, Path(folder)).tree} | trees
        least: dict[str, dict[str, Costs]] = {}
        checksums: dict[str, set[int]] = defaultdict(set)
        for _, (name, tree) in itertools.product(range(chosen.turns), trees.items()):
            for title, (costs, checksum) in _one_turn(stored, tree).items():
                checksums[title].add(checksum)
                seen = least.setdefault(title, {}).setdefault(name, costs)
                seen |= {stage: min(cost, costs[stage]) for stage, cost in seen.items()}
    for title, by_tree in least.items():
        print(f"\n{_table(title, by_tree)}")
        same = len(checksums[title]) == 1
        print(f"Messages and states: {'the same bytes' if same else 'NOT the same'} in all turns.")
    return 0


def _one_turn(stored: Path, tree: str) -> dict[str, tuple[Costs, int]]:
    """Runs this program with the streamer of a tree; `bench` is always this one."""
    own = str(Path(__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-P", "-m", "bench.scoring", "--one-turn", str(stored)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([tree, own])},
        cwd=tree, check=False, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    if done.returncode:
        why = done.stderr.strip().rpartition("\n")[2]
        sys.exit(f"{tree}: the parts of its service are not those that are measured here ({why})")
    answer: dict[str, tuple[Costs, int]] = json.loads(done.stdout)
    return answer


def _table(title: str, by_tree: dict[str, Costs]) -> str:
    lines = [f"| {title} | {' | '.join([*STAGES, 'sum', 'events a second'])} |"]
    lines.append(f"|{'---|' * (len(STAGES) + 3)}")
    for name, costs in by_tree.items():
        total = sum(costs.values())
        figures = " | ".join(f"{cost:.2f}" for cost in [*costs.values(), total])
        lines.append(f"| {name} | {figures} | {1e6 / total:,.0f} |")
    if len(by_tree) > 1:
        before, after = by_tree.values()
        ratios = [before[stage] / after[stage] for stage in STAGES]
        ratios.append(sum(before.values()) / sum(after.values()))
        lines.append(f"| before/after | {' | '.join(f'{ratio:.2f}' for ratio in ratios)} | |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
