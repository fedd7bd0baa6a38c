from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from redis import Redis

from streamer.local import LocalStack
from tests.support.local_servers import alive, start_parent
from tests.support.synthetic_cohort import learnable_file
from tests.support.wait import wait_until
from trainer.loop import child_process
from trainer.loop.child import NICENESS, Order, Report
from trainer.loop.child_process import ChildEnd, Limits, NoReport, run_child
from trainer.loop.record import Source
from trainer.registry.lease import Lease


def hanging(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "hangs"
    program.write_text("#!/bin/sh\nexec sleep 600\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))


def test_a_child_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hanging(tmp_path, monkeypatch)
    limits = Limits(hours=0.2 / 3600)
    end = run_child(Order(sources=[]), tmp_path, None, threading.Event(), limits)
    assert isinstance(end, NoReport)
    assert end.kind is ChildEnd.FAILED
    assert "did not end within" in end.why


def test_a_lost_lease_ends_the_child(
    tmp_path: Path, stack: LocalStack, topic_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hanging(tmp_path, monkeypatch)
    monkeypatch.setattr(child_process, "RENEW_S", 0.0)
    with Redis.from_url(stack.redis, socket_timeout=10) as redis:
        lease, other = Lease(redis, topic_prefix), Lease(redis, topic_prefix)
        assert lease.acquire()
        redis.delete(f"{{{topic_prefix}:trainer}}:lease")
        assert other.acquire()
        end = run_child(Order(sources=[]), tmp_path, lease, threading.Event(), Limits())
        assert isinstance(end, NoReport)
        assert end.kind is ChildEnd.LEASE_LOST
        assert other.renew()


def test_a_real_child_counts_and_one_without_memory_says_so(tmp_path: Path) -> None:
    file = learnable_file(tmp_path, 40)
    order = Order(what="count", sources=[Source(name=str(file))], priority="normal")
    end = run_child(order, tmp_path, None, threading.Event(), Limits())
    assert isinstance(end, Report)
    assert (end.facts.n_stays, end.made) == (40, [])
    assert end.peak_memory_mb > 50
    starved = order.model_copy(update={"memory_gb": 0.05})
    end = run_child(starved, tmp_path, None, threading.Event(), Limits())
    assert isinstance(end, NoReport)
    assert end.kind is ChildEnd.FAILED


_GIVES_WAY = """
import os
from pathlib import Path
from trainer.loop.child import limit_itself
group = Path("/proc/self/autogroup")
limit_itself(64, "leftover")
print(os.sched_getscheduler(0) == os.SCHED_IDLE, group.read_text().split()[-1])
os.setsid()
limit_itself(64, "leftover")
print(os.getpriority(os.PRIO_PROCESS, 0), group.read_text().split()[-1])
"""


@pytest.mark.skipif(
    not Path("/proc/self/autogroup").exists(), reason="this kernel does not group by session"
)
def test_the_session_of_a_child_gives_way_as_a_whole_and_no_other_does() -> None:
    # In a session that ends with this test: one that was lowered by mistake would stay so.
    shell = ["/bin/sh", "-c", '"$0" -c "$1"; exit $?', sys.executable, _GIVES_WAY]
    ran = subprocess.run(
        shell, capture_output=True, text=True, check=True, timeout=60, start_new_session=True
    )
    assert ran.stdout.splitlines() == ["True 0", f"{NICENESS} 19"]


_HANGS = """
import os, sys, time
from pathlib import Path
Path(sys.argv[1], "pid").write_text(str(os.getpid()))
time.sleep(600)
"""
_TRAINS = """
import sys, threading
from pathlib import Path
from trainer.loop import child_process
from trainer.loop.child import Order
child_process.CHILD = "hangs"
limits = child_process.Limits()
child_process.run_child(Order(sources=[]), Path(sys.argv[1]), None, threading.Event(), limits)
"""


def test_a_trainer_that_is_killed_takes_its_child_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hangs.py").write_text(_HANGS)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *sys.path]))
    pid = tmp_path / "pid"
    with start_parent(_TRAINS, str(tmp_path)) as trainer:
        wait_until(lambda: pid.exists() and pid.read_text(), 60, "its child")
        child = int(pid.read_text())
        assert alive(child)
        trainer.kill()
        wait_until(lambda: not alive(child), 10, "the end of the child")
