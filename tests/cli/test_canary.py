"""`streamer canary --once`: what it says, and with which code it ends."""

from __future__ import annotations

import json
from collections.abc import Callable
from threading import Event

import pytest
from typer.testing import CliRunner

from streamer.canary import bootstrap
from streamer.canary.probes import Outcome
from streamer.canary.series import Series
from streamer.canary.watch import Verdict
from streamer.cli import app


class FakeProcess:
    """A canary of two partitions that hears these verdicts, and is then broken off."""

    reasons = ("nothing was sent yet",)

    def __init__(self, series: Series, heard: Callable[[Verdict], None], ended: list[Verdict]):
        self._series, self._heard, self._ended = series, heard, ended

    def run(self, stop: Event, until: Callable[[], bool]) -> None:
        del stop
        self._series.watch(range(2), 0.0)
        for verdict in self._ended:
            assert not until()
            self._heard(verdict)


@pytest.mark.parametrize(
    ("outcomes", "code"),
    [
        (["ok", "ok"], 0),
        (["ok", "late"], 1),
        (["ok"], 1),  # sending to the other began late
        ([], 1),
    ],
)
def test_it_ends_with_1_unless_each_partition_was_heard(
    monkeypatch: pytest.MonkeyPatch, outcomes: list[str], code: int
) -> None:
    verdicts = [Verdict(p, Outcome(outcome)) for p, outcome in enumerate(outcomes)]
    monkeypatch.setattr(
        bootstrap,
        "process_of",
        lambda _settings, _log, series, heard, **_options: FakeProcess(series, heard, verdicts),
    )
    ended = CliRunner().invoke(app, ["canary", "--once", "--json"])
    assert ended.exit_code == code, ended.output
    lines = [json.loads(line) for line in ended.stdout.splitlines()]
    unheard = [None] * (2 - len(outcomes))
    assert [line["partition"] for line in lines] == [0, 1], "one object a partition"
    assert [line["outcome"] for line in lines] == [*outcomes, *unheard]
    shown = CliRunner().invoke(app, ["canary", "--once"])
    assert shown.exit_code == code
    assert shown.stdout.count("no verdict") == len(unheard)
