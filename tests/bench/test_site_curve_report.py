from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from bench.site_curve_report import Curve, Measured, Result, pooled


def result(kind: str, n: int, utility: float, draw: int = 0, shift: float = 0.0) -> Result:
    # The resampled patients are the same for all: their noise drops out of a difference.
    noise = np.random.default_rng(7).normal(0, 0.04, 200) + shift
    figures = {
        "utility": utility,
        "auroc": 0.8,
        "calibration_slope": 1.0,
        "alerts_per_patient_day": 0.3,
        "alert_sensitivity": 0.5,
    }
    many = {name: (figures[name] + noise).tolist() for name in ("utility", "auroc")}
    part = Measured(130, figures, many)
    return Result(kind, n, draw, 40 * n, n, "", {"test": part, "apart": part})


def test_a_difference_is_paired_by_patient_and_by_draw() -> None:
    tuned = [result("fine-tuned", 20, 0.31, 0), result("fine-tuned", 20, 0.35, 1)]
    before = [result("recalibrated", 20, 0.30, 0), result("recalibrated", 20, 0.31, 1)]
    alone, difference = pooled(tuned, "utility"), pooled(tuned, "utility", before)
    assert alone is not None
    assert difference is not None
    assert alone.value == pytest.approx(0.33)
    assert alone.high - alone.low > 0.1
    assert difference.draws == pytest.approx((0.01, 0.04))
    assert difference.high - difference.low < 1e-9
    assert difference.differs
    swapped = pooled(tuned[::-1], "utility", before)
    assert swapped is not None
    assert swapped.draws == pytest.approx((0.04, 0.01))  # by draw, not by place in the list


def test_the_shipped_model_stands_for_every_draw_and_another_does_not() -> None:
    tuned = [result("fine-tuned", 20, 0.31, 0), result("fine-tuned", 20, 0.35, 1)]
    shipped = [result("shipped", 0, 0.30)]
    less = pooled(tuned, "utility", shipped)
    assert less is not None
    assert less.draws == pytest.approx((0.01, 0.05))
    assert pooled(tuned, "utility", [result("recalibrated", 20, 0.3, d) for d in (1, 2)]) is None


def test_a_model_that_was_not_made_has_no_figure() -> None:
    refused = Result("recalibrated", 20, not_made="too few")
    assert pooled([refused], "utility") is None
    assert pooled([], "utility") is None
    shown = Curve([refused, result("shipped", 0, 0.3)]).tables()
    assert "| recalibrated |  |  |  |  |  |  |" in shown


def test_tables_show_intervals_and_mark_a_difference_that_leaves_out_0() -> None:
    results = [
        result("shipped", 0, 0.30),
        result("recalibrated", 20, 0.30, 0),
        result("fine-tuned", 20, 0.34, 0, shift=0.001),
    ]
    text = Curve(results).tables()
    assert "| as shipped from A | 0.300 [0.2" in text
    assert "| fine-tuned (`fit --from`) |  | 0.340 [0.2" in text
    assert (
        "| fine-tuned (`fit --from`) less recalibrated |  | **+0.040 [+0.041, +0.041]** |" in text
    )
    assert "| recalibrated less as shipped from A |  | +0.000 [+0.000, +0.000] |" in text


def test_a_result_is_read_as_it_was_kept(tmp_path: Path) -> None:
    kept = result("anew", 50, 0.2)
    kept.save(tmp_path / "cells" / "anew-50.json")
    assert Result.load(tmp_path / "cells" / "anew-50.json") == kept


def test_the_picture_is_an_svg_with_every_kind_and_equal_for_equal_figures(tmp_path: Path) -> None:
    kinds = ("recalibrated", "fine-tuned", "anew")
    results = [result(kind, n, 0.3, 0, 0.01) for kind in kinds for n in (20, 50)]
    curve = Curve([result("shipped", 0, 0.3), *results])
    for name in ("one.svg", "two.svg"):
        curve.draw(tmp_path / name)
    content = (tmp_path / "one.svg").read_bytes()
    assert content == (tmp_path / "two.svg").read_bytes()
    text = " ".join(ElementTree.fromstring(content).itertext())
    for shown in ("as shipped from A", "recalibrated", "fine-tuned", "fitted anew", "AUROC"):
        assert shown in text
