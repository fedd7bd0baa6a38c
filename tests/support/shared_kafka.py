"""One Kafka for all processes of `pytest -n`: a broker of each would idle beside the others.

Topics, groups and transactional ids of tests have a prefix of their own, so tests that run at once
do not meet. Redis stays one a process: published models are one for all that share a Redis.
"""

from __future__ import annotations

from typing import Final

import pytest
from xdist.workermanage import WorkerController

from streamer.local import LocalStack, LocalStackError

_NO_REDIS: Final = "redis://127.0.0.1:1"  # an existing Redis that nobody asks anything
_RUNNING: Final = pytest.StashKey[LocalStack]()
_KEY: Final = "kafka"


def lend(node: WorkerController) -> None:
    """Pass the address of the one Kafka to a process; it starts for the first of them.

    Raises:
        pytest.UsageError: Kafka does not start.
    """
    config = node.config
    if _RUNNING not in config.stash:
        try:
            running = LocalStack(existing_redis=_NO_REDIS).start()
        except LocalStackError as error:
            raise pytest.UsageError(str(error)) from error
        config.stash[_RUNNING] = running
        config.add_cleanup(running.stop)
    node.workerinput[_KEY] = config.stash[_RUNNING].kafka


def lent(config: pytest.Config) -> str | None:
    """The address of the Kafka that the controlling process lends; none where none is lent."""
    workerinput: dict[str, str] = getattr(config, "workerinput", {})
    return workerinput.get(_KEY)
