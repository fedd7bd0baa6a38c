"""Vigil's trainer: fits, evaluates and publishes the models that the streamer runs.

In a notebook: ``from trainer import Model, compare, evaluate, fit, load, predict``
(`docs/notebook.md`). Nothing is loaded before one of these names is asked for.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from trainer.notebook.api import Model as Model
    from trainer.notebook.api import evaluate as evaluate
    from trainer.notebook.api import fit as fit
    from trainer.notebook.api import load as load
    from trainer.notebook.api import predict as predict
    from trainer.notebook.own_models import compare as compare

_HOMES: Final = {
    **dict.fromkeys(("Model", "evaluate", "fit", "load", "predict"), "trainer.notebook.api"),
    "compare": "trainer.notebook.own_models",
}


class _Package(ModuleType):
    """Gives the functions of the notebook, though modules have the names of some of them.

    Importing ``trainer.fit`` would bind that module as the package's ``fit``.
    """

    def __getattr__(self, name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        return getattr(import_module(_HOMES[name]), name)

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _HOMES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
