"""The thread that sends a transaction's requests, with the batches beside the offsets."""

from __future__ import annotations

from kafka.producer.sender import Sender
from kafka.producer.transaction_manager import TransactionState


class EagerSender(Sender):  # type: ignore[misc]  # kafka-python has no types
    """Sends a batch as soon as its partition is part of the transaction.

    kafka-python sends batches only while no request of the transaction waits for its answer: they
    go out after the offsets, one round trip after the other. The two know nothing of each other,
    and the commit waits for both in any case.
    """

    def run_once(self) -> None:
        """Does one round of sending."""
        manager = self._transaction_manager
        if (
            manager._partitions_in_transaction
            and manager._current_state is TransactionState.IN_TRANSACTION
            and self._accumulator.has_undrained()
        ):
            self._send_producer_data()
        super().run_once()
