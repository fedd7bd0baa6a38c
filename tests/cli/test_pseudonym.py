from __future__ import annotations

import pytest
from typer.testing import CliRunner

from streamer.cli import app
from streamer.service.pseudonyms import Pseudonyms

PATIENT = "Müller-1955-03-07"


def test_the_command_finds_the_pseudonym_of_a_patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMER_LOG_KEY", "ward")
    answer = CliRunner().invoke(app, ["pseudonym", PATIENT])
    assert (answer.exit_code, answer.output.strip()) == (0, Pseudonyms("ward").of(PATIENT))
    monkeypatch.delenv("STREAMER_LOG_KEY")
    answer = CliRunner().invoke(app, ["pseudonym", PATIENT])
    assert answer.exit_code == 2
    assert "STREAMER_LOG_KEY" in answer.output
