"""`streamer check`: its lines, its last one, and its exit code."""

import json

import pytest
from typer.testing import CliRunner

from streamer.cli import app, check
from streamer.diagnose.finding import Finding, Level

OK = Finding("kafka", Level.OK, "answers")
WARN = Finding("kept", Level.WARN, "one replica")
BAD = Finding("topic", Level.BAD, "vitals is missing; run `streamer topics`")


@pytest.mark.parametrize(
    ("findings", "last", "code"),
    [
        ((OK,), "0 bad, 0 warnings", 0),
        ((OK, WARN), "0 bad, 1 warning", 0),
        ((WARN, BAD, OK, WARN), "1 bad, 2 warnings", 1),
    ],
)
def test_the_last_line_counts_what_is_not_good(
    monkeypatch: pytest.MonkeyPatch, findings: tuple[Finding, ...], last: str, code: int
) -> None:
    monkeypatch.setattr(check, "checks", lambda _settings: iter(findings))
    shown = CliRunner().invoke(app, ["check"])
    *lines, end = shown.output.splitlines()
    assert (end, shown.exit_code) == (last, code)
    assert [line.split()[:2] for line in lines] == [[f.level, f.check] for f in findings]
    as_json = CliRunner().invoke(app, ["check", "--json"])
    levels = [json.loads(line)["level"] for line in as_json.output.splitlines()]
    assert (levels, as_json.exit_code) == ([f.level for f in findings], code)
