"""The archive of Kafka's classes: found again, written all at once or not at all."""

import os
import subprocess
from pathlib import Path

import pytest

from streamer.local import java_class_archive
from streamer.local.java_class_archive import archive_of, options, write

WRITES = """#!/bin/sh
for word; do case $word in -XX:SharedArchiveFile=*) echo "$@" > "${word#*=}";; esac; done
"""


def program(folder: Path, script: str) -> Path:
    """A `java` that does what the script says."""
    java = folder / "java"
    java.write_text(script)
    java.chmod(0o755)
    return java


def test_an_archive_is_used_once_it_exists(tmp_path: Path) -> None:
    java, jars = program(tmp_path, WRITES), tmp_path / "kafka-4"
    archive = archive_of(java, jars)
    assert archive.parent == tmp_path
    assert archive.name.startswith("kafka-4-")
    assert options(java, jars) == []
    write([str(java), "-Xmx1m", "-cp", "jars/*"], tmp_path / "classes.lst", archive)
    assert options(java, jars) == [f"-XX:SharedArchiveFile={archive}"]
    asked = archive.read_text().split()
    assert asked[:2] == ["-Xshare:dump", f"-XX:SharedClassListFile={tmp_path}/classes.lst"]
    assert asked[-3:] == ["-Xmx1m", "-cp", "jars/*"]
    assert {path.name for path in tmp_path.iterdir()} == {"java", archive.name}


def test_another_java_has_another_archive(tmp_path: Path) -> None:
    java = program(tmp_path, WRITES)
    before = archive_of(java, tmp_path / "kafka")
    assert archive_of(java, tmp_path / "kafka") == before
    os.utime(java, (1, 1))  # as an update of the package would
    assert archive_of(java, tmp_path / "kafka") != before


@pytest.mark.parametrize("script", [f"{WRITES}exit 1\n", "#!/bin/sh\n", f"{WRITES}exec sleep 60\n"])
def test_an_archive_that_cannot_be_written_leaves_nothing(
    tmp_path: Path, script: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(java_class_archive, "_DUMP_DEADLINE_S", 1.0)
    java = program(tmp_path, script)
    with pytest.raises((OSError, subprocess.SubprocessError)):
        write([str(java)], tmp_path / "classes.lst", archive_of(java, tmp_path / "kafka"))
    assert list(tmp_path.iterdir()) == [java]
