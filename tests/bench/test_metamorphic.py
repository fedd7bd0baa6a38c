"""A scorer that depends on what it must not depend on is found out."""

from __future__ import annotations

import random
from collections.abc import Sequence

from bench.core_trial import answers
from bench.independent_oracle.judge import Answer
from bench.independent_oracle.ledger import Record
from bench.invented_log import invented_log
from bench.metamorphic import differences


def by_name(log: Sequence[Record], cuts: random.Random) -> list[Answer]:
    """Says nothing of patients whose names are in capitals."""
    return [
        Answer() if (record.key or b"").startswith(b"PATIENT") else answer
        for record, answer in zip(log, answers(log, cuts), strict=True)
    ]


def by_batch(log: Sequence[Record], cuts: random.Random) -> list[Answer]:
    """Loses one record of five, drawn with the cuts."""
    return [Answer() if cuts.random() < 0.2 else answer for answer in answers(log, cuts)]


def test_a_dependence_is_found() -> None:
    log = invented_log(seed=4, n_patients=1)[:120]
    assert any("renamed" in change for change in differences(log, by_name, seed=1))
    assert any("batches" in change for change in differences(log, by_batch, seed=1))
