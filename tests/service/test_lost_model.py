"""The channel of models is lost or broken: the same model speaks on, or nobody and it is said."""

from __future__ import annotations

import pytest

from streamer.adapters.memory.models import MemoryModels
from streamer.bundles import bundle
from streamer.bundles.acceptance import Trust
from streamer.ports.models import Champion
from streamer.service import model_swap, ownership
from streamer.service.models import ModelLibrary
from tests.support.fake_service import FakeProcess, FakeService, event
from tests.support.small_models import random_bundle

UNSIGNED = Trust(allow_unsigned=True)


class LosableModels(MemoryModels):
    """A channel that can be wiped, as Redis is when its disk is lost, and damaged."""

    def wipe(self) -> None:
        self._champion = None
        self._kept = None
        self._bundles.clear()


def published(seed: int = 5) -> tuple[LosableModels, str]:
    models, content = LosableModels(), random_bundle(seed)
    models.publish(content.model_id, content.to_bytes(), 0)
    return models, content.model_id


def spoken(models: LosableModels, n_partitions: int) -> tuple[FakeService, FakeProcess]:
    """A service that has given three risks of one patient, on partition 0."""
    fake = FakeService(ModelLibrary(models, UNSIGNED), n_partitions=n_partitions)
    process = fake.process()
    fake.send([event(0, "p", minute, values={"heart_rate": 80}) for minute in range(3)])
    fake.drain(process)
    return fake, process


def test_a_channel_that_was_wiped_gets_its_model_again() -> None:
    models, model_id = published()
    workers = [ModelLibrary(models, UNSIGNED), ModelLibrary(models, UNSIGNED)]
    for known in workers:
        assert known.in_force().model_id == model_id
    models.wipe()
    for known in workers:
        assert known.in_force().model_id == model_id
    assert models.champion() == Champion(model_id, 1)
    assert ModelLibrary(models, UNSIGNED).in_force().model_id == model_id


def test_where_nothing_was_ever_published_the_shipped_model_speaks_and_is_not_published() -> None:
    models = LosableModels()
    shipped = bundle.load(bundle.SHIPPED).model_id
    known = ModelLibrary(models, UNSIGNED)
    assert [known.in_force().model_id, known.in_force().model_id] == [shipped] * 2
    assert models.champion() is None


def test_a_service_that_loses_states_and_models_speaks_with_the_same_model(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(model_swap, "REFRESH_S", -1.0)
    models, model_id = published()
    fake, process = spoken(models, n_partitions=1)
    models.wipe()
    fake.states.wipe()
    fake.send([event(0, "p", minute, values={"heart_rate": 80}) for minute in range(3, 6)])
    fake.drain(process)
    risks = fake.messages("risk")
    assert [risk["model"] for risk in risks] == [model_id[:12]] * 6
    assert models.champion() is not None


def test_services_that_start_after_the_loss_do_not_speak_with_the_shipped_model(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(model_swap, "REFRESH_S", -1.0)
    monkeypatch.setattr(ownership, "RETRY_BLOCKED_S", -1.0)
    models, model_id = published()
    fake, process = spoken(models, n_partitions=1)
    fake.kill(process)
    content = models.fetch(model_id)
    assert content is not None
    models.wipe()
    fake.states.wipe()
    fake.library = ModelLibrary(models, UNSIGNED)
    process = fake.process()
    fake.send([event(0, "p", 4, values={"heart_rate": 80})])
    for _ in range(3):
        process.step()
    (reason,) = process.worker.not_ready
    assert f"the published model {model_id[:12]} that spoke for it" in reason
    assert len(fake.messages("risk")) == 3
    models.publish(model_id, content, 0)
    fake.drain(process)
    assert [risk["model"] for risk in fake.messages("risk")] == [model_id[:12]] * 4


def test_an_upgrade_may_ship_another_model_and_rebuild_the_states() -> None:
    fake = FakeService(ModelLibrary(None), n_partitions=1)
    process = fake.process()
    fake.send([event(0, "p", minute, values={"heart_rate": 80}) for minute in range(3)])
    fake.drain(process)
    fake.kill(process)
    fake.states.wipe()
    fake.library = ModelLibrary(None, UNSIGNED)
    fake.library._shipped = random_bundle(7)
    process = fake.process()
    fake.send([event(0, "p", 4, values={"heart_rate": 80})])
    fake.drain(process)
    assert len({risk["model"] for risk in fake.messages("risk")}) == 2


def test_a_new_partition_waits_for_the_model_that_speaks_for_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(model_swap, "REFRESH_S", -1.0)
    models, model_id = published()
    fake, first = spoken(models, n_partitions=2)
    fake.kill(first)
    content = models.fetch(model_id)
    assert content is not None
    models.wipe()  # as a failover does to what was published a moment ago
    fake.library = ModelLibrary(models, UNSIGNED)
    second = fake.process()
    fake.send(
        [event(n, f"q{n}", minute, values={"heart_rate": 80}) for minute in (3, 4) for n in (0, 1)]
    )
    for _ in range(10):
        second.step()
    reasons = " ".join(second.worker.not_ready)
    assert f"the published model {model_id[:12]} that spoke for it" in reasons
    assert f"the published model {model_id[:12]} that spoke for other partitions" in reasons
    assert len(fake.messages("risk")) == 3
    models.publish(model_id, content, 0)  # is seen at once, not at the next try in half a minute
    fake.drain(second)
    assert [risk["model"] for risk in fake.messages("risk")] == [model_id[:12]] * 7
