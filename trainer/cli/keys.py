"""`trainer keys`: makes and lists the keys that models are signed with."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from streamer.bundles.signatures import parse_keys
from streamer.process.audit import audited
from streamer.process.terminal import say, say_json, say_lines
from trainer.registry import keys as signing
from trainer.settings import TrainerSettings

app = typer.Typer(
    no_args_is_help=True,
    help="""Make and list the keys that models are signed with (Ed25519).

    A service takes over models that one of its STREAMER_MODEL_KEYS has signed, and no others.

    Examples:

    `trainer keys new icu-2026`

    `trainer keys list`
    """,
)

_ADVICE: Final = """key {name} in {file}: keep it secret, and keep a copy
sign with it       export TRAINER_SIGNING_KEY_FILE={file}
services trust it  export STREAMER_MODEL_KEYS={public}
"""


@app.command()
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the key, such as icu-2026.")],
) -> None:
    """Draw a key pair; write the private key to a file and print the public one."""
    settings = TrainerSettings()
    with audited(settings.audit_file, "new key", name):
        key = signing.new(settings.keys, name)
    file = settings.keys / f"{name}{signing.SUFFIX}"
    say_lines(_ADVICE.format(name=name, file=file, public=key.public).splitlines())


@app.command("list")
def list_keys(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON list.")] = False,
) -> None:
    """List the public keys: those made here, and those of TRAINER_MODEL_KEYS."""
    settings = TrainerSettings()
    listed = [(key.public, "private key here") for key in signing.all_in(settings.keys)]
    listed += [(key, "trusted") for key in parse_keys(settings.model_keys)]
    if as_json:
        rows = [{"key": str(key), "name": key.name, "kind": kind} for key, kind in listed]
        say_json(rows)
        return
    for key, kind in listed:
        say(f"{key}  {kind}")
    if not listed:
        say(f"no key in {settings.keys}; `trainer keys new NAME` makes one")
