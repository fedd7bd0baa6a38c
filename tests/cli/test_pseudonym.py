from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from streamer.cli import app
from streamer.service.pseudonyms import Pseudonyms

PATIENT = "Müller-1955-03-07"


def test_the_command_finds_the_pseudonym_of_a_patient(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("STREAMER_LOG_KEY", "ward")
    monkeypatch.setenv("STREAMER_AUDIT_FILE", str(tmp_path / "audit.jsonl"))
    answer = CliRunner().invoke(app, ["pseudonym", PATIENT])
    assert (answer.exit_code, answer.output.strip()) == (0, Pseudonyms("ward").of(PATIENT))
    audit = (tmp_path / "audit.jsonl").read_text()
    line = json.loads(audit)
    assert (line["action"], line["object"]) == ("look up pseudonym", answer.output.strip())
    assert PATIENT not in audit
    monkeypatch.delenv("STREAMER_LOG_KEY")
    answer = CliRunner().invoke(app, ["pseudonym", PATIENT])
    assert answer.exit_code == 2
    assert "STREAMER_LOG_KEY" in answer.output
