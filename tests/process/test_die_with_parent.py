from __future__ import annotations

import subprocess
import sys

from streamer.process import die_with_parent
from tests.support.local_servers import alive, start_parent
from tests.support.wait import wait_until

STARTS_A_CHILD = """
import subprocess, sys
from streamer.process.die_with_parent import tied_to_this_process
child = subprocess.Popen(tied_to_this_process([sys.executable, "-c", "input()"]), stdin=0)
print(child.pid, flush=True)
child.wait()
"""


def test_a_child_ends_with_its_parent_however_that_ends() -> None:
    with start_parent(STARTS_A_CHILD) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert alive(pid)
        parent.kill()
        wait_until(lambda: not alive(pid), 10, "the end of the child")


def test_a_child_whose_parent_is_gone_already_does_not_begin() -> None:
    program = [sys.executable, "-I", "-S", die_with_parent.__file__, "1", sys.executable, "-c", ""]
    ended = subprocess.run(program, capture_output=True, text=True, timeout=30, check=False)
    assert (ended.returncode, ended.stderr) == (1, "the parent process 1 is gone\n")
