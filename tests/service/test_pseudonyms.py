from __future__ import annotations

import ast
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from typer.testing import CliRunner

from streamer.cli import app
from streamer.core.codec import CorruptState
from streamer.service import logs
from streamer.service.pseudonyms import Pseudonyms
from tests.support.paths import ROOT

PATIENT = "Müller-1955-03-07"


@pytest.fixture(autouse=True)
def _log_as_before() -> Iterator[None]:
    root, kafka = logging.getLogger(), logging.getLogger("kafka")
    before = root.handlers[:], root.level, kafka.level
    yield
    root.handlers[:] = before[0]
    root.setLevel(before[1])
    kafka.setLevel(before[2])
    structlog.reset_defaults()


def test_a_pseudonym_is_of_the_patient_and_the_key() -> None:
    ward = Pseudonyms("ward")
    assert ward.of(PATIENT) == Pseudonyms("ward").of(PATIENT)
    assert len({ward.of(PATIENT), ward.of("p"), Pseudonyms("other").of(PATIENT)}) == 3
    assert len(ward.of(PATIENT)) == 16
    assert PATIENT not in ward.of(PATIENT)


def test_without_a_key_nobody_can_look_one_up() -> None:
    assert Pseudonyms("").of(PATIENT) != Pseudonyms("").of(PATIENT)


def test_fields_that_hold_patients_are_replaced() -> None:
    names = Pseudonyms("ward")
    line = names(
        None,
        "info",
        {
            "patient": PATIENT,
            "patients": ["a", "b"],
            "key": PATIENT.encode(),
            "patient_id": None,
            "partition": 3,
            "event": "said",
        },
    )
    assert line == {
        "patient": names.of(PATIENT),
        "patients": sorted([names.of("a"), names.of("b")]),
        "key": names.of(PATIENT),
        "patient_id": None,
        "partition": 3,
        "event": "said",
    }


@pytest.mark.parametrize("form", ["json", "console"])
def test_no_way_of_logging_tells_an_id(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    names = Pseudonyms("ward")
    logs.configure("json" if form == "json" else "console", names)
    log = structlog.get_logger()
    log.error("partition refused", patient=PATIENT)
    slot_of: dict[str, int] = {}
    try:
        slot_of[PATIENT]
    except KeyError as error:
        log.critical("failed", exc_info=error)
        log.exception("failed again")
        logging.getLogger("some.library").warning("it failed", exc_info=True)
    log.error("corrupt", exc_info=CorruptState(PATIENT, "checksum differs"))
    said = capsys.readouterr().err
    assert PATIENT not in said
    assert "KeyError" in said
    assert "test_pseudonyms.py" in said
    assert "state of a patient: checksum differs" in said
    assert names.of(PATIENT) in said


def test_every_line_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("json", Pseudonyms("ward"))
    structlog.get_logger().info("partition taken", partition=3)
    logging.getLogger("some.library").warning("%d things", 7)
    logging.getLogger("some.library").info("not told")
    first, second = map(json.loads, capsys.readouterr().err.splitlines())
    assert (first["event"], first["partition"], first["level"]) == ("partition taken", 3, "info")
    assert (second["event"], second["logger"]) == ("7 things", "some.library")
    assert first["timestamp"].endswith("Z")


def words(file: Path) -> Iterator[ast.JoinedStr]:
    """The f-strings in what a file raises or logs."""
    for node in ast.walk(ast.parse(file.read_text())):
        is_log = (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id == "_log"
        )
        if isinstance(node, ast.Raise) or is_log:
            yield from (each for each in ast.walk(node) if isinstance(each, ast.JoinedStr))


@pytest.mark.parametrize("part", ["core", "service"])
def test_no_message_of_the_service_is_made_with_an_id(part: str) -> None:
    files = sorted((ROOT / "streamer" / part).rglob("*.py"))
    said = [(file, text) for file in files for text in words(file)]
    assert said
    for file, text in said:
        names = {each.id for each in ast.walk(text) if isinstance(each, ast.Name)}
        assert not names & {"patient", "patients", "patient_id"}, f"{file}:{text.lineno}"


def test_the_command_finds_the_pseudonym_of_a_patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMER_LOG_KEY", "ward")
    answer = CliRunner().invoke(app, ["pseudonym", PATIENT])
    assert (answer.exit_code, answer.output.strip()) == (0, Pseudonyms("ward").of(PATIENT))
    monkeypatch.delenv("STREAMER_LOG_KEY")
    answer = CliRunner().invoke(app, ["pseudonym", PATIENT])
    assert answer.exit_code == 2
    assert "STREAMER_LOG_KEY" in answer.output
