"""A server process that fails, hangs or runs already. Redis serves: it starts in milliseconds."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import psutil
import pytest

from streamer.local import LocalStack, LocalStackError, redis
from tests.support.local_servers import (
    NO_KAFKA,
    redis_only,
    started_since,
)
from tests.support.wait import wait_until

pytestmark = pytest.mark.integration


def test_a_server_that_ends_while_starting_shows_its_log(tmp_path: Path) -> None:
    (tmp_path / "redis").mkdir()
    (tmp_path / "redis" / "appendonly.aof").write_bytes(b"*1\r\n$7\r\nUNKNOWN\r\n")
    with pytest.raises(LocalStackError, match=r"(?s)Redis ended while starting.*UNKNOWN"):
        redis_only(tmp_path).start()


def test_a_server_that_does_not_answer_in_time_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = psutil.Process().children()
    log = tmp_path / "redis" / "output.log"

    def silent(_server: redis.RedisServer) -> bool:
        wait_until(lambda: log.exists() and log.stat().st_size, 30, "its log")
        return False

    monkeypatch.setattr(redis.RedisServer, "_answers", silent)
    with pytest.raises(LocalStackError, match=r"Redis did not answer within 0 s.*\n(.*\n)*"):
        LocalStack(tmp_path, existing_kafka=NO_KAFKA, start_deadline_s=0.1).start()
    assert not started_since(before)


def test_a_server_that_does_not_stop_is_killed(tmp_path: Path) -> None:
    with redis_only(tmp_path) as stack:
        pid = stack.redis_server.pid
        os.kill(pid, signal.SIGSTOP)
        stack.redis_server.stop(deadline_s=0.1)
        assert not psutil.pid_exists(pid)


def test_a_running_server_is_not_started_twice() -> None:
    stack = redis_only()
    with stack:
        with pytest.raises(LocalStackError, match="Redis runs already"):
            stack.redis_server.launch()
        with pytest.raises(LocalStackError, match="this stack runs already"):
            stack.start()
        pid = stack.redis_server.pid
        stack.redis_server.restart()
        assert stack.redis_server.pid != pid
    stack.stop()  # a second time is harmless
