"""`streamer pseudonym`: print a patient's pseudonym in the service's log."""

from __future__ import annotations

from typing import Annotated

import typer

from streamer.process.audit import record
from streamer.process.terminal import say
from streamer.service.pseudonyms import Pseudonyms
from streamer.service.settings import Settings


def pseudonym(
    patient_id: Annotated[str, typer.Argument(metavar="ID", help="The patient id.")],
) -> None:
    """Print a patient's pseudonym in the service's log; needs the service's STREAMER_LOG_KEY."""
    settings = Settings()
    key = settings.log_key.get_secret_value()
    if not key:
        raise typer.BadParameter("STREAMER_LOG_KEY is not set; set it to the key of the service")
    pseudonym = Pseudonyms(key).of(patient_id)
    record(settings.audit_file, "look up pseudonym", pseudonym)
    say(pseudonym)
