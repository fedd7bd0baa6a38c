"""Subcommands that are imported when they run: help, and a slip of the pen, need not wait."""

from __future__ import annotations

import importlib
from typing import Any, ClassVar

import typer
from typer.core import TyperCommand, TyperGroup


class LazyGroup(TyperGroup):
    """A group whose subcommand NAME is `NAME.NAME`, or the group `NAME.app`, of a package.

    Typer would import every subcommand to list them, and with them clients of Kafka and Redis.

    Attributes:
        package: where the modules of the subcommands are.
        lines: for each subcommand the first sentence of its help, in the order of the list.
    """

    package: ClassVar[str]
    lines: ClassVar[dict[str, str]]

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands.update({n: TyperCommand(n, help=line) for n, line in self.lines.items()})

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Finds the subcommand that is asked for and imports that one."""
        name, _, rest = super().resolve_command(ctx, args)
        return name, None if name is None else self._load(name), rest

    def _load(self, name: str) -> Any:
        module = importlib.import_module(f"{self.package}.{name}")
        group = getattr(module, "app", None)
        if isinstance(group, typer.Typer):
            return typer.main.get_group(group)
        alone = typer.Typer(add_completion=False, rich_markup_mode="markdown")
        alone.command(name)(getattr(module, name))
        return typer.main.get_command(alone)
