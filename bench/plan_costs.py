"""The costs of a machine, for `bench.plan`: measured by short runs, kept in a file of JSON."""

from __future__ import annotations

import contextlib
import json
import re
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import psutil
from kafka import KafkaProducer
from redis import Redis

from bench.comparison import put_load
from bench.cores import divide
from bench.engines import OURS, BenchEnv, prepare_env, settings_for
from bench.loads import Load, hourly, one_hertz
from bench.machine import describe
from bench.measurement import free_port, measure
from bench.reading import read_topic
from bench.restore import stay_kinds
from bench.services import ServiceProcess, environment, running, settings_of
from streamer.adapters.kafka.options import RECORD_BATCH_OVERHEAD
from streamer.adapters.redis.states import RedisStates
from streamer.bundles import bundle
from streamer.bundles.build import build
from streamer.core import codec
from streamer.core.codec import Era
from streamer.core.hour_ring import RING
from streamer.core.stays import StayTable
from streamer.core.variables import IS_LAB, N_VARIABLES
from streamer.local import LocalStack
from streamer.ports.states import StateWrite
from streamer.service.settings import Settings
from streamer.service.topics import ensure_topics

# Some five seconds of one core: what is counted begins after the first allocations.
_WARD_EVENTS: Final = 600_000
_HOURLY_EVENTS: Final = 40_000
_BEDS: Final = 200
_SAVED: Final = 1_000
_VITAL_SIGNS: Final = 7  # of a row of `send_rows`
_KEPT_AN_HOUR: Final = 2  # moments of each that a stay keeps
_IDLE_S: Final = 8.0
_LIVE_S: Final = 20.0
_LIVE_RATE: Final = 500
_STEP_S: Final = 0.01
_CYCLES: Final = re.compile(r'vigil_stage_seconds_count\{stage="transaction"\} (\S+)')
_READY_S: Final = 60.0
# Of a record in a batch: lengths, offset, timestamp, attributes (KIP-98), without compression.
_RECORD_BYTES: Final = 14
# Of the marker that ends a transaction, in each partition that it has written to.
_MARKER_BYTES: Final = 78
_STAYS: Final = 1_000
_HOURS_BETWEEN_LABS: Final = 6


@dataclass(frozen=True, slots=True)
class Costs:
    """What things cost on a machine.

    Attributes:
        machine: which it is.
        event_us: microseconds of a core for an event, without a risk.
        risk_us: the same for a risk, with its message.
        save_us: the same for encoding a stay and giving it to Redis.
        idle_cores: share of a core of a worker without events.
        cycle_ms: milliseconds of a core for a batch, besides its events.
        cycles_a_second: batches of a worker at a few events each.
        event_bytes: of an event in Kafka, which comes alone.
        risk_bytes: of a risk in Kafka, with its batch and the marker of the transaction.
        stay_bytes: of a stored stay whose ring is full.
        redis_bytes: of a stay in Redis' memory.
        resident_mb: memory of a worker without stays.
        resident_kb_a_stay: memory of a worker for each stay.
    """

    machine: str
    event_us: float
    risk_us: float
    save_us: float
    idle_cores: float
    cycle_ms: float
    cycles_a_second: float
    event_bytes: float
    risk_bytes: float
    stay_bytes: float
    redis_bytes: float
    resident_mb: float
    resident_kb_a_stay: float


def load_costs(file: Path) -> Costs:
    """Reads the costs of a machine."""
    content: dict[str, Any] = json.loads(file.read_text())
    return Costs(**content)


def write_costs(file: Path, costs: Costs) -> None:
    """Writes the costs of a machine."""
    rounded = {
        name: value if isinstance(value, str) else float(f"{value:.4g}")
        for name, value in asdict(costs).items()
    }
    file.write_text(json.dumps(rounded, indent=1) + "\n")


def measure_costs(stack: LocalStack, folder: Path) -> Costs:
    """Measures the costs of this machine: backlogs, a slow live load, saves."""
    env = prepare_env(stack, folder, divide(), peers=False)
    ward = put_load(env, Load("ward", one_hertz(_WARD_EVENTS, _BEDS), 60.0), "costs-ward-")
    rows = put_load(env, Load("rows", hourly(_HOURLY_EVENTS, _BEDS), 0.0), "costs-rows-")
    ward_us = 1e6 / measure(OURS, env, ward, "costs-w-", 60.0).per_cpu_second
    rows_us = 1e6 / measure(OURS, env, rows, "costs-r-", 60.0).per_cpu_second
    risk_us = (rows_us - ward_us) * 60 / 59
    event_us = ward_us - risk_us / 60
    rows_settings = settings_for(env, rows, "costs-r-")
    live = _live(env, event_us, risk_us)
    save_us, stay_bytes, redis_bytes = _saves(stack)
    return Costs(
        describe(), event_us, risk_us, save_us, live.idle_cores, live.cycle_ms,
        live.cycles_a_second,
        live.event_bytes + RECORD_BATCH_OVERHEAD,
        _mean_bytes(rows_settings, rows_settings.topic_risk)
        + RECORD_BATCH_OVERHEAD
        + _MARKER_BYTES,
        stay_bytes, redis_bytes, live.resident_mb,
        kb_a_stay(),
    )  # fmt: skip


def kb_a_stay() -> float:
    """Memory of a stay of two days: vital signs all the time, the others every sixth hour."""
    table = StayTable(build(bundle.load(bundle.SHIPPED)).architecture, capacity=_STAYS)
    hours, variables = np.divmod(np.arange(RING * N_VARIABLES), N_VARIABLES)
    places = np.flatnonzero(~IS_LAB[variables] | (hours % _HOURS_BETWEEN_LABS == 0))
    measured = {"offset_ms": np.zeros(len(places)), "value": np.ones(len(places))}
    for number in range(_STAYS):
        slot = table.add(f"p{number}", 0)
        for layer in table.layers.values():
            layer.write_places(slot, places, measured)
    return table.nbytes / _STAYS / 1e3


@dataclass(frozen=True, slots=True)
class _Live:
    idle_cores: float
    cycle_ms: float
    cycles_a_second: float
    resident_mb: float
    event_bytes: float


def _live(env: BenchEnv, event_us: float, risk_us: float) -> _Live:
    """A worker without events, and then with few in each batch."""
    port = free_port()
    variables = environment(env.stack, "costs-live-", risk_interval=60, http_port=port)
    settings = settings_of(variables)
    ensure_topics(settings)
    service = ServiceProcess(variables, env.folder / "costs-live.log")
    with (
        running([service]),
        contextlib.closing(KafkaProducer(**settings.kafka_connection())) as producer,
    ):
        _wait_until_ready(port)
        process = psutil.Process(service.pid)
        before = _cpu_s(process)
        time.sleep(_IDLE_S)
        idle_cores = (_cpu_s(process) - before) / _IDLE_S
        resident_mb = process.memory_info().rss / 1e6
        cpu_s, cycles = _cpu_s(process), _cycles(port)
        n = send_rows(producer, settings, _LIVE_RATE, 1.0, _LIVE_S)
        cpu_s, cycles = _cpu_s(process) - cpu_s, _cycles(port) - cycles
    of_events = 1e-6 * n * (event_us + risk_us / 60)
    cycle_ms = (cpu_s - of_events - idle_cores * _LIVE_S) / cycles * 1e3
    event_bytes = _mean_bytes(settings, settings.topic_vitals)
    return _Live(idle_cores, max(0.0, cycle_ms), cycles / _LIVE_S, resident_mb, event_bytes)


def send_rows(producer: Any, settings: Settings, beds: int, hz: float, seconds: float) -> int:
    """Sends a row of each bed every ``1 / hz`` seconds, evenly; returns the number of events."""
    draws = np.random.default_rng(1)
    began, n = time.monotonic(), 0
    while (elapsed := time.monotonic() - began) < seconds:
        now_ms = int(time.time() * 1000)
        for i in range(n, int(elapsed * beds * hz)):
            patient = f"bench-{i % beds:05d}"
            rate = int(draws.integers(60, 110))
            value = (
                f'{{"patient_id":"{patient}","time":{now_ms},"values":{{"heart_rate":{rate},'
                f'"spo2":97,"resp_rate":{rate // 5},"map":{rate - 10},"sbp":120,"dbp":70,'
                '"temperature":37.1}}'
            )
            producer.send(settings.topic_vitals, value.encode(), patient.encode())
            n = i + 1
        time.sleep(_STEP_S)
    producer.flush()
    return n


def _saves(stack: LocalStack) -> tuple[float, float, float]:
    """Microseconds of a save, bytes of a stored stay, and of its place in Redis."""
    model_id, kinds, _ = stay_kinds(_VITAL_SIGNS, _KEPT_AN_HOUR)
    model = build(bundle.load(bundle.SHIPPED))
    table, era = StayTable(model.architecture, capacity=_SAVED), Era(model_id)
    codec.decode(table, 0, {f"p{i}": kinds[i % len(kinds)] for i in range(_SAVED)}, era)
    slots = np.array(list(table.slot_of.values()), np.intp)
    with contextlib.closing(Redis.from_url(stack.redis)) as client:
        states = RedisStates(client, "costs", "vitals")
        epoch = states.take(0).epoch
        used = int(client.info("memory")["used_memory"])
        times = []
        for turn in range(5):
            began = time.process_time()
            stays = dict(zip(table.slot_of, codec.encode(table, slots, era), strict=True))
            expected = turn or None
            states.save([StateWrite(0, epoch, expected, turn + 1, model_id, 0, "log", stays)])
            times.append(time.process_time() - began)
        used = int(client.info("memory")["used_memory"]) - used
    mean = sum(map(len, stays.values())) / _SAVED
    return float(np.median(times)) / _SAVED * 1e6, mean, used / _SAVED


def _mean_bytes(settings: Settings, topic: str) -> float:
    records: Sequence[Any] = read_topic(settings, topic)[:20_000]
    sizes = [
        len(r.key or b"") + len(r.value or b"") + _RECORD_BYTES
        + sum(len(name) + len(value) + 2 for name, value in r.headers)
        for r in records
    ]  # fmt: skip
    return float(np.mean(sizes))


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _cycles(port: int) -> float:
    url = f"http://127.0.0.1:{port}/metrics"
    with urllib.request.urlopen(url, timeout=10) as answer:
        cycles = _CYCLES.search(answer.read().decode())
    return float(cycles[1]) if cycles else 0.0


def _wait_until_ready(port: int) -> None:
    give_up_at = time.monotonic() + _READY_S
    while True:
        with contextlib.suppress(OSError):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5).close()
            return
        if time.monotonic() > give_up_at:
            raise TimeoutError("the service is not ready")
        time.sleep(0.2)
