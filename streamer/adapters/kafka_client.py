"""A repair of kafka-python 3.0.12, whose transactions could wait for a dead broker for ever."""

from __future__ import annotations

from kafka.errors import KafkaConnectionError
from kafka.net.compat import KafkaNetClient


class UnhurriedClient(KafkaNetClient):  # type: ignore[misc]  # kafka-python has no types
    """Says that a broker is not ready, where the client of kafka-python raises an error.

    The producer's sender takes the next request of a transaction from its queue and waits for the
    coordinator's connection. Told "not ready", it puts the request back and looks for the new
    coordinator; on an error it forgets the request, and `commit_transaction` never returns.
    """

    def await_ready(self, node_id: object, timeout_ms: int = 30_000) -> bool:
        """Waits for a connection; returns whether there is one."""
        try:
            return bool(super().await_ready(node_id, timeout_ms))
        except KafkaConnectionError:
            return False
