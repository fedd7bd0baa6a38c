"""One thread for every test of a peer, as in its own process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    import torch  # noqa: PLC0415 - each process that collects a folder loads its conftest.py

    before = torch.get_num_threads()
    torch.set_num_threads(1)  # as services and peers do: more would wait for each other
    yield
    torch.set_num_threads(before)
