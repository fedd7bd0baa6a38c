from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
from redis import Redis

from streamer.adapters.redis.models import RedisModels
from streamer.bundles import bundle as bundles
from streamer.bundles.bundle import SHIPPED
from streamer.local import LocalStack
from tests.support.synthetic_cohort import learnable_file
from tests.support.wait import wait_until


def test_run_once_retrains_and_logs_the_outcome(trainer: Any, data: Path, redis_url: str) -> None:
    knobs = ("teacher_rounds=5", "encoder=8", "reading_epochs=1", "hidden=8", "epochs=1")
    words = [word for knob in knobs for word in ("--set", knob)]
    result = trainer("run", "--once", "--data", data, "--threads", "1", *words)
    assert result.code == 0, result.err
    (line,) = [json.loads(text) for text in result.err.splitlines() if "retraining ended" in text]
    assert line["ended"] in ("promoted", "kept")
    assert line["champion"] == bundles.load(SHIPPED).model_id
    with Redis.from_url(redis_url) as client:
        assert RedisModels(client).champion() is not None


def test_run_once_that_fails_ends_with_1(trainer: Any, tmp_path: Path, redis_url: str) -> None:
    few = learnable_file(tmp_path, 5)
    result = trainer("run", "--once", "--data", few)
    assert result.code == 1
    assert "5 stays in all" in result.err
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
        words, env={**os.environ, "REDIS_URL": url}, stderr=subprocess.PIPE, text=True
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
