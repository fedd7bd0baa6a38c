"""Probes and metrics of a command, and what it says where it cannot listen."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

import typer

from streamer.process.terminal import say


@contextmanager
def listening(
    serving: AbstractContextManager[object], host: str, port: int, variable: str
) -> Iterator[None]:
    """Serves while the block lasts.

    Args:
        serving: what listens from its beginning on.
        host: its address, as it is shown.
        port: its port, as it is shown.
        variable: the environment variable that sets the port.

    Raises:
        typer.Exit: with 2: the port is in use or not allowed.
    """
    with ExitStack() as served:
        try:
            served.enter_context(serving)
        except OSError as error:
            say(
                f"Error: cannot listen on {host}:{port}: {error}. "
                f"Set {variable} to another port, or to 0 for none",
                error=True,
            )
            raise typer.Exit(2) from error
        yield
