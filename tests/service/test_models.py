from __future__ import annotations

from collections.abc import Iterator

import pytest
import structlog

from streamer.adapters.memory.models import MemoryModels
from streamer.bundles import bundle
from streamer.bundles.acceptance import Trust, accept_bytes
from streamer.core.model import Model
from streamer.core.reasons import Refusal
from streamer.service.models import KEPT, LOOK_AGAIN_S, ModelLibrary
from tests.support.bad_bundles import KEY, bad_bundles, colliding, good
from tests.support.small_models import random_bundle

UNSIGNED = Trust(allow_unsigned=True)
SHIPPED = bundle.load(bundle.SHIPPED).model_id


def publish(channel: MemoryModels, seed: int) -> str:
    """Publishes a model with random weights; returns its id."""
    champion = channel.champion()
    content = random_bundle(seed)
    channel.publish(content.model_id, content.to_bytes(), champion.version if champion else 0)
    return content.model_id


@pytest.mark.parametrize("channel", [None, MemoryModels()], ids=["no channel", "nothing there"])
def test_without_a_publication_the_shipped_model_is_in_force(channel: MemoryModels | None) -> None:
    library = ModelLibrary(channel, UNSIGNED)
    assert library.in_force().model_id == SHIPPED
    assert library.get(SHIPPED) is library.in_force()


def test_the_champion_is_in_force_and_earlier_models_are_found() -> None:
    channel = MemoryModels()
    library = ModelLibrary(channel, UNSIGNED)
    first, second = publish(channel, 1), publish(channel, 2)
    assert library.in_force().model_id == second
    earlier = library.get(first)
    assert earlier is not None
    assert earlier.model_id == first
    assert library.get("unknown") is None


def test_a_damaged_bundle_is_logged_once_and_the_fallback_stays() -> None:
    channel = MemoryModels()
    library = ModelLibrary(channel, UNSIGNED)
    before = library.in_force()
    channel.publish("damaged", b"not a bundle", 0)
    with structlog.testing.capture_logs() as entries:
        assert library.in_force(fallback=before) is before
        assert library.in_force(fallback=before) is before
        assert library.in_force().model_id == SHIPPED
    assert [(entry["event"], entry["model"]) for entry in entries] == [("model refused", "damaged")]


def test_built_models_are_bounded() -> None:
    channel = MemoryModels()
    library = ModelLibrary(channel, UNSIGNED)
    ids = [publish(channel, seed) for seed in range(1, KEPT + 2)]
    models = [library.get(model_id) for model_id in ids]
    assert None not in models
    assert library.get(ids[-1]) is models[-1], "the newest is built once"
    assert library.get(ids[0]) is not models[0], "the oldest was dropped and is built again"


OURS = Trust((KEY.public,))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    now = [0.0]
    monkeypatch.setattr("streamer.service.models.time.monotonic", lambda: now[0])
    yield now


def put(channel: MemoryModels, model_id: str, packed: bytes) -> None:
    champion = channel.champion()
    channel.publish(model_id, packed, champion.version if champion else 0)


def test_the_reason_of_a_refusal_is_kept_until_a_good_one_comes() -> None:
    channel = MemoryModels()
    library = ModelLibrary(channel, OURS)
    before = library.in_force()
    for bad in bad_bundles():
        put(channel, bad.model_id, bad.packed)
        assert library.in_force(fallback=before) is before
        assert library.refusal is not None
        assert library.refusal.reason == bad.reason, bad.name
    put(channel, good(1).model_id, good(1).to_bytes())
    assert library.in_force(fallback=before).model_id == good(1).model_id
    assert library.refusal is None


def test_the_model_in_force_is_found_again_after_a_restart() -> None:
    channel = MemoryModels()
    library = ModelLibrary(channel, OURS)
    put(channel, good(1).model_id, good(1).to_bytes())
    model = library.in_force()
    for i in range(20):
        put(channel, f"{i:064x}", b"no bundle")
        assert library.in_force(fallback=model) is model
    assert model.model_id not in channel.recent(), "pushed out"
    assert ModelLibrary(channel, OURS).in_force().model_id == model.model_id, "after a restart"


def test_other_bytes_under_a_refused_id_are_looked_at(clock: list[float]) -> None:
    channel = MemoryModels()
    library = ModelLibrary(channel, OURS)
    put(channel, good(1).model_id, b"no bundle")
    assert library.in_force().model_id == SHIPPED
    channel._bundles[good(1).model_id] = good(1).to_bytes()
    assert library.in_force().model_id == SHIPPED, "it is not looked at all the time"
    clock[0] += LOOK_AGAIN_S + 1
    assert library.in_force().model_id == good(1).model_id
    put(channel, good(2).model_id, b"no bundle")
    assert library.in_force().model_id == good(1).model_id
    put(channel, good(2).model_id, good(2).to_bytes())
    assert library.in_force().model_id == good(2).model_id, "a new publication is, at once"


def test_the_same_bytes_are_tried_once(clock: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []

    def count(packed: bytes, model_id: str, trust: Trust) -> tuple[bundle.Bundle, Model]:
        tried.append(model_id)
        return accept_bytes(packed, model_id, trust)

    monkeypatch.setattr("streamer.service.models.accept_bytes", count)
    channel = MemoryModels()
    library = ModelLibrary(channel, OURS)
    put(channel, "0" * 64, b"no bundle")
    for _ in range(5):
        library.in_force()
        clock[0] += LOOK_AGAIN_S + 1
    assert tried == ["0" * 64]


def test_twelve_digits_of_an_earlier_version_find_a_model_and_trust_none() -> None:
    channel = MemoryModels()
    library = ModelLibrary(channel, OURS)
    trusted, foreign = good(1), random_bundle(2)
    put(channel, trusted.model_id, trusted.to_bytes())
    put(channel, foreign.model_id[:12], foreign.to_bytes())
    for short in (trusted.model_id[:12], SHIPPED[:12]):
        model = library.get(short)
        assert model is not None
        assert model.model_id in (trusted.model_id, SHIPPED)
    assert library.get(foreign.model_id[:12]) is None
    # Somebody's bundle whose id begins like the trusted one's does not take its place.
    put(channel, trusted.model_id[:12] + "f" * 52, foreign.to_bytes())
    loaded = library.get(trusted.model_id[:12])
    assert loaded is not None
    assert loaded.model_id == trusted.model_id


def test_a_model_with_the_same_twelve_digits_is_another_one() -> None:
    channel = MemoryModels()
    library = ModelLibrary(channel, OURS)
    first, second = colliding()
    put(channel, first.model_id, first.to_bytes())
    model = library.in_force()
    put(channel, second.model_id, second.to_bytes())
    other = library.in_force(fallback=model)
    assert (model.model_id, other.model_id) == (first.model_id, second.model_id)
    channel._bundles[first.model_id] = second.to_bytes()
    put(channel, first.model_id, second.to_bytes())
    restarted = ModelLibrary(channel, OURS)
    restarted.in_force()
    assert restarted.refusal is not None
    assert restarted.refusal.reason is Refusal.OTHER_CONTENT


@pytest.mark.parametrize("model_id", ["", "\x1b[2J\n", "x" * 10_000, "é", "../../etc/passwd"])
def test_any_text_may_stand_as_the_alias(model_id: str) -> None:
    channel = MemoryModels()
    library = ModelLibrary(channel, OURS)
    put(channel, model_id, good(1).to_bytes())
    with structlog.testing.capture_logs() as entries:
        assert library.in_force().model_id == SHIPPED
    (entry,) = entries
    assert entry["reason"] == Refusal.OTHER_CONTENT
    assert len(str(entry)) < 1_000
    assert str(entry["model"]).isprintable()
    assert str(entry["error"]).isprintable()


def test_when_redis_loses_what_is_published_the_model_in_force_stays() -> None:
    channel = MemoryModels()
    library = ModelLibrary(channel, OURS)
    put(channel, good(1).model_id, good(1).to_bytes())
    model = library.in_force()
    channel._champion = None
    channel._bundles.clear()
    assert library.in_force(fallback=model) is model
    assert ModelLibrary(channel, OURS).in_force().model_id == model.model_id, "after a restart"


def test_the_champion_stays_built_whatever_a_replay_asks_for() -> None:
    channel = MemoryModels()
    library = ModelLibrary(channel, UNSIGNED)
    ids = [publish(channel, seed) for seed in range(1, KEPT + 2)]
    champion = library.in_force()
    for model_id in ids[:-1]:
        assert library.get(model_id) is not None
    assert library.get(ids[-1]) is champion
