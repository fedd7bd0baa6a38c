from __future__ import annotations

import ast
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

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
    output = capsys.readouterr().err
    assert PATIENT not in output
    assert "KeyError" in output
    assert "test_logs.py" in output
    assert "state of a patient: checksum differs" in output
    assert names.of(PATIENT) in output


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
            yield from (part for part in ast.walk(node) if isinstance(part, ast.JoinedStr))


@pytest.mark.parametrize("part", ["core", "service"])
def test_no_message_of_the_service_is_made_with_an_id(part: str) -> None:
    files = sorted((ROOT / "streamer" / part).rglob("*.py"))
    texts = [(file, text) for file in files for text in words(file)]
    assert texts
    for file, text in texts:
        names = {name.id for name in ast.walk(text) if isinstance(name, ast.Name)}
        assert not names & {"patient", "patients", "patient_id"}, f"{file}:{text.lineno}"


def test_every_line_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("json", Pseudonyms("ward"))
    structlog.get_logger().info("partition taken", partition=3)
    logging.getLogger("some.library").warning("%d things", 7)
    logging.getLogger("some.library").info("not told")
    first, second = map(json.loads, capsys.readouterr().err.splitlines())
    assert (first["event"], first["partition"], first["level"]) == ("partition taken", 3, "info")
    assert (second["event"], second["logger"]) == ("7 things", "some.library")
    assert first["timestamp"].endswith("Z")
