"""`streamer up`: run a real Kafka and a real Redis on this machine until Ctrl-C."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from streamer.adapters.redis.local import announced
from streamer.local import LocalStack, StackPorts
from streamer.process.signals import stop_on_signal
from streamer.process.terminal import say_json, say_lines


def up(
    data_dir: Annotated[
        Path | None, typer.Option(help="Folder that keeps the data; default: a temporary one.")
    ] = None,
    kafka_port: Annotated[int, typer.Option(help="Port of Kafka; 0: any free one.")] = 9092,
    redis_port: Annotated[int, typer.Option(help="Port of Redis; 0: any free one.")] = 6379,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON line when both answer.")
    ] = False,
) -> None:
    """Start a real Kafka and a real Redis on loopback and keep them until Ctrl-C.

    At the default ports your other commands need no setting. Programs connect to the Redis URL that
    is printed, which has the password in it.
    """
    with (
        stop_on_signal() as stop,
        LocalStack(data_dir, stack_ports=StackPorts(kafka_port, redis_port)) as stack,
        announced(stack.redis),
    ):
        if as_json:
            say_json({"kafka": stack.kafka, "redis": stack.redis})
        else:
            say_lines((f"Kafka  {stack.kafka}", f"Redis  {stack.redis}", "Ctrl-C stops both."))
        stop.wait()
