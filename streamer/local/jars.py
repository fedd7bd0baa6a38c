"""Apache Kafka's program files: downloaded once from a Maven repository, checked, and cached.

`kafka-jars.lock` names every file with its SHA-256, so the download needs no dependency resolution,
everybody gets the same Kafka, and a damaged or exchanged file is refused.
"""

import fcntl
import hashlib
import os
import pwd
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from streamer.local.errors import LocalStackError
from streamer.local.progress import download_progress

KAFKA_VERSION = "4.3.1"
LOCK = Path(__file__).with_name("kafka-jars.lock")

_PARALLEL_DOWNLOADS = 4  # latency, not bandwidth, is the cost of 50 small files
_ATTEMPTS = 3
_RETRY_AFTER_S = 0.5


@dataclass(frozen=True)
class Jar:
    """One file: its Maven coordinate `group:artifact:version`, its size and its SHA-256 (hex)."""

    coordinate: str
    n_bytes: int
    sha256: str

    @property
    def file_name(self) -> str:
        """The name that Maven gives the file.

        >>> Jar("org.apache.kafka:kafka-clients:4.3.1", 1, "").file_name
        'kafka-clients-4.3.1.jar'
        """
        _, artifact, version = self.coordinate.split(":")
        return f"{artifact}-{version}.jar"

    def line(self) -> str:
        """Its line in the lock file."""
        return f"{self.sha256} {self.n_bytes} {self.coordinate}"

    def is_at(self, path: Path) -> bool:
        """Whether the file at `path` is this one, byte for byte."""
        if not path.is_file() or path.stat().st_size != self.n_bytes:
            return False
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == self.sha256


def locked_jars(lock: Path = LOCK) -> list[Jar]:
    """The files that a lock file names."""
    lines = [line.split() for line in lock.read_text().splitlines() if not line.startswith("#")]
    return [Jar(coordinate, int(n_bytes), sha256) for sha256, n_bytes, coordinate in lines]


def cache_folder() -> Path:
    """The folder of downloaded files: `$XDG_CACHE_HOME/vigil`, else `~/.cache/vigil`."""
    chosen = os.environ.get("XDG_CACHE_HOME", "")
    if Path(chosen).is_absolute():  # the XDG specification has relative paths ignored
        return Path(chosen) / "vigil"
    home = os.environ.get("HOME") or pwd.getpwuid(os.getuid()).pw_dir
    return Path(home) / ".cache" / "vigil"


def kafka_jars(console: Console | None = None) -> Path:
    """The folder with Kafka's jars, downloaded on first use.

    Every file is checked at every call (0.1 s for 44 MB). Processes that call at the same time
    wait for the one that downloads.

    Args:
        console: shows the progress; standard error by default.

    Raises:
        LocalStackError: no network, no such file, a wrong checksum, or an unwritable cache.
    """
    jars = locked_jars()
    fingerprint = hashlib.sha256(LOCK.read_bytes()).hexdigest()[:8]
    folder = cache_folder() / f"kafka-{KAFKA_VERSION}-{fingerprint}"
    if not _complete(folder, jars):
        console = console or Console(stderr=True)
        try:
            with _only_one(folder.with_name(f"{folder.name}.lock"), console):
                if not _complete(folder, jars):
                    fetch(jars, folder, _repositories(), console)
        except OSError as error:
            raise LocalStackError(
                f"Kafka's files cannot be kept in {folder.parent}: {error}. Set XDG_CACHE_HOME to "
                "a folder that can be written"
            ) from error
    return folder


def fetch(
    jars: Sequence[Jar], folder: Path, repositories: Mapping[str, str], console: Console
) -> None:
    """Download and check all files, then make `folder` appear with all of them at once.

    Files that an interrupted download left behind are used again.

    Args:
        jars: the files to download.
        folder: gets the jars; replaced if it exists.
        repositories: Maven repositories by name, tried in this order.
        console: shows the progress.

    Raises:
        LocalStackError: a file cannot be downloaded, or has another checksum.
        OSError: the folder cannot be written.
    """
    try:
        from jgo.maven import MavenContext, PythonResolver  # noqa: PLC0415 - an optional extra
    except ImportError as error:
        raise LocalStackError(
            "starting Kafka here needs the package jgo: `pip install 'vigil-icu[local]'`, or set "
            "KAFKA_BOOTSTRAP_SERVERS to use a Kafka that runs elsewhere"
        ) from error
    partial = folder.with_name(f"{folder.name}.partial")
    total_bytes = sum(jar.n_bytes for jar in jars)
    with download_progress(console, f"Apache Kafka {KAFKA_VERSION}", total_bytes) as advance:
        resolver = PythonResolver(progress_callback=lambda _name, _size: nullcontext(advance))
        maven = MavenContext(resolver, repo_cache=partial, remote_repos=dict(repositories))

        def get(jar: Jar) -> Path:
            group, artifact, version = jar.coordinate.split(":")
            source = maven.project(group, artifact).at_version(version).artifact()
            stored = partial / source.component.path_prefix / source.cached_filename
            if jar.is_at(stored):
                advance(jar.n_bytes)
                return stored
            return _download(jar, stored, source.resolve)

        with ThreadPoolExecutor(_PARALLEL_DOWNLOADS) as pool:
            try:
                paths = list(pool.map(get, jars))
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
    shutil.rmtree(folder, ignore_errors=True)
    flat = partial / "jars"
    shutil.rmtree(flat, ignore_errors=True)
    flat.mkdir()
    for path in paths:
        path.rename(flat / path.name)
    flat.rename(folder)
    shutil.rmtree(partial)


def _download(jar: Jar, stored: Path, download: Callable[[], Path]) -> Path:
    """Download one file to `stored`, in up to `_ATTEMPTS` attempts.

    Raises:
        LocalStackError: every attempt failed.
    """
    reason = ""
    for attempt in range(_ATTEMPTS):
        stored.unlink(missing_ok=True)  # an existing file is cut short or damaged
        if attempt:
            time.sleep(_RETRY_AFTER_S * 2**attempt)
        try:
            download()
        # requests' errors are OSErrors; jgo raises RuntimeError when no repository has the file.
        except (OSError, RuntimeError) as error:
            reason = str(error)
            continue
        if jar.is_at(stored):
            return stored
        reason = "the downloaded file has another checksum than the one in kafka-jars.lock"
    stored.unlink(missing_ok=True)
    raise LocalStackError(
        f"Apache Kafka {KAFKA_VERSION} cannot be downloaded: {jar.coordinate}: {reason}. The "
        "first start needs a network (behind a proxy: set HTTPS_PROXY; with a Maven mirror: name "
        f"it under [repositories] in ~/.config/jgo.conf), or the folder {cache_folder()} copied "
        "from a machine that has it, or KAFKA_BOOTSTRAP_SERVERS set to a Kafka elsewhere"
    )


def _complete(folder: Path, jars: Sequence[Jar]) -> bool:
    return all(jar.is_at(folder / jar.file_name) for jar in jars)


def _repositories() -> dict[str, str]:
    """The user's Maven repositories from jgo's settings, then the public one."""
    try:
        from jgo.config import GlobalSettings  # noqa: PLC0415 - an optional extra
        from jgo.constants import MAVEN_CENTRAL_URL  # noqa: PLC0415
    except ImportError:
        return {}  # fetch says what is missing
    return {**GlobalSettings.load().repositories, "central": MAVEN_CENTRAL_URL}


@contextmanager
def _only_one(lock: Path, console: Console) -> Iterator[None]:
    """Hold a lock between processes; it ends with the block or the process."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            console.print("Another process downloads Apache Kafka: waiting for it.")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
