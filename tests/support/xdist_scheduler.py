"""A scheduler for `pytest -n 2`: tests go to processes one by one, long ones first.

xdist's `loadfile` keeps a file in one process, so the last file runs alone while cores idle. Its
`load` spreads a file, so each process makes the file's fixtures again. Here only the tests of files
with a fixture for the whole file stay together.
"""

from functools import cache
from pathlib import Path

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

_ROOT = Path(__file__).parents[2]


class OneByOne(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """Gives a process one test, or the tests of one file that share a fixture of it."""

    def __init__(self, config: pytest.Config, log: Producer) -> None:
        super().__init__(config, log)
        config.option.loadscopereorder = False  # the order of the collection is `turn`

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return file if makes_something_once(file) else nodeid


@cache
def makes_something_once(file: str) -> bool:
    """Whether a file of tests, named from the root, has a fixture that is made once for it."""
    path = _ROOT / file
    return path.suffix == ".py" and 'scope="module"' in path.read_text()


def turn(item: pytest.Item) -> int:
    """When a test's turn is: what may take long begins first, lest it be alone at the end."""
    if item.get_closest_marker("timeout") is not None:  # it asks for more time than others
        return 0
    if makes_something_once(item.nodeid.partition("::")[0]):
        return 1
    # Then laws, which are tried on many examples, and what is over at once.
    return 2 if getattr(getattr(item, "obj", None), "is_hypothesis_test", False) else 3
