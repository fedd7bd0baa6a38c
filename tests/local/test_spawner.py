"""Children of threads and of forked processes."""

from __future__ import annotations

import threading

import pytest

from tests.support.local_servers import (
    NO_KAFKA,
    redis_client,
    redis_only,
    start_parent,
)

pytestmark = pytest.mark.integration


def test_a_server_outlives_the_thread_that_started_it() -> None:
    stack = redis_only()
    thread = threading.Thread(target=stack.start)
    thread.start()
    thread.join()
    try:
        # The parent-death signal would have come when the thread ended, before join returned.
        with redis_client(stack.redis) as client:
            assert client.ping()
        assert stack.redis_server.running
    finally:
        stack.stop()


FORKS_WITH_A_STACK = f"""
import os
from streamer.local import LocalStack
with LocalStack(existing_kafka={NO_KAFKA!r}) as outer:
    child = os.fork()
    if not child:
        with LocalStack(existing_kafka={NO_KAFKA!r}) as inner:
            works = inner.redis_server.running and inner.redis != outer.redis
        os._exit(0 if works else 1)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    print(status, outer.redis_server.running, flush=True)
"""


def test_a_forked_process_starts_its_own() -> None:
    with start_parent(FORKS_WITH_A_STACK) as parent:
        answer, _ = parent.communicate(timeout=30)
    assert answer.split() == ["0", "True"]
