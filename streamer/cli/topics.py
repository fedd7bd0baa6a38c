"""`streamer topics`: create the topics that are missing and check the others."""

from __future__ import annotations

from typing import Annotated

import typer

from streamer.process.terminal import say, say_json
from streamer.service.settings import Settings
from streamer.service.topics import check_widths, ensure_topics


def topics(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
) -> None:
    """Create the topics that are missing and check the others; exit with 1 if one is wrong."""
    settings = Settings()
    topics = ensure_topics(settings)
    for topic in topics:
        if as_json:
            say_json({name: getattr(topic, name) for name in topic.__slots__})
        else:
            state = topic.fault or ("created" if topic.created else "there")
            say(f"{topic.name:16} {topic.partitions:3} partitions  {state}")
    check_widths(settings, topics)
    if any(topic.fault for topic in topics):
        raise typer.Exit(1)
