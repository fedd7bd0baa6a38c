"""`streamer board`: serve the ward's board."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from streamer.cli.failures import refuse
from streamer.cli.listening import listening
from streamer.process.signals import stop_on_signal
from streamer.process.terminal import say
from streamer.service import logs
from streamer.service.http import serving_routes
from streamer.service.pseudonyms import Pseudonyms
from streamer.service.settings import Settings


def board(
    host: Annotated[
        str | None,
        typer.Option(help="Listen on this address; default: STREAMER_BOARD_HOST (127.0.0.1)."),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            min=0, max=65_535, help="Listen on this port; default: STREAMER_BOARD_PORT (8080)."
        ),
    ] = None,
) -> None:
    """Serve the ward's board: people see the alerts and answer them.

    It reads Kafka, keeps nothing, and starts while Kafka is away. Needs the extra `board`.
    """
    # of the extra: a module that is missing is named by `cli/failures.py`
    from streamer.board import bootstrap, probes, server  # noqa: PLC0415

    settings = Settings()
    changed = {"board_host": host, "board_port": port}
    settings = settings.model_copy(update={k: v for k, v in changed.items() if v is not None})
    refuse(bootstrap.faults(settings, settings.board_host))
    logs.configure(settings.log_format, Pseudonyms(settings.log_key.get_secret_value()))
    certificate = (settings.board_tls_cert, settings.board_tls_key or None)
    with stop_on_signal() as stop, _bound(settings) as socket_of_board:
        address, number = socket_of_board.getsockname()[:2]
        shown = f"[{address}]" if ":" in address else address
        scheme = "https" if settings.board_tls_cert else "http"
        say(f"The board: {scheme}://{shown}:{number}/")
        context = bootstrap.context_of(settings)
        probed, on = settings.http_host, settings.board_http_port
        routes = serving_routes(probed, on, probes.routes(context.board, context.hub))
        with listening(routes, probed, on, "STREAMER_BOARD_HTTP_PORT"):
            server.serve(
                context,
                bootstrap.topics_of(settings),
                bootstrap.progress_of(settings),
                socket_of_board,
                certificate if settings.board_tls_cert else None,
                stop,
            )


@contextmanager
def _bound(settings: Settings) -> Iterator[socket.socket]:
    host, port = settings.board_host, settings.board_port
    try:
        bound = socket.create_server(
            (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET
        )
    except OSError as error:
        say(
            f"Error: cannot listen on {host}:{port}: {error}. Set STREAMER_BOARD_PORT to another "
            "port",
            error=True,
        )
        raise typer.Exit(2) from error
    with bound:
        yield bound
