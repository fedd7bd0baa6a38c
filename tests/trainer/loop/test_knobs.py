from __future__ import annotations

import pytest

from trainer.archive.source import SCHEME
from trainer.loop.knobs import of_every_fit, run_recipe

FILES, ARCHIVE = ["/data/icu"], ["/data/icu", f"{SCHEME}/archive@3.2"]


@pytest.mark.parametrize(
    ("knob", "sources", "fault"),
    [
        ("fractions=0.8,0.1,0.1", FILES, "its sides hold for ever"),
        ("fractions=0.70,0.15,0.15", FILES, None),
        ("salt=another", ARCHIVE, "salt must be vigil, not another"),
        ("salt=another", FILES, None),
        ("salt=vigil", ARCHIVE, None),
        ("epochs=0", FILES, "epochs must be at least 1"),
        ("size=3", FILES, "there is no knob size"),
    ],
)
def test_knobs_that_would_move_patients_are_faults(
    knob: str, sources: list[str], fault: str | None
) -> None:
    _, faults = run_recipe([knob], sources)
    assert len(faults) == (fault is not None)
    assert fault is None or fault in faults[0]


def test_a_fit_that_goes_on_has_the_knobs_that_are_of_no_size() -> None:
    options = ["seed=3", "hidden=8", "salt=x", "epochs=2"]
    assert of_every_fit(options) == ["seed=3", "salt=x"]
    assert run_recipe(options, FILES)[0].hidden == 8
