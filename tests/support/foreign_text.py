"""Runs commands whose sources hold text that attacks a terminal; meant to run under one.

Each command prints under a heading of its own; the program ends with 0 if all commands did.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from unittest import mock

import structlog

from streamer.cli import alerts, check, patient, patient_view, rejected
from streamer.core.dead_letters import DeadLetter, Origin, Standing
from streamer.diagnose.finding import Finding, Level
from streamer.process import logs
from streamer.service.dead_letters import Group, Overview
from trainer.cli import models
from trainer.cli.tables import models_table

EVIL = "[/]ICU\x1b[2J\x07\r\n2026 start high p2\x9b\u202e[link=file:///x]\x7f\x00\u2028"
ALERT = {
    "time": EVIL, "phase": EVIL, "severity": EVIL, "patient_id": EVIL, "risk": 0.3, "news2": 7,
    "reasons": [{"variable": EVIL, "value": 4.1, "unit": EVIL, "direction": EVIL,
                 "age_minutes": 25}],
}  # fmt: skip
VIEW: patient_view.PatientView = {
    "patient_id": EVIL, "ward": EVIL, "bed": EVIL, "medication": [EVIL], "partition": 0,
    "model": EVIL, "offset": 1, "values": [
        {"variable": EVIL, "value": 1.0, "unit": EVIL, "age_minutes": 3}
    ],
}  # fmt: skip
LETTER = DeadLetter(
    1, 0, EVIL.encode() + b"\xff", EVIL.encode(), {"reason": EVIL, "detail": EVIL, EVIL: EVIL},
    Origin(EVIL, 0, 1),
)  # fmt: skip


def _alerts(*, as_json: bool) -> None:
    values = [
        json.dumps(ALERT).encode(),
        EVIL.encode(),
        json.dumps({**ALERT, "risk": EVIL}).encode(),
    ]
    with (
        mock.patch.object(alerts, "follow", lambda *_, **__: iter(values)),
        mock.patch.object(alerts, "is_there", lambda *_: True),
    ):
        alerts.alerts(from_beginning=True, as_json=as_json)


def _patient() -> None:
    with mock.patch.object(patient_view, "describe", lambda *_: VIEW):
        patient.patient(EVIL)


def _check() -> None:
    findings = [Finding(EVIL, Level.OK, EVIL), Finding("model", Level.WARN, EVIL)]
    with mock.patch.object(check, "checks", lambda _: findings):
        check.check()


def _rejected_list() -> None:
    group = Group()
    group.add(LETTER, Standing.WAITING)
    overview = Overview({EVIL: group, "too_late": group}, [(LETTER, Standing.WAITING)])
    with (
        mock.patch.object(rejected, "open_rejected_topic"),
        mock.patch.object(rejected, "overview", lambda *_: overview),
    ):
        rejected.list_rejected(limit=20)


def _rejected_show() -> None:
    topic = mock.Mock(at=lambda _: LETTER, reentered=dict)
    with mock.patch.object(rejected, "open_rejected_topic", lambda _: topic):
        rejected.show(1)


def _models_list() -> None:
    models_table([{
        "model": EVIL, "aliases": [EVIL], "added": EVIL, "why": EVIL, "utility": None,
        "utility_ci": None, "auroc": None, "auroc_ci": None, "n_patients": None,
    }])  # fmt: skip


def _models_show() -> None:
    kept = mock.Mock(load=lambda _: mock.Mock(model_id=EVIL, shown_id=EVIL, card=EVIL + "\n"))
    with mock.patch.object(models, "registry_of", lambda _: kept):
        models.show(EVIL)


def _log() -> None:
    with mock.patch.object(sys, "stderr", sys.stdout):
        logs.configure("console")
        log = structlog.wrap_logger(
            structlog.PrintLogger(sys.stdout),
            processors=[logs.PrintableRenderer(colors=False)],
        )
        log.warning(EVIL, unit=EVIL, **{EVIL: EVIL})
        log.info("values are lost", units=[EVIL])


COMMANDS: dict[str, Callable[[], None]] = {
    "alerts": lambda: _alerts(as_json=False),
    "alerts as JSON": lambda: _alerts(as_json=True),
    "patient": _patient,
    "check": _check,
    "rejected list": _rejected_list,
    "rejected show": _rejected_show,
    "models list": _models_list,
    "models show": _models_show,
    "log": _log,
}


if __name__ == "__main__":
    for name, command in COMMANDS.items():
        sys.stdout.write(f"== {name}\n")
        sys.stdout.flush()
        command()
        sys.stdout.flush()
