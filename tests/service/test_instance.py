from __future__ import annotations

import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

HOLD = """
import sys
from streamer.service.instance import claim_instance
print(claim_instance(sys.argv[1]), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def group() -> str:
    return f"test/{uuid.uuid4().hex}"


@contextmanager
def holder(group: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A process that holds a slot until it is killed, and the name that it got."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, group],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip(), process
        finally:
            process.kill()


def slot(name: str) -> int:
    return int(name.rpartition("-")[2])


def test_processes_get_different_slots_and_a_dead_ones_is_free_again(group: str) -> None:
    with holder(group) as (first, victim), holder(group) as (second, _):
        assert (slot(first), slot(second)) == (0, 1)
        victim.kill()
        victim.wait(timeout=10)
        with holder(group) as (third, _):
            assert third == first


def test_groups_do_not_share_slots(group: str) -> None:
    with holder(group) as (first, _), holder(group + "x") as (second, _):
        assert slot(first) == slot(second) == 0
