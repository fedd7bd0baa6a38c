"""Keys of the trainer's tests: nothing is written beside the tree."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session", autouse=True)
def own_keys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    folder = tmp_path_factory.mktemp("vigil")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRAINER_PATIENTS_KEY_FILE", str(folder / "patients.key"))
        patch.setenv("TRAINER_KEYS", str(folder / "keys"))
        yield
