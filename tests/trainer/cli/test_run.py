from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest
from redis import Redis

from streamer.bundles.acceptance import Trust
from streamer.bundles.signatures import ModelKey, parse_keys
from streamer.local import LocalStack
from tests.support.few_stays import FEW
from tests.support.running_service import service
from tests.support.small_models import useless_champion
from tests.support.synthetic_cohort import KNOBS, learnable_file
from tests.support.wait import wait_until
from trainer.loop import runs
from trainer.registry import keys
from trainer.registry.policy import Policy, PolicyInForce, parse
from trainer.registry.registry import Registry

IN_FORCE_S = 10.0


@pytest.mark.timeout(300)
def test_what_it_trains_and_signs_is_in_force_where_signatures_are_required(
    trainer: Any, stack: LocalStack, tmp_path: Path, topic_prefix: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    data = learnable_file(tmp_path, 160)
    file, public = _new_key(trainer, tmp_path, monkeypatch)
    registry = Registry(tmp_path / "registry", Trust((public,)))
    useless = keys.load(file).sign(useless_champion())
    before = registry.promote(registry.add(useless, ""), "")
    required = {"model_keys": str(public), "allow_unsigned_models": "false"}
    with (
        LocalStack(existing_kafka=stack.kafka) as own,  # published models are one for a Redis
        service(own, tmp_path, topic_prefix, **required) as (_, client),
    ):
        monkeypatch.setenv("REDIS_URL", own.redis)
        # The gates as they are need thirty septic patients to decide on.
        monkeypatch.setattr(runs, "in_force", lambda _folder: PolicyInForce(FEW, "few"))
        # Four of ten stays are septic: within the usual budget alerts would begin beyond all risks.
        words = [word for knob in (*KNOBS, "alert_budget=3") for word in ("--set", knob)]
        result = trainer("run", "--once", "--data", data, "--threads", "1", *words)
        assert result.code == 0, result.err
        (line,) = [json.loads(t) for t in result.err.splitlines() if "retraining ended" in t]
        assert (line["ended"], line["champion"]) == ("promoted", before)
        trained = registry.load(line["candidate"])
        assert [signature.public_key for signature in trained.signatures] == [public.public_key]

        patients = map(str, itertools.count())  # one has a risk a minute

        def model() -> str:
            return str(client.risk_of(client.event(next(patients)))["model"])

        wait_until(lambda: model() == trained.shown_id, IN_FORCE_S, "the trained model in force")


def _new_key(trainer: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, ModelKey]:
    """A key as people make it, and this trainer bound to it: nothing unsigned is published."""
    monkeypatch.setenv("TRAINER_KEYS", str(folder / "keys"))
    assert trainer("keys", "new", "ours").code == 0
    (listed,) = json.loads(trainer("keys", "list", "--json").out)
    file = folder / "keys" / "ours.key"
    monkeypatch.setenv("TRAINER_SIGNING_KEY_FILE", str(file))
    monkeypatch.setenv("TRAINER_ALLOW_UNSIGNED_MODELS", "false")
    (public,) = parse_keys(listed["key"])
    return file, public


def test_run_once_that_fails_ends_with_1_and_one_without_stays_waits(
    trainer: Any, tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = learnable_file(tmp_path, 5)
    result = trainer("run", "--once", "--data", few)
    assert result.code == 0
    assert "20 are needed to begin" in result.err
    (listed,) = json.loads(trainer("runs", "list", "--json").out)
    assert listed["ended"] == "waiting"
    shown = trainer("runs", "show", listed["id"]).out
    assert "5 labelled stays" in shown
    monkeypatch.setenv("TRAINER_MEMORY_GB", "0.05")
    assert trainer("run", "--once", "--data", few).code == 1
    assert redis_url.endswith("/8")


def test_a_broken_policy_is_refused_and_a_freeze_stops_runs(
    trainer: Any, tmp_path: Path, redis_url: str
) -> None:
    few = learnable_file(tmp_path, 5)
    registry = Path(json.loads(trainer("policy", "show", "--json").out)["why"] or "x")
    assert registry == Path("x")
    shown = trainer("policy").out
    assert parse(shown.encode(), Path("policy.toml")) == Policy()
    assert "the defaults" in shown
    assert trainer("policy", "--json").out == trainer("policy", "show", "--json").out
    frozen = trainer("freeze", "--by", "Dr. A", "--reason", "new monitors")
    assert frozen.code == 0
    result = trainer("run", "--once", "--data", few)
    assert (result.code, "frozen by Dr. A" in result.err) == (0, True)
    assert trainer("thaw", "--by", "Dr. A").code == 0
    assert trainer("thaw", "--by", "Dr. A").code == 2
    assert redis_url.endswith("/8")


def test_sigterm_ends_trainer_and_child_within_ten_seconds(
    data: Path, stack: LocalStack, tmp_path: Path
) -> None:
    # A database of its own: the command has no namespace, and other tests look at the champion.
    url = urlsplit(stack.redis)._replace(path="/9").geturl()
    words = [sys.executable, "-m", "trainer", "run", "--data", str(data), "--every", "1s"]
    words += ["--registry", str(tmp_path / "registry"), "--threads", "1", "--set", "epochs=9999"]
    words += ["--set", "patience=9999"]
    trainer = subprocess.Popen(
        words,
        env={**os.environ, "REDIS_URL": url, "TRAINER_PRIORITY": "low"},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        itself = psutil.Process(trainer.pid)
        (child,) = wait_until(itself.children, 60, "the child process")
        wait_until(lambda: child.nice() == 10, 5, "the low priority of the child")
        trainer.send_signal(signal.SIGTERM)
        _, log = trainer.communicate(timeout=10)
        assert trainer.returncode == 0, log
        assert not child.is_running()
        (line,) = [json.loads(text) for text in log.splitlines() if "retraining ended" in text]
        assert line["ended"] == "stopped"
    finally:
        trainer.kill()
        trainer.wait()
        with Redis.from_url(urlsplit(stack.redis_admin)._replace(path="/9").geturl()) as client:
            client.flushdb()
