from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from tests.support.synthetic_cohort import learnable_file
from trainer.archive import cohort as archives
from trainer.archive.cohort import ArchivedStays
from trainer.archive.source import ArchiveSource
from trainer.data.cohort import load_cohort
from trainer.loop.record import Source
from trainer.loop.stays import Rules, gather
from trainer.progress import Reporter

QUIET = Reporter(Console(quiet=True))


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_an_archive_with_its_labels_hides_none_without(
    order: tuple[int, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shares = ({"2026-05": 0.40, "2026-06": 0.97}, {"2026-05": 0.99, "2026-07": 0.91})

    def read(source: ArchiveSource, *_: object) -> ArchivedStays:
        number = int(source.root.name)
        stays = load_cohort([learnable_file(tmp_path, 10, first_id=100 * number)])
        ended = np.zeros(len(stays), np.int64)
        return ArchivedStays(stays, ended, 1, 1, 0, Counter(labelled=10), shares[number])

    monkeypatch.setattr(archives, "read_archive", read)
    facts = gather([Source(name=f"archive:/{n}") for n in order], Rules("vigil"), QUIET).facts
    assert (facts.n_stays, facts.counts) == (20, {"labelled": 20})
    assert facts.labelled_share == {"2026-05": 0.40, "2026-06": 0.97, "2026-07": 0.91}
