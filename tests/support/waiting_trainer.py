"""A trainer as a process: its run waits for a file where its child would train.

Usage: python -m tests.support.waiting_trainer REGISTRY REDIS_URL NAMESPACE LEASE_MS REPORT GO
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import Any

from redis import Redis

from streamer.adapters.redis.models import RedisModels
from streamer.bundles.acceptance import Trust
from tests.support.few_stays import OnFewStays
from trainer.loop import runs
from trainer.loop.child import Report
from trainer.loop.plan import Plan
from trainer.registry.lease import Lease
from trainer.registry.registry import Registry


def main(registry: str, url: str, namespace: str, lease_ms: str, report: str, go: str) -> None:
    """Runs once, and prints a line when it begins to train and how it ended."""
    read = Report.model_validate_json(Path(report).read_bytes())

    def train(*_: object) -> Report:
        sys.stdout.write("training\n")
        sys.stdout.flush()
        while not Path(go).exists():
            threading.Event().wait(0.05)
        return read

    changed: Any = runs
    changed.run_child = train
    client = Redis.from_url(url, socket_timeout=10)
    retraining = OnFewStays(
        Plan([]),
        Registry(Path(registry), Trust(allow_unsigned=True)),
        RedisModels(client, namespace),
        Lease(client, namespace, int(lease_ms)),
        threading.Event(),
    )
    record = retraining.once()
    sys.stdout.write(f"{record.ended}: {record.why}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
