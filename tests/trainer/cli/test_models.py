from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from streamer.adapters.memory.models import MemoryModels
from streamer.adapters.redis.models import RedisModels
from streamer.bundles import bundle as bundles
from streamer.bundles.bundle import SHIPPED
from streamer.ports.models import Champion
from streamer.ports.states import StoreUnavailable
from tests.support.small_models import random_bundle
from trainer.cli import models as models_command


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
    assert "Nothing was changed" in result.err
    assert "--no-publish" in result.err
    assert json.loads(trainer("models", "list", "--json").out) == []
    assert not (tmp_path / "registry").exists()
    result = trainer("models", "promote", tmp_path / "ours", "--no-publish", "--json")
    assert json.loads(result.out) == {
        "champion": random_bundle().model_id,
        "version": None,
        "before": [],
    }


def test_a_redis_lost_on_the_way_is_not_called_no_change(
    trainer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class LostOnTheWay(MemoryModels):
        def publish(
            self, model_id: str, packed: bytes, expected_version: int, fence: int = 0
        ) -> Champion:
            if model_id == random_bundle().model_id:
                raise StoreUnavailable("gone")
            return super().publish(model_id, packed, expected_version, fence)

    monkeypatch.setattr(models_command, "_channel", LostOnTheWay)
    random_bundle().save(tmp_path / "ours")
    result = trainer("models", "promote", tmp_path / "ours")
    assert result.code == 1
    assert "Nothing was changed" not in result.err
    assert f"champion is {random_bundle().shown_id} now" in result.err


def test_a_bundle_that_cannot_score_is_not_promoted(trainer: Any, tmp_path: Path) -> None:
    random_bundle().save(tmp_path / "broken")
    (tmp_path / "broken" / "weights.safetensors").write_bytes(b"")
    result = trainer("models", "promote", tmp_path / "broken", "--no-publish")
    assert result.code == 1
    assert "Refused:" in result.err
    assert "no model" in trainer("models").out


@pytest.fixture
def strict(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Only signed models are published; returns the file of the audit lines."""
    monkeypatch.setenv("TRAINER_ALLOW_UNSIGNED_MODELS", "false")
    monkeypatch.setenv("TRAINER_KEYS", str(tmp_path / "keys"))
    monkeypatch.setenv("TRAINER_AUDIT_FILE", str(tmp_path / "audit.jsonl"))
    return tmp_path / "audit.jsonl"


def test_a_model_is_signed_verified_and_promoted(
    trainer: Any, tmp_path: Path, strict: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "ours"
    random_bundle().save(folder)
    result = trainer("models", "promote", folder, "--no-publish")
    assert result.code == 1
    assert result.err.startswith("Refused:")
    assert "trainer models sign" in result.err
    assert trainer("models", "verify", folder).code == 1
    assert "--key is missing" in trainer("models", "sign", folder).err

    made = trainer("keys", "new", "icu").out
    key = tmp_path / "keys" / "icu.key"
    assert f"TRAINER_SIGNING_KEY_FILE={key}" in made
    (public,) = [row["key"] for row in json.loads(trainer("keys", "list", "--json").out)]
    assert f"STREAMER_MODEL_KEYS={public}" in made
    assert public in trainer("keys", "list").out
    monkeypatch.setenv("TRAINER_SIGNING_KEY_FILE", str(key))
    model = random_bundle().model_id
    assert trainer("models", "sign", folder).out == (
        f"signed: {model[:12]} with the key {public}\n"
    )
    assert trainer("models", "verify", folder).out == f"ok       {folder}  icu\n"
    result = trainer("models", "promote", folder, "--no-publish", "--json")
    assert json.loads(result.out)["champion"] == model
    verified = trainer("models", "verify")
    assert verified.code == 0, verified.out
    assert f"ok       {model[:12]}  icu\n" in verified.out

    monkeypatch.delenv("TRAINER_SIGNING_KEY_FILE")
    assert trainer("models", "verify").code == 1, "nobody trusts the key any more"
    monkeypatch.setenv("TRAINER_MODEL_KEYS", public)
    history = tmp_path / "registry" / "history.jsonl"
    history.write_text(history.read_text().replace("by hand", "by somebody"))
    assert trainer("models", "verify").code == 0, "the newest line alone has nothing after it"
    history.write_text(history.read_text().replace("added from", "taken from"))
    tampered = trainer("models", "verify")
    assert tampered.code == 1
    assert "a line before line 2 was changed" in tampered.out

    lines = [json.loads(line) for line in strict.read_text().splitlines()]
    assert [(line["action"], line["outcome"].partition(":")[0]) for line in lines] == [
        ("promote", "failed"), ("new key", "done"), ("sign", "done"), ("promote", "done"),
    ]  # fmt: skip
    assert lines[-1]["object"].startswith(f"{model}, history ")


def test_a_torn_registry_is_listed_and_rolled_back(trainer: Any, tmp_path: Path) -> None:
    for seed in (1, 2, 3):
        random_bundle(seed).save(tmp_path / "ours")
        assert trainer("models", "promote", tmp_path / "ours", "--no-publish").code == 0
    registry = tmp_path / "registry"
    broken = random_bundle(3).model_id
    (registry / "bundles" / broken / "manifest.json").write_text("{")
    with (registry / "history.jsonl").open("a") as history:
        history.write('{"time": "20')
    (registry / "aliases.json").write_text('{"champ')
    listed = trainer("models", "list", "--json")
    assert listed.code == 0
    assert {row["model"] for row in json.loads(listed.out)} == {
        random_bundle(seed).model_id for seed in (1, 2, 3)
    }
    result = trainer("models", "rollback", "--no-publish", "--json")
    assert (result.code, json.loads(result.out)["champion"]) == (0, random_bundle(2).model_id)


def test_run_needs_a_key_or_the_switch(trainer: Any, strict: Path, data: Path) -> None:
    result = trainer("run", "--data", data, "--once")
    assert result.code == 2
    assert "TRAINER_SIGNING_KEY_FILE is missing" in result.err
    assert not strict.exists()
