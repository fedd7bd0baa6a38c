"""`streamer pseudonym`: the name of a patient in the service's log."""

from __future__ import annotations

from typing import Annotated

import typer

from streamer.service.pseudonyms import Pseudonyms
from streamer.service.settings import Settings


def pseudonym(
    patient_id: Annotated[str, typer.Argument(metavar="ID", help="The patient id.")],
) -> None:
    """Prints what the service's log calls a patient; needs the service's STREAMER_LOG_KEY."""
    key = Settings().log_key.get_secret_value()
    if not key:
        raise typer.BadParameter("set STREAMER_LOG_KEY to what the service has")
    print(Pseudonyms(key).of(patient_id))
