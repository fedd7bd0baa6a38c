from __future__ import annotations

import numpy as np

from tests.support.comparison import AVERAGE, Compared
from tests.support.tiny_families import GOOD
from trainer.metrics.calibration_error import logit


def test_the_average_is_in_the_middle_of_the_log_odds(compared: Compared) -> None:
    findings = compared.findings
    entries = {model.name: model.entry for model in findings.families}
    final, trees, both = findings.final.entry, entries[GOOD.name], entries[AVERAGE]
    risks = [entry.on_test(findings.held_out).risk for entry in (final, trees)]
    middle = (logit(risks[0]) + logit(risks[1])) / 2
    np.testing.assert_array_equal(both.score[findings.held_out.validation.n_rows :], middle)
    assert both.state_bytes == final.state_bytes + trees.state_bytes
