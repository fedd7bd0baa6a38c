"""An explanation that the tests of this room share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.explained_stay import one_stay
from tests.support.small_models import random_model
from trainer.explain.explanation import Explanation, explain
from trainer.explain.measurement_arg import parse


@pytest.fixture
def explanation(tmp_path: Path) -> Explanation:
    return explain(
        random_model(3), one_stay(tmp_path), list(map(parse, ["lactate@6", "heart_rate"]))
    )
