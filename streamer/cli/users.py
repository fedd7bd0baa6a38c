"""`streamer users`: the accounts of the ward's board."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from streamer.process.terminal import say, say_json, say_lines, table
from streamer.service.settings import Settings

if TYPE_CHECKING:
    from streamer.board.users import User

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="""Add, change, remove and list the users of the ward's board.

    They are in the file that STREAMER_BOARD_USERS names, with hashes (argon2id) of passwords and
    PINs. A running board reads it again when it changes.

    Example: `streamer users add a.nurse --role nurse --full-name "Anna Nurse"`
    """,
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="The account's name.")]
Role = Annotated[str, typer.Option(help="One of viewer, nurse, admin.")]


@app.command()
def add(
    name: Name,
    role: Role,
    full_name: Annotated[
        str, typer.Option("--full-name", help="Name of the person; default: the account's.")
    ] = "",
    ward: Annotated[
        list[str] | None,
        typer.Option(help="Show this ward only; may be given several times; default: all."),
    ] = None,
) -> None:
    """Add a user; the password is asked for, or read from standard input."""
    from streamer.board import people  # noqa: PLC0415 - of the extra
    from streamer.board.users import User, check_name, hash_password  # noqa: PLC0415

    with _changing() as accounts:
        rank = people.Role.of(role)
        if check_name(name) in accounts:
            raise ValueError(f"{name} exists already; `streamer users passwd {name}` changes it")
        hashed = hash_password(_secret("Password"))
        accounts[name] = User(rank.word, hashed, full_name, ward or None)
    say(f"Added {name}, {rank.word}.")


@app.command()
def passwd(name: Name) -> None:
    """Change a password; all sessions of the user end."""
    from streamer.board.users import hash_password  # noqa: PLC0415 - of the extra

    with _changing() as accounts:
        user = _known(accounts, name)
        user.password = hash_password(_secret("New password"))
    say(f"Changed the password of {name}.")


@app.command()
def pin(name: Name) -> None:
    """Set the PIN with which a user acts at a kiosk."""
    from streamer.board.users import hash_pin  # noqa: PLC0415 - of the extra

    with _changing() as accounts:
        user = _known(accounts, name)
        user.pin = hash_pin(_secret("New PIN"))
    say(f"Set the PIN of {name}.")


@app.command()
def remove(name: Name) -> None:
    """Remove a user; all sessions of the user end within ten seconds."""
    with _changing() as accounts:
        _known(accounts, name)
        del accounts[name]
    say(f"Removed {name}.")


@app.command(name="list")
def list_users(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a user.")] = False,
) -> None:
    """List the users, without passwords and PINs."""
    from streamer.board.users import UsersFile, UsersFileError  # noqa: PLC0415 - of the extra

    file = UsersFile(Settings().board_users)
    try:
        accounts = file.all()
    except UsersFileError as error:
        say(f"Error: {error}", error=True)
        raise typer.Exit(2) from None
    for name, user in sorted(accounts.items()) if as_json else ():
        say_json(
            {
                "user": name,
                "name": user.name or name,
                "role": user.role,
                "wards": user.wards,
                "pin": user.pin is not None,
            }
        )
    if not as_json:
        rows = [
            (name, user.role, user.name or name, ", ".join(user.wards or ["all"]), _yes(user.pin))
            for name, user in sorted(accounts.items())
        ]
        say_lines(table(("user", "role", "name", "wards", "PIN"), rows))


@contextmanager
def _changing() -> Iterator[dict[str, User]]:
    """The accounts, written back if the block ends well; what is wrong is said, exit code 2."""
    from streamer.board.users import UsersFile  # noqa: PLC0415 - of the extra

    file = UsersFile(Settings().board_users)
    try:
        with file.changing() as accounts:
            yield accounts
    except ValueError as error:
        say(f"Error: {error}", error=True)
        raise typer.Exit(2) from None


def _known(accounts: dict[str, User], name: str) -> User:
    if name not in accounts:
        raise ValueError(f"there is no user {name!r}; `streamer users list` lists them")
    return accounts[name]


def _secret(prompt: str) -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    secret: str = typer.prompt(prompt, hide_input=True, confirmation_prompt=True)
    return secret


def _yes(pin: str | None) -> str:
    return "-" if pin is None else "set"
