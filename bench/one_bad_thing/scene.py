"""A steady ward on two partitions and one service that is watched while something bad happens."""

from __future__ import annotations

import contextlib
import json
import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.error import HTTPError
from urllib.request import urlopen

import psutil
from kafka import KafkaAdminClient, KafkaProducer
from kafka.admin import ConfigResource
from kafka.errors import KafkaError
from prometheus_client.parser import text_string_to_metric_families

from bench.reading import read_topic
from bench.services import (
    RUN,
    ServiceProcess,
    ensure_topics_of_any_time,
    environment,
    settings_of,
)
from streamer.local import LocalStack, ports
from streamer.service.settings import Settings

BAD: Final = 0
"""The partition that something happens to."""
OTHERS: Final = 1
"""The one that must not notice."""
DEADLINE_S: Final = 300.0
READY_S: Final = 60.0
_EVERY_S: Final = 0.2
_STEP_MS: Final = 61_000  # of event time: each event is a new evaluation
_FROM_MS: Final = 1_700_000_000_000
_LOOK_S: Final = 0.1
_ASK_S: Final = 2.0
_ACKNOWLEDGE_S: Final = 60.0


class Steady(threading.Thread):
    """An event every 0.2 s on each partition, until it is closed."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(name="steady", daemon=True)
        self._settings = settings
        self._stopping = threading.Event()
        self.sent: list[tuple[float, int, Any]] = []  # when, partition, what the broker says

    def run(self) -> None:
        """Sends."""
        producer = KafkaProducer(
            **self._settings.kafka_connection(), linger_ms=0, reconnect_backoff_max_ms=500
        )
        n = 0
        with contextlib.closing(producer):
            while not self._stopping.wait(_EVERY_S):
                for partition in (BAD, OTHERS):
                    value = observation(f"steady-{partition}", _FROM_MS + n * _STEP_MS)
                    with contextlib.suppress(KafkaError):
                        sent = producer.send(
                            self._settings.topic_vitals, value, f"steady-{partition}".encode(),
                            partition=partition,
                        )  # fmt: skip
                        self.sent.append((time.time(), partition, sent))
                n += 1

    def stop(self) -> None:
        """Stops sending."""
        self._stopping.set()
        self.join()


class Waits(NamedTuple):
    """How long the risks of a partition's events took, in seconds, and how many have none."""

    p99: float
    longest: float
    n: int
    without: int


class Watch(threading.Thread):
    """Looks at the service ten times a second: its memory, the age of its loop, its readiness."""

    def __init__(self, scene: Scene) -> None:
        super().__init__(name="watch", daemon=True)
        self._scene = scene
        self._stopping = threading.Event()
        self.most_bytes = 0
        self.longest_round_s = 0.0

    def run(self) -> None:
        """Looks."""
        process = psutil.Process(self._scene.service.pid)
        while not self._stopping.wait(_LOOK_S):
            with contextlib.suppress(psutil.NoSuchProcess, OSError):
                self.most_bytes = max(self.most_bytes, process.memory_info().rss)
                age_s = self._scene.metric("vigil_loop_age_seconds")
                self.longest_round_s = max(self.longest_round_s, age_s)

    def stop(self) -> None:
        """Stops looking."""
        self._stopping.set()
        self.join()


class Scene:
    """Topics of two partitions and one service, with the ward that it scores."""

    def __init__(self, stack: LocalStack, folder: Path, prefix: str, shell: str = "") -> None:
        self.stack = stack
        self._folder = folder
        self._port = ports.choose(None, "the service")
        self.variables = environment(
            stack, prefix, partitions=2, kafka_session_timeout_ms=6_000, http_port=self._port,
            future_limit=-1,  # two thousand fortnights are more than there have been since 1990
        )  # fmt: skip
        self.settings = settings_of(self.variables)
        ensure_topics_of_any_time(self.settings)
        self.service = self.process("service", shell)
        self.steady = Steady(self.settings)

    def process(
        self, name: str, shell: str = "", variables: dict[str, str] | None = None
    ) -> ServiceProcess:
        """A service that is not started yet; ``shell`` is the script that runs it, as `"$@"`."""
        command = ("bash", "-c", shell, "bash", *RUN) if shell else RUN
        mine = self.variables | {"STREAMER_INSTANCE": name} | (variables or {})
        return ServiceProcess(mine, self._folder / f"{name}.log", command=command)

    def waits(self, since: float, until: float, partition: int = OTHERS) -> Waits:
        """How long the risks took of events that were sent in a time."""
        at = {
            one.value.offset: sent
            for sent, number, one in list(self.steady.sent)
            if since <= sent <= until and number == partition and one.succeeded()
        }
        published = {
            int(content["offset"]): record.timestamp / 1000
            for record in read_topic(self.settings, self.settings.topic_risk)
            if (content := json.loads(record.value))["partition"] == partition
        }
        waits = sorted(published[o] - s for o, s in at.items() if o in published)
        p99 = waits[math.ceil(0.99 * len(waits)) - 1] if waits else math.inf
        return Waits(p99, max(waits, default=math.inf), len(at), len(at) - len(waits))

    def catch_up(self) -> float:
        """Waits until all steady events up to now have their risk; returns when."""
        until = time.time() - _EVERY_S
        wait_for(lambda: self.waits(0, until).without == 0, "the others' risks")
        return time.time()

    def send(self, value: bytes | None, patient: str, **options: Any) -> int:
        """Sends one record to the bad partition and returns its offset."""
        return self.send_all([value], patient, **options)

    def send_all(self, values: Sequence[bytes | None], patient: str, **options: Any) -> int:
        """Sends records to the bad partition and returns the last offset."""
        codec = options.pop("codec", None)
        producer = KafkaProducer(**self.settings.kafka_connection(), compression_type=codec)
        with contextlib.closing(producer):
            sent = [
                producer.send(
                    self.settings.topic_vitals, value, patient.encode(), partition=BAD, **options
                )
                for value in values
            ]
            return max(int(one.get(_ACKNOWLEDGE_S).offset) for one in sent)

    def rejected(self) -> dict[tuple[int, int], list[str]]:
        """The reasons for which records were rejected, by partition and offset."""
        reasons: dict[tuple[int, int], list[str]] = {}
        for record in read_topic(self.settings, self.settings.topic_rejected):
            headers = {name: value.decode() for name, value in record.headers}
            offset = int(headers["partition"]), int(headers["offset"])
            reasons.setdefault(offset, []).append(headers["reason"])
        return reasons

    def named_s(self, offset: int) -> float:
        """Waits until a record of the bad partition is rejected; returns the seconds until then."""
        began = time.monotonic()
        wait_for(lambda: (BAD, offset) in self.rejected(), f"a rejection of {offset}")
        return time.monotonic() - began

    def scored_s(self, offset: int, deadline_s: float = DEADLINE_S) -> float:
        """Waits for the risk of a record of the bad partition; returns the seconds until then."""
        began = time.monotonic()

        def scored() -> bool:
            risks = read_topic(self.settings, self.settings.topic_risk)
            offsets = {(m["partition"], m["offset"]) for m in (json.loads(r.value) for r in risks)}
            return (BAD, offset) in offsets

        wait_for(scored, f"a risk for {offset}", deadline_s)
        return time.monotonic() - began

    def readiness(self) -> tuple[int, str]:
        """Status and body of `/readyz`; status 0 where nobody answers."""
        try:
            with urlopen(f"http://127.0.0.1:{self._port}/readyz", timeout=_ASK_S) as answer:
                return answer.status, answer.read().decode()
        except HTTPError as answer:
            return answer.code, answer.read().decode()
        except (OSError, HTTPException) as error:
            return 0, str(error)

    def metric(self, name: str, **labels: str) -> float:
        """A metric of the service, NaN where it has none of these labels."""
        with urlopen(f"http://127.0.0.1:{self._port}/metrics", timeout=_ASK_S) as answer:
            text = answer.read().decode()
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.name == name and labels.items() <= sample.labels.items():
                    return float(sample.value)
        return math.nan

    def set_topic(self, topic: str, **configs: str) -> None:
        """Changes settings of a topic."""
        named = {name.replace("_", "."): value for name, value in configs.items()}
        with contextlib.closing(KafkaAdminClient(**self.settings.kafka_connection())) as admin:
            admin.alter_configs([ConfigResource("TOPIC", topic, named)])

    @contextmanager
    def watched(self) -> Iterator[Watch]:
        """Watches the service for the time of a block."""
        watch = Watch(self)
        watch.start()
        try:
            yield watch
        finally:
            watch.stop()


@contextmanager
def scene(stack: LocalStack, folder: Path, prefix: str, shell: str = "") -> Iterator[Scene]:
    """A scene whose service is ready and whose ward is on; ``shell`` as in `Scene.process`.

    Raises:
        TimeoutError: the service does not become ready, or writes no risk.
    """
    one = Scene(stack, folder, prefix, shell)
    try:
        one.service.start()
        wait_for(lambda: one.readiness()[0] == 200, "readiness", READY_S)
        one.steady.start()
        wait_for(lambda: len(one.steady.sent) > 10, "the ward")
        one.catch_up()
        yield one
    finally:
        if one.steady.is_alive():
            one.steady.stop()
        one.service.stop()


def observation(patient: str, time_ms: int, **fields: object) -> bytes:
    """An observation of one heart rate."""
    content = {"patient_id": patient, "time": time_ms, "values": {"heart_rate": 80}, **fields}
    return json.dumps(content).encode()


def wait_for(holds: Callable[[], bool], what: str, deadline_s: float = DEADLINE_S) -> None:
    """Waits until something holds.

    Raises:
        TimeoutError: it does not in time.
    """
    give_up_at = time.monotonic() + deadline_s
    while not holds():
        if time.monotonic() > give_up_at:
            raise TimeoutError(f"{what}: not within {deadline_s:.0f} s")
        time.sleep(_LOOK_S)
