"""A transaction takes as few round trips, one after the other, as its order allows."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest

from streamer.local import LocalStack
from tests.support.log_backends import KafkaLogBackend, wait_for_partitions


def test_batches_go_out_before_the_offsets_are_committed(
    stack: LocalStack, topic_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with contextlib.closing(KafkaLogBackend(stack, topic_prefix)) as backend:
        backend.send(0, 2)
        member = backend.member()
        wait_for_partitions(member)
        producer = member._producer
        assert producer is not None
        client, sent = producer._sender._client, []

        def send(node: object, request: Any, **options: object) -> Any:
            sent.append(type(request).__name__)
            return original(node, request, **options)

        original = client.send
        monkeypatch.setattr(client, "send", send)
        for nth in range(3):
            sent.clear()
            member.transact([backend.output(b"%d" % nth)], {0: nth})
            once = [name for i, name in enumerate(sent) if name not in sent[:i]]  # retried ones
            # Offsets may be added before or after the batches: they are handed over meanwhile.
            add, produce, commit = map(
                once.index,
                ("AddPartitionsToTxnRequest", "ProduceRequest", "TxnOffsetCommitRequest"),
            )
            assert add < produce < commit
            assert once.index("AddOffsetsToTxnRequest") < commit
            assert once[-1] == "EndTxnRequest"
        assert backend.output_values() == [b"0", b"1", b"2"]
