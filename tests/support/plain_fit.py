"""Fits whose pictures nobody looks at: to draw them takes longer than to train on these stays."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module

import pytest


@contextmanager
def drawing_nothing() -> Iterator[None]:
    """Fits draw nothing while the block lasts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(import_module("trainer.fit"), "draw_fit", lambda *_: None)
        yield
