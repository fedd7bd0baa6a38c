"""Runs the board: the web server in this thread, Kafka in others.

The order of the end: `bye` to all streams, then the server, which would wait for them for ever;
then the threads of Kafka.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Final

import structlog
import uvicorn
from starlette.applications import Starlette

from streamer.board.app import make_app
from streamer.board.board import Change
from streamer.board.context import Context
from streamer.board.follower import Follower, watch_progress
from streamer.board.ward_fold import WardFold
from streamer.ports.ward import Progress, ServiceProgress, WardTopics
from streamer.service.model_facts import ModelFacts

_log = structlog.get_logger()
_GRACE_S: Final = 3  # streams end with `bye`; a browser that does not read is cut off
_APPLY_S: Final = 60.0
_LOOK_S: Final = 0.2


def wall_ms() -> int:
    """The clock of the wall, epoch milliseconds."""
    return time.time_ns() // 1_000_000


class _Server(uvicorn.Server):
    """Leaves signals to the command."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Captures none."""
        yield


def serve(
    context: Context,
    topics: WardTopics,
    progress: ServiceProgress,
    listening: socket.socket,
    certificate: tuple[str, str | None] | None,
    stop: threading.Event,
) -> None:
    """Serves until ``stop`` is set.

    Args:
        context: the parts of the board.
        topics: names of what it reads.
        progress: asks how far the service is.
        listening: the socket.
        certificate: files of the certificate and its key; ``None`` for no TLS.
        stop: ends it.

    Raises:
        OSError: the web server did not start.
    """

    @asynccontextmanager
    async def running(_app: Starlette) -> AsyncIterator[None]:
        loop, end = asyncio.get_running_loop(), threading.Event()
        hub = asyncio.create_task(context.hub.run())
        threads = _threads(context, topics, progress, loop, end)
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            end.set()
            hub.cancel()

    certfile, keyfile = certificate or (None, None)
    config = uvicorn.Config(
        make_app(context, is_tls=certificate is not None, lifespan=running),
        ssl_certfile=certfile,
        ssl_keyfile=keyfile,
        # Who asks is judged by the address of the connection, never by a header.
        proxy_headers=False,
        server_header=False,
        access_log=False,
        log_config=None,
        lifespan="on",
        timeout_graceful_shutdown=_GRACE_S,
    )
    asyncio.run(_serve(_Server(config), context, listening, stop))


async def _serve(
    server: uvicorn.Server, context: Context, listening: socket.socket, stop: threading.Event
) -> None:
    serving = asyncio.create_task(server.serve([listening]))
    while not stop.is_set() and not serving.done():
        await asyncio.sleep(_LOOK_S)
    context.hub.close()
    await asyncio.sleep(0)
    server.should_exit = True
    await serving
    if not server.started:
        raise OSError("the web server did not start")


def _threads(
    context: Context,
    topics: WardTopics,
    progress: ServiceProgress,
    loop: asyncio.AbstractEventLoop,
    end: threading.Event,
) -> Sequence[threading.Thread]:
    board, hub = context.board, context.hub

    def on_loop(change: Callable[[], None]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(change)

    def loaded(fold: WardFold) -> None:
        def apply() -> None:
            board.replace(fold)
            hub.wake()

        on_loop(apply)

    def followed(batch: Sequence[Change]) -> None:
        applied = threading.Event()

        def apply() -> None:
            board.apply(batch)
            hub.wake()
            applied.set()

        on_loop(apply)
        applied.wait(_APPLY_S)  # no batch overtakes the server

    def note(answer: Progress | None) -> None:
        model = board.fold.model
        facts = ModelFacts() if model is None else context.models.read(model)

        def apply() -> None:
            if model is not None:
                board.note_facts(model, facts)
                hub.wake()
            if answer is None:
                board.watch.failed(board.wall_ms())
            else:
                board.watch.answered(answer, board.wall_ms())

        on_loop(apply)

    follower = Follower(context.open_log, topics, board.wall_ms, loaded, followed)
    return (
        threading.Thread(target=follower.run, args=(end,), name="ward", daemon=True),
        threading.Thread(
            target=watch_progress, args=(progress, end, note), name="progress", daemon=True
        ),
    )
