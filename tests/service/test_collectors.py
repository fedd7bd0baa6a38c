from __future__ import annotations

import numpy as np
import pytest

from streamer.service.collectors import AgeHistogram, LabelledGauge


def test_ages_are_a_histogram() -> None:
    ages = AgeHistogram("a", "Ages.", "since", ("x", "y"), (0.1, 1, 10))
    ages.observe("x", np.array([0.05, 0.1, 0.5, 10.1, 99.0]))
    ages.observe("x", np.array([]))
    ages.observe("x", np.array([-3.0]))  # a clock that is behind
    (family,) = ages.collect()
    samples = {(s.name, s.labels["since"], s.labels.get("le")): s.value for s in family.samples}
    assert [samples["a_bucket", "x", le] for le in ("0.1", "1.0", "10.0", "+Inf")] == [3, 4, 4, 6]
    assert samples["a_count", "x", None] == 6
    assert samples["a_sum", "x", None] == pytest.approx(106.75)
    assert samples["a_count", "y", None] == 0


def test_figures_come_and_go() -> None:
    figures = LabelledGauge("f", "Figures.", "partition")

    def shown() -> dict[str, float]:
        (family,) = figures.collect()
        return {s.labels["partition"]: s.value for s in family.samples}

    assert shown() == {}
    figures.set({"0": 1, "1": 2})
    assert shown() == {"0": 1, "1": 2}
    figures.set({"1": 3})
    assert shown() == {"1": 3}
    live = {"7": 1.0}
    figures.set_function(lambda: live)
    live["7"] = 2.0
    assert shown() == {"7": 2.0}
