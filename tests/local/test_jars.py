"""Fetching Kafka's files: from a small Maven repository on this machine, so that it may fail."""

import hashlib
import io
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from rich.console import Console

from streamer.local import LocalStackError, jars
from streamer.local.jars import Jar, cache_folder, fetch, kafka_jars, locked_jars


class Repository:
    """A Maven repository: files by path, and how often each was asked for."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.asked: Counter[str] = Counter()
        repository = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                repository.asked[self.path] += 1
                content = repository.files.get(self.path)
                self.send_response(404 if content is None else 200)
                self.send_header("Content-Length", str(len(content or b"")))
                self.end_headers()
                self.wfile.write(content or b"")

            def log_message(self, format: str, *_args: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def put(self, name: str, content: bytes) -> Jar:
        self.files[f"/org/example/{name}/1.0/{name}-1.0.jar"] = content
        return Jar(f"org.example:{name}:1.0", len(content), hashlib.sha256(content).hexdigest())

    def times_asked(self, name: str) -> int:
        return self.asked[f"/org/example/{name}/1.0/{name}-1.0.jar"]


@pytest.fixture
def repository(monkeypatch: pytest.MonkeyPatch) -> Iterator[Repository]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(jars, "_RETRY_AFTER_S", 0.0)
    made = Repository()
    with made.server:
        thread = threading.Thread(target=made.server.serve_forever, args=(0.01,))
        thread.start()
        yield made
        made.server.shutdown()
        thread.join()


@pytest.fixture
def console() -> Console:
    return Console(file=io.StringIO(), width=200)


def shown(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_fetched_files_appear_together(
    repository: Repository, console: Console, tmp_path: Path
) -> None:
    wanted = [repository.put(f"part{i}", bytes([i]) * 1000 * (i + 1)) for i in range(6)]
    folder = tmp_path / "cache" / "kafka"
    fetch(wanted, folder, {"mine": repository.url}, console)
    assert sorted(path.name for path in folder.iterdir()) == [f"part{i}-1.0.jar" for i in range(6)]
    assert all(jar.is_at(folder / jar.file_name) for jar in wanted)
    assert [path.name for path in folder.parent.iterdir()] == ["kafka"]  # nothing half-done is left
    lines = shown(console).splitlines()
    assert lines[0].startswith("Downloading Apache Kafka")
    assert lines[-1].endswith("100 %")


def test_a_terminal_gets_a_bar(repository: Repository, tmp_path: Path) -> None:
    terminal = Console(file=io.StringIO(), width=100, force_terminal=True)
    fetch([repository.put("part", b"x")], tmp_path / "kafka", {"mine": repository.url}, terminal)
    assert "━" in shown(terminal)


def test_whole_files_of_an_interrupted_download_are_used_again(
    repository: Repository, console: Console, tmp_path: Path
) -> None:
    whole, cut = repository.put("whole", b"w" * 5000), repository.put("cut", b"c" * 5000)
    partial = tmp_path / "kafka.partial" / "org" / "example"
    for name, content in (("whole", b"w" * 5000), ("cut", b"c" * 100)):
        (partial / name / "1.0").mkdir(parents=True)
        (partial / name / "1.0" / f"{name}-1.0.jar").write_bytes(content)
    fetch([whole, cut], tmp_path / "kafka", {"mine": repository.url}, console)
    assert (repository.times_asked("whole"), repository.times_asked("cut")) == (0, 1)
    assert cut.is_at(tmp_path / "kafka" / "cut-1.0.jar")


def test_an_exchanged_file_is_refused(
    repository: Repository, console: Console, tmp_path: Path
) -> None:
    jar = repository.put("part", b"what was pinned")
    repository.put("part", b"something else!")
    with pytest.raises(LocalStackError, match=r"org\.example:part:1\.0: .*another checksum"):
        fetch([jar], tmp_path / "kafka", {"mine": repository.url}, console)
    assert repository.times_asked("part") == 3
    assert not (tmp_path / "kafka").exists()
    assert not list(tmp_path.rglob("*.jar"))


def test_a_missing_file_or_network_is_an_error_with_a_way_out(
    repository: Repository, console: Console, tmp_path: Path
) -> None:
    jar = Jar("org.example:absent:1.0", 1, "")
    with pytest.raises(LocalStackError, match=r"absent:1\.0: .*not found.*KAFKA_BOOTSTRAP_SERVERS"):
        fetch([jar], tmp_path / "kafka", {"mine": repository.url}, console)
    repository.server.server_close()
    with pytest.raises(LocalStackError, match=r"refused.*needs a network .*HTTPS_PROXY"):
        fetch([jar], tmp_path / "kafka", {"mine": repository.url}, console)


def test_processes_that_start_at_once_download_once(
    repository: Repository, console: Console, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = [repository.put(f"part{i}", bytes([i]) * 1000) for i in range(4)]
    lock = tmp_path / "some.lock"
    lock.write_text("# comment\n" + "".join(f"{jar.line()}\n" for jar in wanted))
    monkeypatch.setattr(jars, "LOCK", lock)
    monkeypatch.setattr(jars, "_repositories", lambda: {"mine": repository.url})
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(jars, "locked_jars", lambda: locked_jars(lock))
    with ThreadPoolExecutor(3) as pool:  # a flock keeps apart open files, not only processes
        folders = {each.result() for each in [pool.submit(kafka_jars, console) for _ in range(3)]}
    assert len(folders) == 1
    assert [repository.times_asked(f"part{i}") for i in range(4)] == [1, 1, 1, 1]
    damaged = folders.pop() / "part2-1.0.jar"
    damaged.write_bytes(bytes([3]) * 1000)
    kafka_jars(console)
    assert wanted[2].is_at(damaged)


def test_an_unwritable_cache_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(LocalStackError, match="Set XDG_CACHE_HOME to a folder"):
        kafka_jars()


def test_the_cache_is_found_without_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", "/home/somebody")
    assert cache_folder() == Path("/home/somebody/.cache/vigil")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative/is/ignored")
    assert cache_folder() == Path("/home/somebody/.cache/vigil")
    monkeypatch.delenv("HOME")
    assert cache_folder().is_absolute()
    monkeypatch.setenv("HOME", "")
    assert cache_folder().parent.parent != Path("/")


def test_the_lock_names_this_kafka_and_its_logging_binding() -> None:
    names = [jar.coordinate for jar in locked_jars()]
    assert f"org.apache.kafka:kafka_2.13:{jars.KAFKA_VERSION}" in names
    assert f"org.apache.kafka:kafka-clients:{jars.KAFKA_VERSION}" in names
    assert any(name.startswith("org.apache.logging.log4j:log4j-slf4j-impl:") for name in names)
    assert len({jar.file_name for jar in locked_jars()}) == len(names)
