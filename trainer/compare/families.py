"""Who takes part: every family there is, and what is asked of some of them beside."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from streamer.datasets.cohort import Progress
from trainer.compare.protocol.family import Family, Task
from trainer.errors import InputError

Row: TypeAlias = Mapping[str, Any]
Logits: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Entrants:
    """What is compared with the final model.

    Attributes:
        families: all of them.
        trees: the name of the one that is averaged with the final model and moved to another
            hospital beside it; ``None`` for none.
        daily: fits and judges the daily form of the task, given the (R, 3) logits of the final
            model; ``None`` to leave it out.
    """

    families: tuple[Family, ...]
    trees: str | None = None
    daily: Callable[[Task, Progress | None, Logits], Sequence[Row]] | None = None


_EXTRAS: Final = {"sklearn": "scikit-learn", "lightgbm": "lightgbm", "matplotlib": "matplotlib"}


def everybody() -> Entrants:
    """All families of the project.

    Raises:
        InputError: what they are made with is not installed.
    """
    missing = [package for module, package in _EXTRAS.items() if find_spec(module) is None]
    if missing:
        raise InputError(
            f"the comparison needs {', '.join(missing)}: pip install 'vigil-icu[train]'"
        )
    from trainer.compare.classical import FAMILIES as CLASSICAL  # noqa: PLC0415 - made with them
    from trainer.compare.experiments.daily import daily  # noqa: PLC0415
    from trainer.compare.models.recurrent import FAMILIES as RECURRENT  # noqa: PLC0415

    return Entrants((*CLASSICAL, *RECURRENT), trees="LightGBM, windows", daily=daily)


def extras() -> dict[str, str]:
    """The versions of what families are made with."""
    return {package: version(package) for package in _EXTRAS.values()}
