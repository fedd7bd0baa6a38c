"""The libraries that only a comparison needs."""

from __future__ import annotations

import importlib
from typing import Any

from trainer.errors import InputError


def need(module: str) -> Any:
    """Imports a module of the extra ``train``.

    Raises:
        InputError: it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise InputError(
            f"the comparison needs {module.partition('.')[0]}: pip install 'vigil-icu[train]'"
        ) from error
