"""Time to restore a lost Redis from the topic of states: `python -m bench.restore`.

    python -m bench.restore                              ten minutes of log after the mark
    python -m bench.restore --before 3000 --seconds 660  the last minutes of an hour of log

The topic is filled as services leave it: each stay with an offset of its own, spread evenly over a
round, and a mark at the begin of the round. The log holds that round at one event a second and
stay; what is older than the mark (`--before`) is never read, so an hour or a day before it makes no
difference.
Services start with an empty Redis; the time ends when the last stay is where the messages are.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import psutil
from kafka import KafkaAdminClient
from redis import Redis

from bench.machine import describe
from bench.measurement import MeasurementFailed
from bench.rebuild import commit_all
from bench.services import ServiceProcess, environment, running, settings_of
from streamer.adapters.kafka.options import KafkaOptions, new_producer
from streamer.adapters.memory.states import MemoryStates
from streamer.adapters.redis.states import RedisStates
from streamer.bundles import bundle
from streamer.bundles.build import build
from streamer.core import codec
from streamer.core.codec import Era
from streamer.core.columns import decode
from streamer.core.records import Record, Records
from streamer.core.time import DAY_MS, HOUR_MS
from streamer.local import LocalStack
from streamer.ports.log import Output
from streamer.service.batch import ModelBatch, Topics, process
from streamer.service.settings import Settings
from streamer.service.state_records import Mark, Origin, mark_record, stay_record
from streamer.service.stay_cache import StayCache
from streamer.service.takeover import Partition
from streamer.service.topics import ensure_topics

_HOURS: Final = 100  # of a stay before the log of the measurement
_KINDS: Final = 20  # of different stays; the others are copies of them
_LOOK_S: Final = 0.1
_DEADLINE_S: Final = 280.0
_SECONDS_A_TRANSACTION: Final = 5
_NAMES: Final = ("heart_rate", "spo2", "resp_rate", "map", "sbp", "dbp", "temperature")


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints a line for the machine, and one for the restore."""
    parser = argparse.ArgumentParser(prog="python -m bench.restore", description=__doc__)
    parser.add_argument("--stays", type=int, default=10_000)
    parser.add_argument("--seconds", type=int, default=600, help="of log after the mark")
    parser.add_argument("--before", type=int, default=0, help="seconds of log before the mark")
    parser.add_argument("--partitions", type=int, default=8)
    parser.add_argument("--services", type=int, default=2)
    chosen = parser.parse_args(arguments)
    print(f"Machine: {describe()}.")
    with tempfile.TemporaryDirectory() as folder, LocalStack() as stack:
        print(
            measure(
                stack, Path(folder), "restore-",
                Lost(chosen.stays, chosen.seconds, chosen.before),
                chosen.partitions, chosen.services,
            )
        )  # fmt: skip
    return 0


class Lost(NamedTuple):
    """What is lost, and the log of it: ``stays``, seconds after the mark and before it."""

    stays: int
    seconds: int
    before: int = 0


def measure(
    stack: LocalStack, folder: Path, prefix: str, lost: Lost, n_partitions: int, n_services: int
) -> str:
    """Fills the topics, starts services with an empty Redis, and times their way back.

    Raises:
        MeasurementFailed: it did not end in time.
    """
    variables = environment(stack, prefix, partitions=n_partitions)
    settings = settings_of(variables)
    ensure_topics(settings)
    filling = time.monotonic()
    fill(settings, lost)
    filled_s = time.monotonic() - filling
    ends = commit_all(settings)
    services = [
        ServiceProcess(variables | {"STREAMER_INSTANCE": f"w{i}"}, folder / f"w{i}.log")
        for i in range(n_services)
    ]
    began = time.monotonic()
    with running(services), contextlib.closing(Redis.from_url(stack.redis)) as redis:
        states = RedisStates(redis, f"vigil:{settings.group}", settings.topic_vitals)
        taken_s = None
        while True:
            stored = {p: redis.hget(states.key(p), "__wm__") for p in ends}
            now_s = time.monotonic() - began
            if taken_s is None and sum(s.log.count("partition taken") for s in services) >= len(
                ends
            ):
                taken_s = now_s
            if all(int(stored[p] or 0) == end for p, end in ends.items()):
                break
            if now_s > _DEADLINE_S or any(s.exit_code is not None for s in services):
                raise MeasurementFailed(f"states did not come back: {services[0].log[-1_000:]}")
            time.sleep(_LOOK_S)
        cpu_s = sum(sum(psutil.Process(s.pid).cpu_times()[:2]) for s in services)
    n_events, after = (lost.stays * n for n in (lost.before + lost.seconds, lost.seconds))
    return (
        f"{lost.stays:,} stays, {n_events:,} events at 1 Hz (written in {filled_s:.0f} s), "
        f"{after:,} of them after the mark ({lost.seconds} s), {n_services} services: restored in "
        f"{now_s:.1f} s from their start (all partitions taken after {taken_s or now_s:.1f} s), "
        f"{cpu_s:.1f} s of processor time."
    )


def fill(settings: Settings, lost: Lost) -> None:
    """Writes log and topic of states, as services leave them in the midst of a round."""
    model_id, kinds, newest_ms = stay_kinds()
    n_seconds, begin_ms = lost.seconds, newest_ms - 1000 * lost.before
    options = KafkaOptions(
        settings.kafka_connection(),
        settings.topic_vitals,
        settings.group,
        f"{settings.group}-fill",
        (settings.topic_states,),
    )
    with contextlib.closing(new_producer(options)) as producer:
        producer.init_transactions()
        log_id = _topic_id(settings)
        for number in range(settings.partitions):
            patients = [f"stay-{i}" for i in range(number, lost.stays, settings.partitions)]
            origin, n = Origin(number, log_id, Era(model_id)), len(patients)
            marked = lost.before * n
            records = [
                stay_record(
                    settings.topic_states,
                    origin,
                    patient,
                    kinds[i % _KINDS],
                    marked + i * n_seconds // n * n,
                )
                for i, patient in enumerate(patients)
            ]
            mark = mark_record(
                settings.topic_states, origin, Mark(marked, origin.era, newest_ms // DAY_MS)
            )
            for outputs in (
                [*records, mark],
                *_log(settings, number, patients, lost.before + n_seconds, begin_ms),
            ):
                producer.begin_transaction()
                producer.send_all(outputs)
                producer.commit_transaction()


def _log(
    settings: Settings, number: int, patients: Sequence[str], n_seconds: int, begin_ms: int
) -> Iterator[list[Output]]:
    draws = np.random.default_rng(number)
    outputs: list[Output] = []
    for second in range(n_seconds):
        rates = draws.integers(60, 110, len(patients)).tolist()
        for patient, rate in zip(patients, rates, strict=True):
            value = (
                b'{"patient_id":"%s","time":%d,"values":{"heart_rate":%d,"spo2":97,"resp_rate":%d,'
                b'"map":%d}}'
            ) % (patient.encode(), begin_ms + 1000 * second, rate, rate // 5, rate - 10)
            outputs.append(Output(settings.topic_vitals, number, patient.encode(), value, []))
        if (second + 1) % _SECONDS_A_TRANSACTION == 0 or second + 1 == n_seconds:
            yield outputs
            outputs = []


def stay_kinds(n_values: int | None = None, an_hour: int = 1) -> tuple[str, list[bytes], int]:
    """Stored stays of the shipped model, the model's id, and the time at which they end.

    Args:
        n_values: vital signs of a row; ``None``: from two to four.
        an_hour: rows of an hour; a stay keeps two.
    """
    model = build(bundle.load(bundle.SHIPPED))
    cache, number = StayCache(60_000, 0), 0
    scorer, era = cache.scorer(model), Era(model.model_id)
    owned = {number: Partition(number, 1, 0, 0, 0, "log", era)}
    now_ms = round(time.time() * 1000)
    begin_ms = now_ms - _HOURS * HOUR_MS
    draws, states = np.random.default_rng(1), MemoryStates()
    states.complete_homes("log")
    for nth in range(_HOURS * an_hour):
        time_ms = begin_ms + nth * HOUR_MS // an_hour
        rows = [
            Record(
                number, nth * _KINDS + i, now_ms, b"k%d" % i,
                _observation(i, n_values or 2 + i % 3, time_ms, draws),
            )
            for i in range(_KINDS)
        ]  # fmt: skip
        records = Records.of(rows)
        columns = decode(records, None)
        partitions = records.partition[columns.record].tolist()
        homes = cache.claim_partition(states, owned, columns, partitions)
        process(scorer, ModelBatch(records, columns, partitions, homes), owned, Topics(*"valrso"))
    slots = np.array([scorer.table.slot_of[f"k{i}"] for i in range(_KINDS)], np.intp)
    return model.model_id, codec.encode(scorer.table, slots, era), now_ms


def _observation(kind: int, n_values: int, time_ms: int, draws: np.random.Generator) -> bytes:
    drawn = {name: int(draws.integers(60, 95)) for name in _NAMES[:n_values]}
    if "temperature" in drawn:
        drawn["temperature"] = 37
    values = ",".join(f'"{name}":{value}' for name, value in drawn.items())
    return f'{{"patient_id":"k{kind}","time":{time_ms},"values":{{{values}}}}}'.encode()


def _topic_id(settings: Settings) -> str:
    with contextlib.closing(KafkaAdminClient(**settings.kafka_connection())) as admin:
        return str(admin.describe_topics([settings.topic_vitals])[0]["topic_id"])


if __name__ == "__main__":
    sys.exit(main())
