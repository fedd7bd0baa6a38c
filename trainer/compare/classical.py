"""The families that have no recurrent state, from a constant to trees over windows."""

from __future__ import annotations

from typing import Final

from trainer.compare.dense import DENSE
from trainer.compare.family import Family
from trainer.compare.markov import MARKOV
from trainer.compare.references import REFERENCES
from trainer.compare.shallow import SHALLOW
from trainer.compare.trees import TREES

FAMILIES: Final[tuple[Family, ...]] = (*REFERENCES, *SHALLOW, *DENSE, *TREES, *MARKOV)
