"""Unreadable bytes cost their record or their partition, never the service."""

from __future__ import annotations

import pytest

from streamer.service import ownership
from tests.support.fake_service import TOPICS, FakeService, event, library

LIBRARY, _ = library(5)
WHY = "offsets 1 to 7: ZstdError: Unknown frame descriptor"


def risks(fake: FakeService) -> list[tuple[str, int]]:
    return [(risk["patient_id"], risk["offset"]) for risk in fake.messages("risk")]


def test_what_is_no_record_is_rejected_with_its_bytes_and_the_others_are_scored() -> None:
    fake = FakeService(LIBRARY, n_partitions=2)
    fake.send([event(0, "p", 0, values={"heart_rate": 80})])
    offset = fake.broker.append_unreadable(0, b"\x28\xb5 whatever", WHY)
    fake.send([event(0, "p", 2, values={"heart_rate": 90}), event(1, "q", 0, values={})])
    fake.drain(fake.process())
    assert risks(fake) == [("p", 0), ("p", 2), ("q", 0)]
    (rejected,) = (o for o in fake.broker.outputs if o.topic == TOPICS.rejected)
    headers = dict(rejected.headers)
    assert (headers["reason"], headers["detail"]) == (b"unreadable", WHY.encode())
    assert (headers["partition"], headers["offset"]) == (b"0", b"%d" % offset)
    assert (rejected.key, rejected.value) == (None, b"\x28\xb5 whatever")


def test_what_is_no_record_is_rejected_though_it_reads_like_an_event() -> None:
    fake = FakeService(LIBRARY, n_partitions=1)
    _, _, content = event(0, "p", 0, values={"heart_rate": 80})
    fake.broker.append_unreadable(0, content or b"", WHY)
    fake.drain(fake.process())
    assert not risks(fake)
    assert dict(fake.broker.outputs[0].headers)["reason"] == b"unreadable"


def test_damage_blocks_its_partition_alone_until_it_is_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fake = FakeService(LIBRARY, n_partitions=2)
    fake.send([event(0, "p", i, values={"heart_rate": 80}) for i in range(4)])
    fake.broker.damaged.add((0, 2))
    process = fake.process()
    for _ in range(5):
        process.step()
    assert risks(fake) == [("p", 0), ("p", 1)]
    assert process.worker.blocked.keys() == {0}
    assert "offset 2 is damaged. It is read again" in process.worker.not_ready[0]
    fake.send([event(1, "q", 0, values={"heart_rate": 80})])
    process.step()
    assert risks(fake)[2:] == [("q", 0)]
    monkeypatch.setattr(ownership, "RETRY_BLOCKED_S", -1.0)
    since = process.worker.blocked[0].since
    for _ in range(3):  # it is taken and read again, and nothing has changed
        process.step()
        assert process.worker.blocked[0].since == since
        assert process.worker.not_ready
    assert len(risks(fake)) == 3
    fake.broker.damaged.clear()
    fake.drain(process)
    assert risks(fake)[3:] == [("p", 2), ("p", 3)]
    assert process.worker.not_ready == []
