"""The list of all model families, and the entrants of a comparison that is made of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from streamer.datasets.cohort import Progress
from trainer.compare.experiments.days import DailyRow
from trainer.compare.protocol.family import Family, Task
from trainer.errors import InputError

Logits: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Entrants:
    """Everything that is compared with the final model.

    Attributes:
        families: all of them.
        trees: the name of the family that is averaged with the final model, and fitted at one
            hospital alone beside it; ``None`` for none.
        daily: fits and judges the daily form of the task, given the (R, 3) logits of the final
            model; ``None`` to leave it out.
    """

    families: tuple[Family, ...]
    trees: str | None = None
    daily: Callable[[Task, Progress | None, Logits], Sequence[DailyRow]] | None = None


_EXTRAS: Final = {"sklearn": "scikit-learn", "lightgbm": "lightgbm", "matplotlib": "matplotlib"}


def everybody() -> Entrants:
    """All families of the project, from a constant to recurrent networks.

    Raises:
        InputError: a library that they are made with is not installed.
    """
    missing = [package for module, package in _EXTRAS.items() if find_spec(module) is None]
    if missing:
        raise InputError(
            f"the comparison needs {', '.join(missing)}: pip install 'vigil-icu[train]'"
        )
    # Made with the extras, so these modules can be imported only now.
    from trainer.compare.experiments.daily import daily  # noqa: PLC0415
    from trainer.compare.models.dense import DENSE  # noqa: PLC0415
    from trainer.compare.models.markov import MARKOV  # noqa: PLC0415
    from trainer.compare.models.recurrent import RECURRENT  # noqa: PLC0415
    from trainer.compare.models.references import REFERENCES  # noqa: PLC0415
    from trainer.compare.models.shallow import SHALLOW  # noqa: PLC0415
    from trainer.compare.models.trees import TREES  # noqa: PLC0415

    families = (*REFERENCES, *SHALLOW, *DENSE, *TREES, *MARKOV, *RECURRENT)
    return Entrants(families, trees="LightGBM, windows", daily=daily)


def extras() -> dict[str, str]:
    """The versions of the libraries that families are made with, by package."""
    return {package: version(package) for package in _EXTRAS.values()}
