from __future__ import annotations

import os

from tests.support.comparison import AVERAGE, Compared
from tests.support.tiny_families import GOOD, WORSE
from trainer.compare.protocol.family import Level
from trainer.compare.report.findings import machine


def test_a_level_lists_its_models_by_falling_utility(compared: Compared) -> None:
    sequence = compared.findings.at(Level.SEQUENCE)
    assert {model.name for model in sequence} == {"final LSTM", AVERAGE}
    utilities = [model.standing.figures["utility"] for model in sequence]
    assert utilities == sorted(utilities, reverse=True)
    assert [model.name for model in compared.findings.at(Level.SNAPSHOT)] == [WORSE.name]


def test_the_most_candidates_are_those_of_any_family(compared: Compared) -> None:
    assert compared.findings.most_candidates == len(GOOD.candidates) == 3


def test_the_machine_is_described_by_its_processors() -> None:
    assert f", {os.cpu_count()} processors" in machine()
