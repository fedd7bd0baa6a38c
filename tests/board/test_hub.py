from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import orjson
import pytest

from streamer.board import hub as hubs
from streamer.board.board import Audience
from streamer.board.hub import QUEUE, Hub, Stream
from streamer.core.alert_messages import Content
from tests.support.board import BoardTrial, alert, risk, stay

DEADLINE_S = 10.0


class Reader:
    """A browser that reads one stream."""

    def __init__(self, hub: Hub, audience: Audience | None = None) -> None:
        self.stream = Stream(audience or Audience(), lambda: True)
        self._messages: AsyncIterator[bytes] = hub.messages(self.stream)

    async def next(self) -> tuple[str, Content]:
        """The next event: its name and data."""
        text = await asyncio.wait_for(anext(self._messages), DEADLINE_S)
        name, data = text.rstrip(b"\n").split(b"\n")
        return name.removeprefix(b"event: ").decode(), orjson.loads(data.removeprefix(b"data: "))

    async def is_over(self) -> bool:
        """Whether the stream has ended."""
        return await asyncio.wait_for(anext(self._messages, None), DEADLINE_S) is None


def changed(trial: BoardTrial, hub: Hub, *messages: Content) -> None:
    """The board reads messages, and the hub publishes them now."""
    for message in messages:
        trial.write(message)
    hub._send_changes([m["patient_id"] for m in messages])


def test_a_stream_begins_with_a_snapshot_and_goes_on_with_changes() -> None:
    async def scenario() -> None:
        trial = BoardTrial()
        hub = trial.context.hub
        trial.write(stay(), risk(0.01))
        reader = Reader(hub)
        name, snapshot = await reader.next()
        assert (name, [c["patient"] for c in snapshot["cards"]]) == ("snapshot", ["p1"])
        assert snapshot["wards"] == ["A"]
        changed(trial, hub, stay("p2"))
        name, changes = await reader.next()
        assert (name, [c["patient"] for c in changes["cards"]]) == ("cards", ["p2"])
        assert changes["seq"] > snapshot["seq"]

    asyncio.run(scenario())


def test_a_patient_who_is_moved_is_gone_for_the_ward_and_no_other_is_named() -> None:
    async def scenario() -> None:
        trial = BoardTrial()
        hub = trial.context.hub
        trial.write(stay("p1", ward="A"), stay("p2", ward="B"))
        reader, limited = Reader(hub, Audience(None, "A")), Reader(hub, Audience(frozenset("B")))
        assert [c["patient"] for c in (await reader.next())[1]["cards"]] == ["p1"]
        assert [c["patient"] for c in (await limited.next())[1]["cards"]] == ["p2"]
        changed(trial, hub, stay("p1", ward="B"))
        _, changes = await reader.next()
        assert (changes["cards"], changes["gone"]) == ([], ["p1"])
        assert [c["patient"] for c in (await limited.next())[1]["cards"]] == ["p1"]
        changed(trial, hub, stay("p3", ward="C"))
        assert not reader.stream.waiting, "it never saw the patient"
        assert not limited.stream.waiting

    asyncio.run(scenario())


def test_a_stream_that_does_not_read_costs_no_memory_and_gets_a_snapshot() -> None:
    async def scenario() -> None:
        trial = BoardTrial()
        hub = trial.context.hub
        trial.write(stay())
        slow, quick = Reader(hub), Reader(hub)
        await slow.next()
        await quick.next()
        for i in range(QUEUE + 5):
            changed(trial, hub, risk(0.01 + i / 1000, i))
            assert (await quick.next())[1]["cards"][0]["risk"]["value"] == 0.01 + i / 1000
            assert len(slow.stream.waiting) <= QUEUE
        name, snapshot = await slow.next()
        assert (name, snapshot["cards"][0]["risk"]["value"]) == ("snapshot", 0.01 + 68 / 1000)
        changed(trial, hub, risk(0.9, 200))
        assert (await slow.next())[0] == "cards", "and goes on"

    asyncio.run(scenario())


def test_an_alert_is_published_at_once_and_risks_once_a_second() -> None:
    async def scenario() -> None:
        trial = BoardTrial()
        hub, loop = trial.context.hub, asyncio.get_running_loop()
        running = asyncio.create_task(hub.run())
        reader = Reader(hub)
        await reader.next()

        async def seconds_until_shown(message: Content) -> float:
            began = loop.time()
            trial.read(message)
            hub.wake()
            while (await reader.next())[0] != "cards":
                pass
            return loop.time() - began

        await seconds_until_shown(risk(0.1, 1))
        assert await seconds_until_shown(risk(0.2, 2)) > 0.5
        assert await seconds_until_shown(alert("start", 3)) < 0.5
        running.cancel()

    asyncio.run(scenario())


def test_a_session_that_has_ended_ends_its_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hubs, "_SYSTEM_EVERY_S", 0.02)

    async def scenario() -> None:
        trial = BoardTrial()
        hub = trial.context.hub
        running = asyncio.create_task(hub.run())
        reader, removed = Reader(hub), Reader(hub)
        await reader.next()
        await removed.next()
        assert (await reader.next())[0] == "system"
        removed.stream.is_allowed = lambda: False
        while not await removed.is_over():
            pass
        assert len(hub) == 1
        running.cancel()

    asyncio.run(scenario())


def test_at_the_end_all_streams_hear_bye() -> None:
    async def scenario() -> None:
        trial = BoardTrial()
        hub = trial.context.hub
        reader = Reader(hub)
        await reader.next()
        hub.close()
        assert await reader.next() == ("bye", {})
        assert await reader.is_over()
        assert hub.is_full, "nobody comes in any more"

    asyncio.run(scenario())
