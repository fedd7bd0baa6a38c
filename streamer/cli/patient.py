"""`streamer patient`: everything that is known of one patient."""

from __future__ import annotations

from typing import Annotated

import typer

from streamer.process.terminal import say, say_json, say_lines
from streamer.service.settings import Settings


def patient(
    patient_id: Annotated[str, typer.Argument(metavar="ID", help="The patient id.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show what is known of one patient: values and ages, risk, alert, model, log position.

    It reads Redis: while events come, up to STREAMER_SAVE_SECONDS (10) old.

    Exits with 1 when nothing is known, or the stored stay cannot be read.
    """
    # load numpy and the core, which the other commands start without
    from streamer.cli.patient_view import describe, lines  # noqa: PLC0415
    from streamer.core.codec import CorruptState  # noqa: PLC0415

    try:
        view = describe(Settings(), patient_id)
    except CorruptState as error:
        say(f"Error: {error}. The service says what becomes of it", error=True)
        raise typer.Exit(1) from None
    if view is None:
        say(f"Nothing is known of patient {patient_id!r}.")
        raise typer.Exit(1)
    if as_json:
        say_json(view)
    else:
        say_lines(lines(view))
