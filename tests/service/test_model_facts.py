from __future__ import annotations

from streamer.adapters.memory.models import MemoryModels
from streamer.bundles import bundle as bundles
from streamer.bundles.build import build, make
from streamer.bundles.bundle import SHIPPED, Bundle, short
from streamer.datasets.task import shipped
from streamer.ports.states import StoreUnavailable
from streamer.service.model_facts import UNKNOWN, ModelShelf
from tests.support.small_models import balanced, random_bundle, random_model


def other_task(outcome: str) -> Bundle:
    task = {**shipped().to_json(), "outcome": outcome}
    return make(balanced(random_model()), {"task": task}, "# Another task\n")


def unreachable() -> MemoryModels:
    raise StoreUnavailable("nobody answers")


def test_the_shipped_model_is_known_without_a_channel() -> None:
    model = bundles.load(SHIPPED)
    facts = ModelShelf(unreachable).read(model.shown_id)
    assert facts.outcome == build(model).outcome == "sepsis"
    assert facts.alert_threshold == model.manifest["alert_policy"]["medium"]


def test_a_published_model_says_what_its_risks_are_of() -> None:
    model, channel = other_task("death in hospital"), MemoryModels()
    channel.publish(model.model_id, model.to_bytes(), 0)
    assert ModelShelf(lambda: channel).read(short(model.model_id)).outcome == "death in hospital"
    assert build(model).outcome == "death in hospital"
    assert ModelShelf(MemoryModels).read(model.shown_id) == UNKNOWN
    assert ModelShelf(unreachable).read(model.shown_id) == UNKNOWN


def test_an_outcome_that_would_write_on_a_terminal_is_not_shown() -> None:
    model, channel = other_task("death\x1b[2J"), MemoryModels()
    channel.publish(model.model_id, model.to_bytes(), 0)
    assert ModelShelf(lambda: channel).read(model.shown_id).outcome is None


def test_a_model_that_is_published_later_is_known_then_and_read_once() -> None:
    channel, bundle, looks = MemoryModels(), random_bundle(5), 0

    def open_channel() -> MemoryModels:
        nonlocal looks
        looks += 1
        return channel

    shelf = ModelShelf(open_channel)
    assert shelf.read(bundle.shown_id) is UNKNOWN
    channel.publish(bundle.model_id, bundle.to_bytes(), 0)
    facts = shelf.read(bundle.shown_id)
    assert facts.alert_threshold == bundle.manifest["alert_policy"]["medium"]
    assert (shelf.read(bundle.shown_id), looks) == (facts, 2)
