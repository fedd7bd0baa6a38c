from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from streamer.adapters.redis.models import RedisModels
from streamer.bundles import bundle as bundles
from streamer.bundles.bundle import SHIPPED
from streamer.ports.models import Champion
from tests.support.small_models import random_bundle


def test_the_registry_is_listed_shown_and_changed(
    trainer: Any, tmp_path: Path, redis_url: str
) -> None:
    assert "no model" in trainer("models").out
    ours = random_bundle(3)
    ours.save(tmp_path / "ours")
    shipped = bundles.load(SHIPPED).model_id
    result = trainer("models", "promote", tmp_path / "ours", "--why", "a test", "--json")
    assert result.code == 0, result.err
    assert json.loads(result.out)["champion"] == ours.model_id
    with Redis.from_url(redis_url) as client:
        channel = RedisModels(client)
        assert channel.champion() == Champion(ours.model_id, 2)  # 1 was the shipped one
        assert trainer("models", "rollback").out == f"in force: {shipped[:12]} (version 3)\n"
        assert channel.champion() == Champion(shipped, 3)
    models = json.loads(trainer("models", "list", "--json").out)
    assert {model["model"]: model["aliases"] for model in models} == {
        ours.model_id: [],
        shipped: ["champion"],
    }
    assert ours.model_id[:12] in trainer("models", "list").out
    assert "Model card" in trainer("models", "show").out
    shown = json.loads(trainer("models", "show", ours.model_id[:6], "--json").out)
    assert shown["manifest"]["model"] == ours.model_id
    assert [entry["what"] for entry in shown["history"]] == ["added", "promoted", "published"]


def test_without_redis_nothing_is_changed_unless_asked_for(
    trainer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    random_bundle().save(tmp_path / "ours")
    result = trainer("models", "promote", tmp_path / "ours")
    assert result.code == 1
    assert "--no-publish" in result.err
    assert json.loads(trainer("models", "list", "--json").out)[0]["aliases"] == []
    result = trainer("models", "promote", tmp_path / "ours", "--no-publish", "--json")
    assert json.loads(result.out) == {
        "champion": random_bundle().model_id,
        "version": None,
        "before": [],
    }


def test_a_bundle_that_cannot_score_is_not_promoted(trainer: Any, tmp_path: Path) -> None:
    random_bundle().save(tmp_path / "broken")
    (tmp_path / "broken" / "weights.safetensors").write_bytes(b"")
    result = trainer("models", "promote", tmp_path / "broken", "--no-publish")
    assert result.code == 1
    assert "Refused:" in result.err
    assert "no model" in trainer("models").out
