from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.paths import ROOT
from trainer.errors import WrongUsage
from trainer.registry.gates import DEFAULT
from trainer.registry.policy import FILE, Policy, accept, check, in_force, parse


def test_without_a_file_a_person_is_asked_and_the_gates_are_those_of_the_code(
    tmp_path: Path,
) -> None:
    now = in_force(tmp_path)
    assert (now.policy.mode, now.sha256, now.unaccepted) == ("ask", "default", "")
    assert now.policy.limits() == DEFAULT


def test_a_changed_file_counts_once_a_named_person_accepted_it(tmp_path: Path) -> None:
    file = tmp_path / FILE
    file.write_text('mode = "automatic"\n[quality]\nutility_margin = 0.03\n')
    assert in_force(tmp_path).policy == Policy()
    assert "accept" in in_force(tmp_path).unaccepted
    accepted = accept(tmp_path, "Dr. A")
    now = in_force(tmp_path)
    assert (now.policy.mode, now.by, now.unaccepted) == ("automatic", "Dr. A", "")
    assert now.policy.limits().utility_margin == 0.03
    assert now.sha256 == accepted.sha256 != "default"

    file.write_text('mode = "autom')  # broken while a trainer runs: the accepted one stays
    broken = in_force(tmp_path)
    assert (broken.policy, broken.sha256) == (now.policy, now.sha256)
    assert "broken" in broken.unaccepted
    assert check(tmp_path)
    file.unlink()
    assert in_force(tmp_path).unaccepted
    assert accept(tmp_path, "Dr. A").policy == Policy()


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("mode = 'never'", "mode"),
        ("[quality]\nutility_margin = 0.2", "quality.utility_margin"),
        ("[calibration]\nslope = [0.0, 99]", "calibration.slope"),
        ("[data]\nleast_septic_frozen = 1", "data.least_septic_frozen"),
        ("[alerts]\nsize = 3", "alerts.size"),
        ("[data]\nleast_septic_fit = 15", "least_septic_fit"),
        ("[subgroups]\nleast_septic = 19", "subgroups.least_septic: .* 19 is below 20"),
    ],
)
def test_no_file_can_exceed_the_bounds_of_the_code(text: str, fault: str, tmp_path: Path) -> None:
    with pytest.raises(WrongUsage, match=fault):
        parse(text.encode(), tmp_path / FILE)


def test_gates_that_few_stays_cannot_answer_may_be_unasked(tmp_path: Path) -> None:
    text = "[data]\nleast_septic_newest = 0\n[subgroups]\nleast_septic = 0\n"
    limits = parse(text.encode(), tmp_path / FILE).limits()
    assert (limits.least_septic_newest, limits.least_septic_subgroup) == (0, 0)


def test_the_page_shows_the_policy_that_holds_without_a_file(tmp_path: Path) -> None:
    page = (ROOT / "docs/retraining.md").read_text()
    (shown,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    assert parse(shown.encode(), tmp_path / FILE) == Policy()
    for section in Policy.model_fields:
        assert section in shown


def test_every_fault_is_named_at_once(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("mode = 3\n[pace]\nmost_looks_per_quarter = 0\n")
    assert len(check(tmp_path)) == 2
