from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from trainer.settings import TrainerSettings


def test_names_begin_with_trainer_but_for_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRAINER_DATA", "a.parquet:stays/b")
    monkeypatch.setenv("TRAINER_THREADS", "3")
    monkeypatch.setenv("REDIS_URL", "redis://elsewhere:1/2")
    settings = TrainerSettings()
    assert settings.paths() == [Path("a.parquet"), Path("stays/b")]
    assert settings.threads == 3
    assert settings.redis() == "redis://elsewhere:1/2"


def test_no_data_is_no_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRAINER_DATA", raising=False)
    assert TrainerSettings().paths() == []


@pytest.mark.parametrize(("name", "value"), [("THREADS", "-1"), ("LOG_FORMAT", "xml")])
def test_impossible_values_are_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"TRAINER_{name}", value)
    with pytest.raises(ValidationError, match=name):
        TrainerSettings()


def test_unknown_names_are_refused_with_a_hint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRAINER_THREAD", "3")
    with pytest.raises(ValidationError, match="did you mean TRAINER_THREADS"):
        TrainerSettings()
