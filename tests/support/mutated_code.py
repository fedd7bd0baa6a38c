"""Copies of modules with something broken in one of them, beside the modules that are in use."""

from __future__ import annotations

import builtins
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any


def with_change(modules: Sequence[str], module: str, old: str, new: str) -> dict[str, ModuleType]:
    """Copies of modules by name; in one of them some text is replaced.

    Args:
        modules: dotted names, each after those that it imports.
        module: which of them is changed.
        old: text that stands in it once.
        new: text in its stead.
    """
    copies: dict[str, ModuleType] = {}

    def imported(name: str, *args: Any, **kwargs: Any) -> Any:
        return copies[name] if name in copies else builtins.__import__(name, *args, **kwargs)

    for name in modules:
        file = import_module(name).__file__
        assert file is not None
        text = Path(file).read_text()
        if name == module:
            assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {name}"
            text = text.replace(old, new)
        copy = ModuleType(name)
        vars(copy)["__builtins__"] = {**vars(builtins), "__import__": imported}
        vars(copy)["__file__"] = file
        original = sys.modules[name]
        sys.modules[name] = copy  # dataclasses look their module up by its name
        try:
            exec(compile(text, file, "exec"), vars(copy))
        finally:
            sys.modules[name] = original
        copies[name] = copy
    return copies
