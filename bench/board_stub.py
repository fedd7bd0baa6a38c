"""A board without Kafka: it serves the real pages and answers from a script.

The tests of the pages, the pictures of the README and the run of heap and long tasks use it. What
it was asked stands in `actions`; nothing changes by itself but what `act` is told to do.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import json
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

import streamer
from bench.board_details import alert_list, audit, burden, details
from bench.board_ward import Json, card, stamp, system
from streamer.board.origin import SecureHeaders

STATIC = Path(streamer.__file__).parent / "board" / "static"
SESSION: Json = {
    "user": "a.nurse", "name": "A. Nurse", "role": "admin", "kiosk": False, "expires": None,
    "wards": None,
}  # fmt: skip


class BoardStub:
    """Cards, system and sessions of a script; streams to all browsers that follow."""

    def __init__(self, beds: int = 24) -> None:
        self.beds = beds
        self.reset()
        self._loop = asyncio.new_event_loop()
        self._streams: set[asyncio.Queue[str | None]] = set()
        self.url = ""

    def reset(self) -> None:
        """The script from its beginning; streams stay."""
        self.cards: dict[str, Json] = {}
        for number in range(1, self.beds + 1):
            self.put(card(number, ward="ICU 1" if number <= 24 else "ICU 2"))
        self.system = system()
        self.session: Json | None = dict(SESSION)
        self.password = "correct horse"
        self.actions: list[Json] = []
        self.answering = True  # whether a streamer answers actions
        self.kafka_away = False
        self.down = False  # no stream is accepted
        self.seq = 0

    # What a test does, from its own thread.

    def put(self, changed: Json) -> None:
        """Keep a card, without telling it."""
        self.cards[str(changed["patient"])] = changed

    def bed(self, bed: str) -> Json:
        """The card of a bed, to read."""
        return next(c for c in self.cards.values() if c["bed"] == bed)

    def change(self, bed: str, alert: Json | None = None, **changes: object) -> Json:
        """Change the card of a bed, and fields of its alert, and tell all browsers."""
        new = {**copy.deepcopy(self.bed(bed)), **changes}
        if alert is not None and isinstance(new["alert"], dict):
            new["alert"] |= alert
        self.put(new)
        self.tell([new])
        return new

    def tell(self, cards: list[Json], gone: list[str] | None = None) -> None:
        """One `cards` event."""
        self.seq += 1
        change = {"seq": self.seq, "time": stamp(), "cards": cards, "gone": gone or []}
        self._send("cards", change)

    def remove(self, bed: str) -> None:
        """A discharge."""
        patient = str(self.bed(bed)["patient"])
        del self.cards[patient]
        self.tell([], [patient])

    def beat(self, **changes: object) -> None:
        """One `system` event."""
        self.system |= changes
        self._send("system", self.system)

    def drop(self) -> None:
        """End all streams, as a board that is stopped does."""
        self._put(None)

    def bye(self) -> None:
        """What a board says before it stops."""
        self._send("bye", {})

    @property
    def followers(self) -> int:
        """The number of open streams."""
        return len(self._streams)

    def _send(self, event: str, document: Json) -> None:
        text = f"event: {event}\ndata: {json.dumps(document)}\n\n"
        self._put(text)

    def _put(self, text: str | None) -> None:
        def put() -> None:
            for queue in self._streams:
                queue.put_nowait(text)

        self._loop.call_soon_threadsafe(put)

    # What browsers ask.

    def _snapshot(self, ward: str) -> Json:
        cards = [c for c in self.cards.values() if not ward or c["ward"] == ward]
        wards = sorted({str(c["ward"]) for c in self.cards.values()})
        head: Json = {"boot": "stub", "seq": self.seq, "time": stamp()}
        return {**head, "system": self.system, "wards": wards, "cards": cards}

    async def _stream(self, request: Request) -> Response:
        if self.session is None:
            return JSONResponse({"error": "unauthorized"}, 401)
        if self.down:
            return JSONResponse({"error": "down"}, 502)
        queue: asyncio.Queue[str | None] = asyncio.Queue()
        snapshot = json.dumps(self._snapshot(request.query_params.get("ward", "")))

        async def events() -> AsyncIterator[str]:
            self._streams.add(queue)
            try:
                yield f"event: snapshot\ndata: {snapshot}\n\n"
                while (text := await queue.get()) is not None:
                    yield text
            finally:
                self._streams.discard(queue)

        return StreamingResponse(events(), media_type="text/event-stream")

    async def _session(self, request: Request) -> Response:
        if request.method == "POST":
            form = await request.json()
            if form["password"] != self.password:
                return JSONResponse({"error": "unauthorized"}, 401)
            user = form["user"]
            self.session = {**SESSION, "user": user, "name": user, "role": "nurse"}
            return Response(status_code=204)
        if request.method == "DELETE":
            self.session = None
            return Response(status_code=204)
        if self.session is None:
            return JSONResponse({"error": "unauthorized"}, 401)
        return JSONResponse(self.session)

    async def _act(self, request: Request) -> Response:
        action: Json = await request.json()
        self.actions.append({**action, "_headers": dict(request.headers)})
        if self.kafka_away:
            return JSONResponse({"error": "kafka_away"}, 503)
        if action.get("pin") not in (None, "123456"):
            return JSONResponse({"error": "wrong_pin"}, 401)
        if self.answering:
            self._loop.call_later(0.02, self._answer, action)
        return JSONResponse({"action_id": action["action_id"], "partition": 1, "offset": 7}, 202)

    def _answer(self, action: Json) -> None:
        """The card as a streamer would leave it."""
        new = copy.deepcopy(self.cards[str(action["patient_id"])])
        alert = new["alert"]
        phase = action["action"]
        user = str(action.get("user") or (self.session or {}).get("user"))
        minutes = action["minutes"] if isinstance(action["minutes"], (int, float)) else 0.0
        if isinstance(alert, dict) and phase == "acknowledge":
            alert["acknowledged"] = max(alert["acknowledged"], action["revision"])
            alert |= {"acknowledged_by": user, "acknowledged_time": stamp(), "phase": phase}
            new["state"] = "open" if alert["revision"] > alert["acknowledged"] else "acknowledged"
        elif isinstance(alert, dict) and phase == "snooze":
            alert |= {"snoozed_until": stamp(-minutes), "phase": phase}
            new["state"] = "snoozed"
        elif phase == "pause":
            new["paused"] = {"reason": action["reason"], "until": stamp(-minutes), "by": user}
            new["state"] = "paused"
        answers = new["answers"]
        assert isinstance(answers, list)
        answers.append({"action_id": action["action_id"], "phase": phase, "refusal": None})
        self.put(new)
        self.tell([new])

    async def _patient(self, request: Request) -> Response:
        known = self.cards.get(request.path_params["patient"])
        if known is None:
            return JSONResponse({"error": "unknown_patient"}, 404)
        return JSONResponse(details(known))

    async def _read(self, request: Request) -> Response:
        cards = list(self.cards.values())
        answers = {
            "board": lambda: self._snapshot(""),
            "alerts": lambda: alert_list(cards),
            "burden": lambda: burden(int(request.query_params.get("days", "7"))),
            "audit": lambda: audit(cards),
        }
        return JSONResponse(answers[request.path_params["name"]]())

    async def _page(self, _request: Request) -> Response:
        return FileResponse(STATIC / "index.html")

    def app(self) -> Starlette:
        """The routes of the board."""
        return Starlette(
            routes=[
                Route("/", self._page),
                Mount("/static", StaticFiles(directory=STATIC)),
                Route("/api/stream", self._stream),
                Route("/api/session", self._session, methods=["GET", "POST", "DELETE"]),
                Route("/api/alerts/actions", self._act, methods=["POST"]),
                Route("/api/patients/{patient:path}", self._patient),
                Route("/api/{name}", self._read),
            ],
            middleware=[Middleware(SecureHeaders, is_tls=False)],  # the real ones
        )

    @contextlib.contextmanager
    def running(self) -> Iterator[BoardStub]:
        """Serve on a free port of the loopback, in a thread."""
        config = uvicorn.Config(
            self.app(), host="127.0.0.1", port=0, log_level="error", lifespan="off",
            timeout_graceful_shutdown=1,
        )  # fmt: skip
        server = uvicorn.Server(config)
        started = threading.Event()

        async def serve() -> None:
            task = asyncio.ensure_future(server.serve())
            while not server.started and not task.done():
                await asyncio.sleep(0.01)
            started.set()
            await task

        thread = threading.Thread(target=self._loop.run_until_complete, args=(serve(),))
        thread.start()
        try:
            started.wait(10)
            self.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
            yield self
        finally:
            self.drop()
            server.should_exit = True
            thread.join(10)
            self._loop.close()
