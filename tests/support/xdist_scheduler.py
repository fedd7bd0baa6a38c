"""A scheduler for `pytest -n 2`: tests go to processes one by one, long ones first.

xdist's `loadfile` keeps a file in one process, so the last file runs alone while cores idle. Its
`load` spreads a file, so each process makes the file's fixtures again. Here only tests that share
a fixture stay together: those of a file with a fixture for the whole file, and those of a folder
whose `conftest.py` has one for the whole session.
"""

from functools import cache
from pathlib import Path

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

_ROOT = Path(__file__).parents[2]


class OneByOne(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """Gives a process one test, or the tests of one file or folder that share a fixture of it."""

    def __init__(self, config: pytest.Config, log: Producer) -> None:
        super().__init__(config, log)
        config.option.loadscopereorder = False  # the order of the collection is `turn`

    def mark_test_complete(
        self, node: WorkerController, item_index: int, duration: float = 0
    ) -> None:
        """Forget what is over: after each test xdist counts the open ones among all there were."""
        super().mark_test_complete(node, item_index, duration)
        work = self.assigned_work[node]
        scope = self._split_scope(self.registered_collections[node][item_index])
        if all(work[scope].values()):
            del work[scope]

    def _split_scope(self, nodeid: str) -> str:
        return shared_by(nodeid.partition("::")[0]) or nodeid


@cache
def shared_by(file: str) -> str:
    """The folder or the file, named from the root, whose fixtures a file's tests share, or "".

    >>> shared_by("tests/trainer/compare/report/test_table.py")
    'tests/trainer/compare'
    >>> shared_by("tests/faults/test_crashes.py"), shared_by("tests/test_docs.py")
    ('tests/faults/test_crashes.py', '')
    """
    path = _ROOT / file
    for folder in path.relative_to(_ROOT).parents[:-2]:  # the fixtures of all tests are for all
        conftest = _ROOT / folder / "conftest.py"
        if conftest.is_file() and 'scope="session"' in conftest.read_text():
            return str(folder)
    return file if path.suffix == ".py" and 'scope="module"' in path.read_text() else ""


def turn(item: pytest.Item) -> int:
    """When a test's turn is: what may take long begins first, lest it be alone at the end."""
    if item.get_closest_marker("timeout") is not None:  # it asks for more time than others
        return 0
    if shared_by(item.nodeid.partition("::")[0]):
        return 1
    # Then laws, which are tried on many examples, and what is over at once.
    return 2 if getattr(getattr(item, "obj", None), "is_hypothesis_test", False) else 3
