"""The class archive of Kafka's brokers: with it, the start of a broker takes half the time.

A broker loads 8,000 classes at each start. Java's class-data sharing maps them into memory from a
file that `python -m streamer.local.fetch` has written. A Java that cannot use the file says so in
the broker's log, and loads the classes as without it.
"""

import hashlib
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

_DUMP_DEADLINE_S = 180.0  # takes 10 s on an idle machine


def archive_of(java: Path, jars: Path) -> Path:
    """The path of the archive for a `java` and a folder of jars: beside the folder."""
    program = java.resolve()
    status = program.stat()  # an update of Java writes the program anew
    identity = f"{program} {status.st_size} {status.st_mtime_ns}"
    fingerprint = hashlib.sha256(identity.encode()).hexdigest()[:8]
    return jars.with_name(f"{jars.name}-{fingerprint}.jsa")


def options(java: Path, jars: Path) -> list[str]:
    """The option that makes a `java` use its archive; none if there is no archive."""
    archive = archive_of(java, jars)
    return [f"-XX:SharedArchiveFile={archive}"] if archive.is_file() else []


def listing(class_list: Path) -> str:
    """The option that makes a `java` list the classes that it loads."""
    return f"-XX:DumpLoadedClassList={class_list}"


def write(java: Sequence[str], class_list: Path, archive: Path) -> None:
    """Write the archive of the classes in a list; the file appears complete.

    Args:
        java: the program, its options and its class path, as it runs the broker.
        class_list: the file that a broker has written, by the option of `listing`.
        archive: path of the archive.

    Raises:
        OSError, subprocess.SubprocessError: it cannot be written.
    """
    program, *rest = java
    partial = archive.with_suffix(f".{os.getpid()}")
    files = [f"-XX:SharedClassListFile={class_list}", f"-XX:SharedArchiveFile={partial}"]
    try:
        subprocess.run(
            [program, "-Xshare:dump", *files, *rest],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_DUMP_DEADLINE_S,
            check=True,
        )
        partial.replace(archive)
    finally:
        partial.unlink(missing_ok=True)
