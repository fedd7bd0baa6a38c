from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from streamer.datasets.task import read_task
from tests.support.small_models import useless_champion
from tests.support.task_files import TASKS
from trainer.errors import InputError, WrongUsage
from trainer.loop.child import Order
from trainer.loop.record import Source


def test_a_champion_of_another_task_is_left_alone(tmp_path: Path) -> None:
    from trainer.loop.making import make  # noqa: PLC0415 - PyTorch takes two seconds to load

    task = read_task(TASKS / "death-2012.toml").to_json()
    champion = useless_champion()
    other = replace(champion, manifest={**champion.manifest, "task": dict(task)})
    other.manifest["model"] = other.model_id
    other.save(tmp_path / "champion")
    order = Order(sources=[Source(name=str(tmp_path))], champion=str(tmp_path / "champion"))
    with pytest.raises(InputError, match=r"outcome is death in hospital; .* models promote"):
        make(order, tmp_path / "run")


def test_a_run_keeps_its_sides_whatever_its_knobs(tmp_path: Path) -> None:
    from trainer.loop.making import make  # noqa: PLC0415

    useless_champion().save(tmp_path / "champion")
    order = Order(
        sources=[Source(name=str(tmp_path))],
        champion=str(tmp_path / "champion"),
        options=["fractions=0.8,0.1,0.1"],
    )
    with pytest.raises(WrongUsage, match="fractions is not a knob of a run"):
        make(order, tmp_path / "run")
