"""The core does what the documents say, by an oracle that shares nothing with it."""

from __future__ import annotations

from bench.core_trial import answers, trial
from bench.invented_log import invented_log
from bench.metamorphic import differences

SEED = 7
LOG = invented_log(SEED, n_patients=12)


def test_the_core_does_what_the_documents_say() -> None:
    verdict = trial(LOG, SEED)
    assert not verdict.faults, verdict.examples
    assert verdict.checked["risk"] > 1_000
    assert verdict.checked["reasons"] > 40
    for phase in ("start", "escalate", "end"):
        assert verdict.seen[phase] > 10
    for reason in ("too_late", "before_admission", "no_stay", "wrong_type", "bad_time"):
        assert verdict.seen[reason], reason


def test_changes_that_must_not_matter_do_not() -> None:
    assert not differences(invented_log(SEED, n_patients=2), answers, SEED)
