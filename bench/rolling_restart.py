"""Rolling restarts under load: from one version to another and back, and what readers saw.

    python -m bench.rolling_restart                    this version, the next (invented), and back
    python -m bench.rolling_restart --from 32d8506     from a version of this repository to this one

Three services share a topic whose events come at an even pace, each due for one risk. Services
are ended in order and replaced one by one, each when the one before is at work. Then every risk is
counted: none may be missing or doubled. Between the present version and an invented next one, which
writes the format of stays that this one reads, all messages and all stays are also compared with
the fold. With `--from` or `--astray`, one event in twenty is sent again to another partition
than its patient's, and is due for a rejection.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from redis import Redis
from redis.exceptions import RedisError

from bench import oracle
from bench.engines import earlier
from bench.loads import hourly
from bench.machine import describe
from bench.reading import read_topic
from bench.services import RUN, ServiceProcess, environment, settings_of
from streamer.adapters.redis.states import RedisStates
from streamer.core import stored_formats
from streamer.local import LocalStack
from streamer.service.settings import Settings
from streamer.service.topics import ensure_topics

_PARTITIONS: Final = 6
_SERVICES: Final = 3
_STAYS: Final = 120
# A service of an early build may forget a join that outlasts a poll. The group goes on without it
# after its session and half a minute, and that may come twice.
_DEADLINE_S: Final = 240.0
_LIVES_S: Final = 8.0  # of a version that all services have
_POLL_S: Final = 0.2
_STEP_S: Final = 0.05
_ASTRAY_EVERY: Final = 20
_ASTRAY: Final = ("astray", b"1")
_VERSION_BYTE: Final = 4  # of a stored stay, after four letters


@dataclass(frozen=True, slots=True)
class Version:
    """A version of the service.

    Attributes:
        name: in the report.
        command: that runs it.
        variables: that it needs besides.
        tree: where its sources are, if not here: it does not know all of our settings.
    """

    name: str
    command: Sequence[str] = RUN
    variables: tuple[tuple[str, str], ...] = ()
    tree: Path | None = None

    def environment(self, variables: Mapping[str, str]) -> dict[str, str]:
        """The variables of a service of this version."""
        if self.tree is None:
            return {**variables, **dict(self.variables)}
        known = (self.tree / "streamer" / "service" / "settings.py").read_text()
        return {
            name: value
            for name, value in variables.items()
            if not name.startswith("STREAMER_")
            or f"    {name.removeprefix('STREAMER_').lower()}:" in known
        } | dict(self.variables)


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints what was seen; 1 if anything was missing, doubled or different."""
    parser = argparse.ArgumentParser(prog="python -m bench.rolling_restart", description=__doc__)
    parser.add_argument(
        "--from", dest="revision", help="begin with this commit, and do not go back"
    )
    parser.add_argument(
        "--astray", action="store_true", help="send events to wrong partitions, and only count"
    )
    parser.add_argument("--rate", type=float, default=300.0, help="events a second")
    chosen = parser.parse_args(arguments)
    print(f"Machine: {describe()}.")
    present, same = Version("this version"), True
    with tempfile.TemporaryDirectory() as name, LocalStack() as stack:
        folder = Path(name)
        if chosen.revision:
            engine = earlier(chosen.revision, folder)
            before = Version(engine.name, RUN, tuple(engine.path().items()), Path(engine.tree))
            versions, same = [before, present], False
        else:
            after = Version(
                "an invented next version",
                (sys.executable, "-m", "bench.next_version", "run"),
                (("STREAMER_STATE_FORMAT", str(stored_formats.NEWEST)),),
            )
            versions = [present, after, present]
        return run(stack, folder, versions, chosen.rate, compares=same and not chosen.astray)


def run(
    stack: LocalStack, folder: Path, versions: Sequence[Version], rate: float, *, compares: bool
) -> int:
    """Goes through the versions under load, and counts.

    Args:
        stack: a Kafka and a Redis.
        folder: for logs.
        versions: one after the other.
        rate: events a second.
        compares: whether all versions must give the messages and stays of this one's fold.

    Returns:
        1 if anything was missing, doubled or different, else 0.
    """
    variables = environment(
        stack, "rolling-", partitions=_PARTITIONS, risk_interval=0, states_seconds=20
    )
    settings = settings_of(variables)
    ensure_topics(settings)
    load = _Load(settings, rate)
    services = [_service(versions[0], variables, folder, i, 0) for i in range(_SERVICES)]
    began, pauses = time.monotonic(), []
    try:
        for service in services:
            service.start()
        load.start()
        for turn, version in enumerate(versions):
            if turn:
                for i in range(_SERVICES):
                    services[i].terminate()
                    services[i] = _service(version, variables, folder, i, turn)
                    services[i].start()
                    _wait_until_at_work(services[i])
                    pauses.append(_wait_until_read(settings, services))
            else:
                for service in services:
                    _wait_until_at_work(service)
                _wait_until_sent_to_all(load)
                _wait_until_read(settings, services)
                if not compares:  # the fold knows no patient on two partitions
                    load.homes_are_known.set()
            print(f"{version.name}: {_formats(stack, settings)}", flush=True)
            time.sleep(_LIVES_S)
        load.stop()
        _wait_until_read(settings, services, to_the_end=True)
    finally:
        load.stop()
        for service in services:
            service.stop()
    missing, doubled, n_risks = _count(settings, settings.topic_risk, astray=False)
    lost, again, n_rejected = _count(settings, settings.topic_rejected, astray=True)
    print(
        f"{load.n_sent:,} events in {time.monotonic() - began:.0f} s, {len(pauses)} services "
        f"replaced (the log was read again {max(pauses):.1f} s after at the latest): {n_risks:,} "
        f"risks, {missing} missing, {doubled} doubled; {n_rejected:,} events rejected on another "
        f"partition than their patient's, {lost} missing, {again} doubled."
    )
    wrong = missing + doubled + lost + again
    if compares:
        differences = oracle.compare(settings, processes=2)
        print(oracle.table(differences))
        wrong += sum(counts.total for counts in differences.values())
    return 1 if wrong else 0


def _service(
    version: Version, variables: Mapping[str, str], folder: Path, index: int, turn: int
) -> ServiceProcess:
    own = {"STREAMER_INSTANCE": f"w{index}"}
    log = folder / f"w{index}-{turn}.log"
    return ServiceProcess(version.environment({**variables, **own}), log, command=version.command)


class _Load(threading.Thread):
    """Sends hourly rows of many stays at an even pace until it is stopped."""

    def __init__(self, settings: Settings, rate: float) -> None:
        super().__init__(daemon=True)
        self._settings = settings
        self._rate = rate
        self._stopping = threading.Event()
        self._n = 0
        self.n_sent = 0
        self.homes_are_known = threading.Event()  # a patient's home is where services read first

    def run(self) -> None:
        """Sends."""
        feed, topic, wide = hourly(1_000_000, _STAYS), self._settings.topic_vitals, _PARTITIONS
        began = time.monotonic()
        with contextlib.closing(KafkaProducer(**self._settings.kafka_connection())) as producer:
            while not self._stopping.wait(_STEP_S):
                due = int((time.monotonic() - began) * self._rate) - self.n_sent
                for message in itertools.islice(feed, due):
                    value, key = json.dumps(message.value).encode(), message.key.encode()
                    sent = producer.send(topic, value, key)
                    self._n += 1
                    if self.homes_are_known.is_set() and self._n % _ASTRAY_EVERY == 0:
                        away = (sent.get(_DEADLINE_S).partition + 1) % wide
                        producer.send(topic, value, key, partition=away, headers=[_ASTRAY])
                self.n_sent += due
            producer.flush()

    def stop(self) -> None:
        """Ends; everything is sent then."""
        self._stopping.set()
        if self.is_alive():
            self.join()


def _wait_until_sent_to_all(load: _Load) -> None:
    """Waits until each patient has had an event."""
    while load.n_sent < 2 * _STAYS:
        time.sleep(_POLL_S)


def _wait_until_at_work(service: ServiceProcess) -> None:
    """Waits until a service has taken a partition.

    Raises:
        RuntimeError: it has ended, or takes none.
    """
    give_up_at = time.monotonic() + _DEADLINE_S
    while "partition taken" not in service.log:
        if service.exit_code is not None or time.monotonic() > give_up_at:
            raise RuntimeError(f"no partition taken: {service.log[-2_000:]}")
        time.sleep(_POLL_S)


def _wait_until_read(
    settings: Settings, services: Sequence[ServiceProcess], *, to_the_end: bool = False
) -> float:
    """Waits until what is in the log now is committed; returns the seconds.

    Raises:
        RuntimeError: that does not happen, or a service ended.
    """
    began = time.monotonic()
    consumer = KafkaConsumer(
        **settings.kafka_connection(), group_id=settings.group, enable_auto_commit=False
    )
    tps = [TopicPartition(settings.topic_vitals, p) for p in range(settings.partitions)]
    with contextlib.closing(consumer):
        ends = consumer.end_offsets(tps)
        while any((consumer.committed(tp) or 0) < end for tp, end in ends.items()):
            dead = [service for service in services if service.exit_code is not None]
            if dead or time.monotonic() - began > _DEADLINE_S:
                logs = [service.log[-3_000:] for service in dead or services]
                raise RuntimeError("not read:\n" + "\n\n".join(logs))
            time.sleep(_POLL_S)
    if to_the_end:
        _wait_until_saved(settings, {tp.partition: end for tp, end in ends.items()})
    return time.monotonic() - began


def _wait_until_saved(settings: Settings, ends: Mapping[int, int]) -> None:
    give_up_at = time.monotonic() + _DEADLINE_S
    with contextlib.closing(Redis.from_url(settings.redis())) as client:
        states = RedisStates(client, f"vigil:{settings.group}", settings.topic_vitals)
        while any(int(client.hget(states.key(p), "__wm__") or 0) < e for p, e in ends.items()):
            if time.monotonic() > give_up_at:
                raise RuntimeError("states are not saved")
            time.sleep(_POLL_S)


def _formats(stack: LocalStack, settings: Settings) -> str:
    """How many stored stays there are, by their format."""
    counts: Counter[int] = Counter()
    with contextlib.closing(Redis.from_url(stack.redis)) as client, contextlib.suppress(RedisError):
        states = RedisStates(client, f"vigil:{settings.group}", settings.topic_vitals)
        for number in range(settings.partitions):
            for page in states.pages(number):
                counts.update(stay[_VERSION_BYTE] for stay in page.values())
    shares = ", ".join(f"{n} stays of format {version}" for version, n in sorted(counts.items()))
    return shares or "no stay is saved yet"


def _count(settings: Settings, topic: str, *, astray: bool) -> tuple[int, int, int]:
    """Counts messages of a topic that are missing and doubled, by the event behind each.

    Args:
        settings: of the services.
        topic: of risks, or of rejected events.
        astray: whether events on another partition than their patient's are due, or all others.

    Returns:
        Missing, doubled (or not due), and all.
    """
    seen: Counter[tuple[int, int]] = Counter()
    for record in read_topic(settings, topic):
        if topic == settings.topic_risk:
            message: Any = json.loads(record.value)
            seen[message["partition"], message["offset"]] += 1
        else:
            headers = dict(record.headers)
            if headers["reason"] == b"other_partition":
                seen[int(headers["partition"]), int(headers["offset"])] += 1
    due = {
        (record.partition, record.offset)
        for record in read_topic(settings, settings.topic_vitals)
        if (_ASTRAY in record.headers) is astray
    }
    return (
        len(due - seen.keys()),
        sum(n - 1 for n in seen.values()) + len(seen.keys() - due),
        seen.total(),
    )


if __name__ == "__main__":
    sys.exit(main())
