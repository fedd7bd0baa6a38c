"""The families that have no recurrent state, from a constant to trees over windows."""

from __future__ import annotations

from typing import Final

from trainer.compare.models.dense import DENSE
from trainer.compare.models.markov import MARKOV
from trainer.compare.models.references import REFERENCES
from trainer.compare.models.shallow import SHALLOW
from trainer.compare.models.trees import TREES
from trainer.compare.protocol.family import Family

FAMILIES: Final[tuple[Family, ...]] = (*REFERENCES, *SHALLOW, *DENSE, *TREES, *MARKOV)
