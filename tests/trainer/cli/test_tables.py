from __future__ import annotations

from pathlib import Path

import pytest

from trainer.cli.tables import comparison_table, models_table, suggestions_table
from trainer.explain.suggestions import Kind, Suggestion


def test_a_model_row_has_aliases_figures_and_the_reason(
    capsys: pytest.CaptureFixture[str],
) -> None:
    models_table(
        [
            {
                "model": "0123456789ab",
                "aliases": ["champion"],
                "added": "2026-07-01T03:00:00+00:00",
                "why": "a [test]",
                "utility": 0.4123,
                "utility_ci": [0.4, 0.42],
                "auroc": None,
                "auroc_ci": None,
                "n_patients": 80,
            }
        ]
    )
    output = capsys.readouterr().out
    for text in ("0123456789ab", "champion", "0.412 [0.400, 0.420]", "none", "a [test]"):
        assert text in output


def test_a_suggestion_without_onset_or_lead_has_dashes(capsys: pytest.CaptureFixture[str]) -> None:
    suggestions_table(
        [
            Suggestion(Kind.FORESEEN, "[/b] 3", 40, 27, 16, 0.1234),
            Suggestion(Kind.QUIET, "p2", 30, None, None, 0.01),
        ]
    )
    foreseen, quiet = (
        line for line in capsys.readouterr().out.splitlines() if "12.3%" in line or "1.0%" in line
    )
    for text in ("foreseen", "[/b] 3", "40", "27", "16 h before"):
        assert text in foreseen
    assert quiet.split().count("-") == 2


def test_compared_models_are_in_order_with_the_folder(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    figures = {"utility": 0.4, "auroc": 0.8, "auprc": 0.1}
    comparison_table([("final LSTM", figures), ("GRU", {**figures, "utility": 0.3})], tmp_path)
    output = capsys.readouterr().out
    assert output.index("final LSTM") < output.index("GRU") < output.index(str(tmp_path))
    assert "0.300" in output
