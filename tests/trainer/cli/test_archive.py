"""`trainer archive`: what it needs to be told, and the commands that need no Kafka."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

import trainer.cli
from bench.archived_log import START_MS, archive, brokers
from streamer.feeds.replay import replay
from tests.support.synthetic_cohort import learnable_file
from trainer.archive.pseudonyms import PatientNames
from trainer.data.cohort import load_cohort


def run(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], *words: str
) -> tuple[int, str, str]:
    def called(arguments: Sequence[str]) -> int:
        monkeypatch.setattr("sys.argv", ["trainer", *arguments])
        try:
            trainer.cli.main()
        except SystemExit as ended:
            return int(ended.code or 0)
        return 0

    code = called(words)
    written = capfd.readouterr()
    return code, written.out, written.err


def test_folder_and_key_are_asked_for_at_once(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, _, err = run(monkeypatch, capfd, "archive", "run")
    assert code == 2
    assert "TRAINER_ARCHIVE is missing" in err
    assert "TRAINER_ARCHIVE_KEY is missing" in err
    monkeypatch.setenv("TRAINER_ARCHIVE", str(tmp_path))
    monkeypatch.setenv("TRAINER_ARCHIVE_KEY", "k")
    monkeypatch.setenv("TRAINER_ARCHIVE_IDS", "plain")
    code, _, err = run(monkeypatch, capfd, "archive", "erase", "p", "--by", "a", "--reason", "b")
    assert code == 2
    assert "exclude each other" in err
    code, _, err = run(monkeypatch, capfd, "archive", "fold")
    assert code == 2
    assert "archive run" in err


def test_fold_status_export_and_erase(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    read = load_cohort([learnable_file(tmp_path, 8)])
    root = tmp_path / "archive"
    archive(root, brokers(replay(read, START_MS)), PatientNames(b"secret"))
    monkeypatch.setenv("TRAINER_ARCHIVE", str(root))
    monkeypatch.setenv("TRAINER_ARCHIVE_KEY", "secret")
    monkeypatch.setenv("TRAINER_AUDIT_FILE", str(tmp_path / "audit.jsonl"))
    code, out, _ = run(monkeypatch, capfd, "archive", "fold", "--json")
    assert (code, json.loads(out)["n_stays"]) == (0, 8)
    code, out, _ = run(monkeypatch, capfd, "archive", "status", "--json")
    seen = json.loads(out)
    assert (code, seen["stays"]["labelled"]) == (0, 8)
    months = sorted(seen["labelled_share"])
    assert months
    exported = tmp_path / "out.parquet"
    assert run(monkeypatch, capfd, "archive", "export", str(exported))[0] == 0
    assert len(load_cohort([exported])) == 8
    patient = read.patient_ids[0]
    words = ("archive", "erase", patient, "--by", "dpo", "--reason", "asked")
    code, out, _ = run(monkeypatch, capfd, *words)
    assert code == 0
    assert "Kafka" in out
    audit = (tmp_path / "audit.jsonl").read_text()
    assert "erase from archive" in audit
    assert patient not in audit
    assert run(monkeypatch, capfd, "archive", "fold")[0] == 0
    assert run(monkeypatch, capfd, "archive", "tidy")[0] == 0
    assert "nothing is torn" in run(monkeypatch, capfd, "archive", "repair")[1]
    code, out, _ = run(monkeypatch, capfd, "archive", "status")
    assert "7 labelled" in out
    shares = re.findall(r"^discharged in (\d{4}-\d\d): 100.0% have an outcome$", out, re.MULTILINE)
    assert shares == months
