"""A deadline for the consumer's own network thread, which kafka-python waits for without end."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Final

from kafka.errors import KafkaTimeoutError
from kafka.net.selector import NetworkSelector

# Each question to a broker is bounded by ten seconds (``options.ASK_TIMEOUT_MS``), and each poll by
# less. Twice that is no answer of a broker that is slow, but of a thread that does not move.
DEADLINE_S: Final = 20.0


class ClientHung(KafkaTimeoutError):  # type: ignore[misc]  # kafka-python has no types
    """The client's network thread does not move; another client is needed."""


class PunctualNet(NetworkSelector):  # type: ignore[misc]
    """Breaks a wait for the network thread off.

    Whatever keeps that thread busy, a poll that never returns would hold up the service: nothing is
    read of any partition, and an orderly end is not noticed.
    """

    deadline_s: float = DEADLINE_S

    def run(self, coro: Callable[..., Any], *args: object) -> Any:
        """As ``NetworkSelector.run``, for a limited time.

        Raises:
            ClientHung: there was no answer within ``deadline_s``.
        """
        if self._io_thread in (None, threading.current_thread()):
            return super().run(coro, *args)
        answered, answer = threading.Event(), list[Any]()

        async def ask() -> None:
            try:
                answer.append(await self._invoke(coro, *args))
            except BaseException as error:
                state.setdefault("exception", error)
            finally:
                with self._pending_waiters_lock:
                    self._pending_waiters.pop(answered, None)
                answered.set()

        state: dict[str, BaseException] = {}  # the thread's end puts one there, too
        with self._pending_waiters_lock:
            self._pending_waiters[answered] = state
        self.call_soon_threadsafe(ask)
        if not answered.wait(self.deadline_s):
            with self._pending_waiters_lock:
                self._pending_waiters.pop(answered, None)
            raise ClientHung(f"the Kafka client has not moved for {self.deadline_s:.0f} s")
        if "exception" in state:
            raise state["exception"]
        return answer[0]
