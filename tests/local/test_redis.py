"""Rights of programs, administrator and others in the local Redis, for each server program."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, ResponseError
from redis.retry import Retry

from streamer.local import LocalStack, LocalStackError
from streamer.local.ports import LOOPBACK
from streamer.local.redis import RedisServer
from tests.support.redis_servers import NO_KAFKA, SERVERS, redis_run_by

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module", params=SERVERS)
def running(request: pytest.FixtureRequest) -> Iterator[LocalStack]:
    with redis_run_by(request.param) as stack:
        yield stack


@pytest.mark.parametrize("password", [None, "", "guessed"])
def test_a_client_without_the_password_is_refused(
    running: LocalStack, password: str | None
) -> None:
    port = running.redis_server.port
    with (
        Redis(LOOPBACK, port, password=password, retry=Retry(NoBackoff(), 0)) as client,
        pytest.raises(AuthenticationError),
    ):
        client.ping()


@pytest.mark.parametrize(
    "command",
    [
        ("FLUSHALL",),
        ("FLUSHDB",),
        ("CONFIG", "SET", "dir", "/tmp"),
        ("CONFIG", "REWRITE"),
        ("SHUTDOWN", "NOSAVE"),
        ("REPLICAOF", LOOPBACK, "1"),
        ("MODULE", "LOAD", "/tmp/module.so"),
        ("ACL", "SETUSER", "default", "+@all"),
        ("KEYS", "*"),
        ("MONITOR",),
        ("BGSAVE",),
    ],
    ids=" ".join,
)
def test_programs_may_not_use_dangerous_commands(
    running: LocalStack, command: tuple[str, ...]
) -> None:
    with Redis.from_url(running.redis) as client:
        with pytest.raises(ResponseError, match=r"no permissions|not allowed"):
            client.execute_command(*command)
        assert client.ping()


def test_programs_may_use_the_commands_of_streamer_check(running: LocalStack) -> None:
    with Redis.from_url(running.redis) as client:
        assert client.info()["aof_enabled"] == 1
        assert client.config_get("appendfsync") == {"appendfsync": "everysec"}
        assert client.role()[0] == b"master"


def test_an_administrator_may_use_dangerous_commands(running: LocalStack) -> None:
    with Redis.from_url(running.redis_admin) as admin, Redis.from_url(running.redis) as client:
        client.set("a", "1")
        assert admin.flushall()
        assert client.get("a") is None


def test_no_other_user_reads_password_data_or_log(running: LocalStack) -> None:
    server = running.redis_server
    password = running.redis.partition("://:")[2].partition("@")[0]
    assert len(password) >= 32
    assert password not in " ".join(psutil.Process(server.pid).cmdline())
    assert password not in (server.folder / "redis.conf").read_text()
    assert stat.S_IMODE(server.folder.stat().st_mode) == 0o700
    written = [path for path in server.folder.rglob("*") if path.name != "output.log"]
    assert {path.name for path in written} >= {"password", "redis.conf"}
    assert not [path for path in written if stat.S_IMODE(path.stat().st_mode) & 0o077]


def test_the_password_stays_with_the_data_and_the_administrators_does_not(tmp_path: Path) -> None:
    with LocalStack(tmp_path, existing_kafka=NO_KAFKA) as stack:
        server, password = stack.redis_server, stack.redis.partition("@")[0]
        urls = server.url, server.admin_url
        server.restart()
        assert (server.url, server.admin_url) == urls
    with LocalStack(tmp_path, existing_kafka=NO_KAFKA) as again:
        assert again.redis.partition("@")[0] == password
        assert again.redis_admin.partition("@")[0] != urls[1].partition("@")[0]
    with LocalStack(existing_kafka=NO_KAFKA) as other:
        assert other.redis.partition("@")[0] != password


def test_a_new_data_folder_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with LocalStack(tmp_path / "data", existing_kafka=NO_KAFKA):
            assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700
    finally:
        os.umask(before)


def test_a_server_that_was_never_started_has_no_url(tmp_path: Path) -> None:
    with pytest.raises(LocalStackError, match="Redis was not started"):
        _ = RedisServer(tmp_path, 1).url
