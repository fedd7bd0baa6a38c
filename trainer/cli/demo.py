"""`trainer demo`: the closed loop on simulated patients, in one command."""

from __future__ import annotations

import json
import logging
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Final

import structlog
import typer

from streamer.local import LocalStack
from streamer.local.child import running_child
from streamer.process.signals import stop_on_signal
from streamer.process.terminal import say
from trainer.settings import TrainerSettings

POLICY: Final = """# Margins for a demonstration with simulated patients: too wide for people.
mode = "ask"
quality = { utility_margin = 0.05, auroc_margin = 0.03 }
calibration = { slope = [0.2, 5], observed_expected = [0.2, 5], ece = 0.05 }
alerts = { ratio = [0, 5], most_per_patient_day = 2, sensitivity_drop = 0.2 }
subgroups = { least_septic = 0 }
pace = { least_days_between = 0 }
[data]
labelled_share = 0.5
least_septic_frozen = 5
least_septic_fit = 100_000
least_septic_newest = 0
"""
KNOBS: Final = ("alert_budget=1",)
"""So many of these patients become septic that a ward's budget of alerts would miss most."""


def demo(
    stays: Annotated[
        int, typer.Option(min=200, help="Simulated past stays, some; 40 % become septic.")
    ] = 900,
    seed: Annotated[int, typer.Option(min=0, help="Random seed of the wards.")] = 7,
) -> None:
    """Show the closed loop: past stays, archive, labels, two runs, a promotion under load.

    Everything runs on this machine, with its own Kafka and Redis, and in a folder that is removed.
    The second run learns from labels of other stays, and the gates keep it out. All patients are
    simulated, and the margins of this policy are too wide for people. Ctrl-C stops all of it.
    """
    began = time.monotonic()
    TrainerSettings()  # a wrong setting is said before servers are started
    with ExitStack() as running:
        stop = running.enter_context(stop_on_signal())
        folder = Path(running.enter_context(tempfile.TemporaryDirectory(prefix="vigil-loop-")))
        stack = running.enter_context(LocalStack())
        os.environ |= {
            "KAFKA_BOOTSTRAP_SERVERS": stack.kafka,
            "REDIS_URL": stack.redis,
            "STREAMER_ALLOW_UNSIGNED_MODELS": "true",
            "TRAINER_ALLOW_UNSIGNED_MODELS": "true",
            "TRAINER_ARCHIVE": str(folder / "archive"),
            "TRAINER_ARCHIVE_KEY": "demo",
            "TRAINER_ARCHIVE_FLUSH_S": "2",
            "TRAINER_HTTP_PORT": "0",
            "TRAINER_REGISTRY": str(folder / "registry"),
            "TRAINER_AUDIT_FILE": str(folder / "audit.jsonl"),
            "TRAINER_PATIENTS_KEY_FILE": str(folder / "patients.key"),
        }
        from trainer.loop.demo import LIVE_SEPTIC, Acts, Stage  # noqa: PLC0415 - after the environment is set

        def tell(line: str) -> None:
            seconds = int(time.monotonic() - began)
            say(f"{seconds // 60}:{seconds % 60:02} {line}")

        # What the runs log stands in the lines of the acts, in words.
        level = structlog.make_filtering_bound_logger(logging.WARNING)
        structlog.configure(wrapper_class=level)
        stage = Stage(folder, stays, seed, POLICY, KNOBS, tell, stop)
        tell("all patients are simulated; the margins of this policy are too wide for people")
        acts = Acts(stage)
        running.enter_context(_child("trainer", ["archive", "run"], folder, stop))
        running.enter_context(_child("streamer", ["run"], folder, stop))
        acts.past()
        (folder / "ward.json").write_text(json.dumps({"sepsis_share": LIVE_SEPTIC}))
        ward = [
            "simulate", f"--scenario={folder / 'ward.json'}", "--beds=40", "--vitals-every=300",
            "--speed=1200", f"--seed={seed + 1}",
        ]  # fmt: skip
        running.enter_context(_child("streamer", ward, folder, stop))
        running.enter_context(acts.following())
        acts.live()
        acts.fold()
        if acts.first_run():
            acts.promotion()
            acts.sabotaged_run()
        acts.records()
        tell("done" if acts.went_well else "not as it should have been: see above")
        went_well = acts.went_well
    if not went_well:
        raise typer.Exit(1)


@contextmanager
def _child(program: str, words: list[str], folder: Path, stop: threading.Event) -> Iterator[None]:
    """Runs a command until the block ends; if it fails, ``stop`` is set."""
    command = [sys.executable, "-m", program, *words]

    def show(log: str) -> None:
        say(f"{program} {words[0]} failed:", error=True)
        say(log, error=True)

    with running_child(command, folder / f"{program}-{words[0]}.log", stop, show):
        yield
