"""The plain loop, stopped and started again, gives each risk that is due."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.cores import Cores
from bench.engines import SAME, BenchEnv, processes_for, settings_for
from bench.loads import Load, hourly, put
from bench.reading import read_topic
from bench.services import environment, running, settings_of
from streamer.local import LocalStack
from streamer.service.topics import ensure_topics
from tests.support.peer_risks import risks_of_service

DEADLINE_S = 55.0  # more than the 45 s after which a group misses a member
STARTS = 3
PLAIN = next(peer for peer in SAME if peer.module == "plain")


@pytest.mark.timeout(360)  # starts and deadlines, should all of them be needed
def test_the_plain_loop_goes_on_where_it_was_stopped(
    stack: LocalStack, topic_prefix: str, tmp_path: Path
) -> None:
    settings = settings_of(environment(stack, topic_prefix, partitions=2))
    ensure_topics(settings)
    events = list(hourly(rows=24, stays=4))
    env = BenchEnv(stack, tmp_path, Cores((), ()), Path(), {})
    for half in (events[:12], events[12:]):
        backlog = put(Load("tiny", half, 0.0), settings)
        own = settings_for(env, backlog, f"{topic_prefix}plain-")
        # Rarely a consumer of kafka-python never gets a partition. The service notices that, the
        # plain loop does not: start it again.
        for _ in range(STARTS):
            processes = processes_for(PLAIN, env, backlog, f"{topic_prefix}plain-", [0])
            with running(processes):
                records = read_topic(own, own.topic_risk, enough(backlog.n_due), DEADLINE_S)
            if len(records) >= backlog.n_due:
                break
    messages = [json.loads(record.value) for record in records]
    assert sorted((m["partition"], m["offset"]) for m in messages) == [
        (partition, offset) for partition, due in enumerate(backlog.due) for offset in due.tolist()
    ]
    expected = risks_of_service(events, 0)
    assert {(m["patient_id"], m["time"]): m["risk"] for m in messages} == pytest.approx(
        expected, abs=1e-5
    )


def enough(n: int) -> Callable[[list[Any]], bool]:
    return lambda records: len(records) >= n
