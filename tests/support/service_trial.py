"""A trial: services that share a topic, the events sent to them, and a check by the oracle."""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Self

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaError
from redis.exceptions import RedisError

from bench.oracle import compare, table
from bench.services import ServiceProcess, environment, settings_of
from streamer.adapters.redis.client import connect
from streamer.adapters.redis.states import RedisStates
from streamer.local import LocalStack
from streamer.service import bootstrap
from streamer.service.health import Health
from streamer.service.topics import ensure_topics
from streamer.service.worker import Worker
from tests.support.fake_service import Event, random_log
from tests.support.wait import wait_until

SESSION_MS: Final = 6_000  # a member that does not answer for so long is out of the group
# A service starts in 3 s on an idle core; then sessions and transactions of dead ones time out.
DEADLINE_S: Final = 90.0
ASK_TIMEOUT_MS: Final = 10_000
N_EVENTS: Final = 600
_LOG_SHOWN: Final = 3_000


class WorkerThread:
    """A worker in a thread of this process: no start-up time, for faults that kill no service."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self._stopping = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends the worker in order, as SIGTERM does, and raises what ended it before."""
        self._stopping.set()
        self._thread.join(DEADLINE_S)
        assert not self._thread.is_alive(), "the worker did not stop when asked to"
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            self.worker.run(self._stopping)
        except BaseException as error:
            self._error = error
        finally:
            self.worker.close()


class ServiceTrial:
    """Topics, a group and states of its own; stops whatever still runs when its block ends.

    Args:
        stack: the Kafka and the Redis.
        folder: for the logs of services.
        prefix: of topics and group.
        partitions: of the topics.
        seed: of the events.
        settings: more of the services' settings, such as ``replication``.
    """

    def __init__(
        self,
        stack: LocalStack,
        folder: Path,
        prefix: str,
        *,
        partitions: int = 2,
        seed: int = 1,
        **settings: str | float,
    ) -> None:
        settings = {"kafka_session_timeout_ms": SESSION_MS, "max_batch": 40, **settings}
        self.environment = environment(stack, prefix, partitions=partitions, **settings)
        self.settings = settings_of(self.environment)
        self.redis = connect(stack.redis)
        self.states = RedisStates(
            self.redis, f"vigil:{self.settings.group}", self.settings.topic_vitals
        )
        self._folder = folder
        self._events = iter(random_log(seed, N_EVENTS, partitions, n_patients=8))
        self._ends = contextlib.ExitStack()
        self.services: list[ServiceProcess] = []
        self.has_canaries = False
        self._names = (f"w{i}" for i in itertools.count())
        ensure_topics(self.settings)
        self._producer = KafkaProducer(**self.settings.kafka_connection())
        self._ends.callback(self._producer.close)
        self._reconnect()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        with self._ends:
            for service in self.services:
                service.stop()
        self.redis.close()

    def service(self, fault: str = "", **settings: str) -> ServiceProcess:
        """Starts a service process, under a new name unless ``instance`` names it."""
        name = settings.pop("instance", next(self._names))
        variables = {"STREAMER_INSTANCE": name, "STREAMER_FAULT": fault, **settings}
        process = ServiceProcess(self.environment | variables, self._folder / f"{name}.log")
        self.services.append(process)
        process.start()
        return process

    @contextmanager
    def worker(self, **settings: str) -> Iterator[Worker]:
        """A worker that runs in a thread of this process while the block lasts."""
        variables = {"STREAMER_INSTANCE": next(self._names), **settings}
        worker = bootstrap.worker(settings_of(self.environment | variables), Health())
        thread = WorkerThread(worker)
        try:
            yield worker
        finally:
            thread.stop()

    def send(self, n: int | None = None) -> None:
        """Sends the next n events, or all that are left."""
        self.publish(list(itertools.islice(self._events, n)))

    def publish(self, events: Sequence[Event]) -> None:
        """Sends these events to the partitions that they name."""
        for partition, key, value in events:
            self._producer.send(self.settings.topic_vitals, value, key, partition=partition)
        self._producer.flush(DEADLINE_S)

    def ends(self) -> dict[int, int]:
        """The end of each partition of the input."""
        ends = self._group_consumer.end_offsets(
            self._tps(self.settings.topic_vitals), ASK_TIMEOUT_MS
        )
        return {tp.partition: end for tp, end in ends.items()}

    def committed(self) -> dict[int, int | None]:
        """The group's committed offsets."""
        tps = self._tps(self.settings.topic_vitals)
        return {tp.partition: self._group_consumer.committed(tp) for tp in tps}

    def watermarks(self) -> dict[int, int | None]:
        """The first offset that the stored states of each partition do not include."""
        stored: dict[int, Any] = {
            p: self.redis.hget(self.states.key(p), "__wm__") for p in self._partitions()
        }
        return {p: None if w is None else int(w) for p, w in stored.items()}

    def wait_for_commit(self, n: int = 1) -> None:
        """Waits until at least ``n`` events are committed."""
        wait_until(
            lambda: sum(c or 0 for c in self.committed().values()) >= n,
            DEADLINE_S,
            f"{n} committed events{self._logs()}",
        )

    def settle(self) -> None:
        """Waits until every event is read, committed and saved, and no transaction is open."""
        try:
            wait_until(self._settled, DEADLINE_S, "the end of the log")
        except AssertionError as error:
            raise AssertionError(
                f"{error}: ends {self.ends()}, committed {self.committed()}, "
                f"saved {self.watermarks()}{self._logs()}"
            ) from None

    def assert_equals_oracle(self) -> None:
        """Settles; then no message and no stored stay may differ from the pure fold of the log."""
        self.settle()
        by_kind = compare(self.settings)
        # Nobody judges an alert unless a trial says so, and few have canaries.
        unasked = {"verdict", *(() if self.has_canaries else ("canary_risk", "canary_alert"))}
        asked = [stored for kind, stored in by_kind.items() if kind not in unasked]
        assert all(stored.expected for stored in asked), "nothing was expected: no test"
        examples = "\n".join(example for kind in by_kind.values() for example in kind.examples)
        assert not sum(kind.total for kind in by_kind.values()), f"\n{table(by_kind)}\n{examples}"

    def _settled(self) -> bool:
        try:
            return self._at_the_end()
        except RedisError:  # a master is on its way up
            return False
        except KafkaError:  # the broker is on its way up
            # A consumer of kafka-python may go on asking a broker that has lost the lead.
            self._reconnect()
            return False

    def _at_the_end(self) -> bool:
        ends = {p: end for p, end in self.ends().items() if end}
        committed, watermarks = self.committed(), self.watermarks()
        return all(committed[p] == watermarks[p] == end for p, end in ends.items()) and all(
            self._group_consumer.end_offsets(tps, ASK_TIMEOUT_MS)
            == self._reader.end_offsets(tps, ASK_TIMEOUT_MS)
            for tps in map(self._tps, self._outputs())
        )

    def _outputs(self) -> Sequence[str]:
        settings = self.settings
        return (
            settings.topic_risk,
            settings.topic_alerts,
            settings.topic_rejected,
            settings.topic_stays,
            settings.topic_outcomes,
            settings.topic_risk_canary,
            settings.topic_alerts_canary,
        )

    def _partitions(self) -> list[int]:
        return [tp.partition for tp in self._tps(self.settings.topic_vitals)]

    def _tps(self, topic: str) -> list[TopicPartition]:
        partitions = wait_until(
            lambda: self._group_consumer.partitions_for_topic(topic),
            DEADLINE_S,
            f"partitions of {topic}",
        )
        return [TopicPartition(topic, p) for p in sorted(partitions)]

    def _reconnect(self) -> None:
        self._group_consumer = self._consumer("read_uncommitted", group_id=self.settings.group)
        self._reader = self._consumer("read_committed")

    def _consumer(self, isolation_level: str, group_id: str | None = None) -> KafkaConsumer:
        consumer = KafkaConsumer(
            **self.settings.kafka_connection(),
            group_id=group_id,
            isolation_level=isolation_level,
            enable_auto_commit=False,
            reconnect_backoff_max_ms=1_000,  # half a minute by default, and brokers come back
        )
        self._ends.callback(consumer.close)
        return consumer

    def _logs(self) -> str:
        return "".join(f"\n--- {s.pid}:\n{s.log[-_LOG_SHOWN:]}" for s in self.services)
