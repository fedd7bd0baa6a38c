"""Run a command that is killed when its parent ends: `die_with_parent.py PARENT COMMAND…`.

The kernel is asked to send SIGKILL when the parent ends, however it ends, and the command then
replaces this program (same process id; `execv` keeps the request). The alternative, a
`preexec_fn`, runs Python between fork and exec and can deadlock in a program with threads.

Linux sends the signal when the *thread* that started the command ends, not only when the process
does: a thread that waits for its command, or one that lives as long as the process, starts it.
"""

import os
import signal
import sys
from collections.abc import Sequence

PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def tied_to_this_process(command: Sequence[str]) -> list[str]:
    """The command that runs `command` and is killed when this process ends; as it is, but on Linux.

    Args:
        command: program (absolute path) and arguments.
    """
    if sys.platform != "linux":
        return list(command)
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), *command]


def main(arguments: list[str]) -> None:
    """Tie this process to its parent and become the command; does not return.

    Args:
        arguments: the parent's process id, then the command with an absolute path.
    """
    import ctypes  # noqa: PLC0415 - only this program needs it

    parent = int(arguments[0])
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before the request was made, so no signal would come
        sys.exit(f"the parent process {parent} is gone")
    os.execv(arguments[1], arguments[1:])


if __name__ == "__main__":
    main(sys.argv[1:])
