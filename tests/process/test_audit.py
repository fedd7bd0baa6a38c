from __future__ import annotations

import json
import os
import socket
import stat
import threading
from datetime import datetime
from pathlib import Path

import pytest

from streamer.process.audit import audited, failure_audited, record


def lines(file: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_a_line_says_who_did_what_to_what_where_and_when(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUDO_USER", "nurse\n7")
    file = tmp_path / "new" / "audit.jsonl"
    record(file, "promote", "abc")
    (line,) = lines(file)
    assert (line["action"], line["object"], line["outcome"]) == ("promote", "abc", "done")
    assert line["host"] == socket.gethostname()
    assert line["user"].startswith("nurse\n7 as ")
    assert datetime.fromisoformat(line["time"]).utcoffset() is not None
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_failed_action_is_on_record_too(tmp_path: Path) -> None:
    file = tmp_path / "audit.jsonl"
    with pytest.raises(ValueError, match="broken"), audited(file, "promote", "abc"):
        raise ValueError("broken" * 1000)
    with audited(file, "promote", "abc"):
        pass
    first, second = lines(file)
    assert first["outcome"].startswith("failed: broken")
    assert len(first["outcome"]) == 300
    assert second["outcome"] == "done"


def test_lines_of_many_writers_are_whole(tmp_path: Path) -> None:
    file = tmp_path / "audit.jsonl"

    def write_many(target: str) -> None:
        for _ in range(20):
            record(file, "sign", target)

    writers = [threading.Thread(target=write_many, args=(f"{i}",)) for i in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert len(lines(file)) == 80


def test_where_nothing_can_be_written_the_line_goes_to_standard_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    record(tmp_path / "file" / "audit.jsonl", "promote", "abc")
    assert '"object": "abc"' in capsys.readouterr().err


def test_a_line_that_the_disk_cuts_goes_to_standard_error_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda file, content: write(file, content[:20]))
    record(tmp_path / "audit.jsonl", "promote", "abc")
    assert '"object": "abc"' in capsys.readouterr().err


def test_only_a_failure_is_on_record_where_the_action_records_itself(tmp_path: Path) -> None:
    file = tmp_path / "audit.jsonl"
    with failure_audited(file, "promote", "abc"):
        pass
    assert not file.exists()
    with pytest.raises(ValueError, match="broken"), failure_audited(file, "promote", "abc"):
        raise ValueError("broken")
    (line,) = lines(file)
    assert line["outcome"] == "failed: broken"
