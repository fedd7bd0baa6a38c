from __future__ import annotations

import gc
import platform

import numpy as np
import psutil
import pytest

from trainer.training.freed_memory import give_back

PIECE = 100_000  # bytes: below what malloc asks of the system apart


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other heaps keep what they like")
def test_freed_pieces_below_others_are_given_back() -> None:
    process = psutil.Process()
    pieces = [np.ones(PIECE, np.uint8) for _ in range(3000)]
    kept = pieces[::2]  # between two of these lies one that is freed
    before = process.memory_info().rss
    del pieces
    gc.collect()
    give_back()
    assert process.memory_info().rss < before - 1000 * PIECE
    assert len(kept) == 1500
