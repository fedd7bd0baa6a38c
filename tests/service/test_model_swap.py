from __future__ import annotations

import itertools

import pytest

from streamer.bundles.build import make
from streamer.ports.log import Output
from streamer.service import model_swap
from tests.service.test_worker import assert_same, die
from tests.support.fake_service import Killed, Process, Twins, invented_log, library, oracle
from tests.support.small_models import forecasting_model, random_bundle

EVENTS = invented_log(seed=4, n_events=120, n_partitions=2)
OLD, NEW = (random_bundle(seed).model_id for seed in (5, 6))


@pytest.fixture(autouse=True)
def _look_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_swap, "REFRESH_S", -1.0)


class Swapped:
    """A service whose model can be changed under it; every event is an evaluation."""

    def __init__(self) -> None:
        models, self.channel = library(5)
        self.twins = Twins(models, n_partitions=2, interval_ms=0)
        self.twins.send(EVENTS)

    def publish(self, seed: int, hidden: int = 8) -> None:
        champion = self.channel.champion()
        assert champion is not None
        bundle = random_bundle(seed, hidden)
        self.channel.publish(bundle.model_id, bundle.to_bytes(), champion.version)

    def publications(self) -> int:
        champion = self.channel.champion()
        return champion.version if champion else 0


def by_offset(twins: Twins, partition: int) -> list[tuple[int, str]]:
    """Offset and model of each risk of a partition, in order."""
    risks = [m for m in twins.messages("risk") if m["partition"] == partition]
    return [(m["offset"], m["model"]) for m in risks]


def in_two_halves(partition: int, n_old: int) -> list[Output]:
    """What a partition says when the first ``n_old`` events alone are the old model's."""
    halves = Swapped()
    twins = halves.twins
    mine = [event for event in EVENTS if event[0] == partition]
    twins.broker.partitions = [[], []]
    twins.send(mine[:n_old])
    process = twins.process()
    if n_old:
        twins.drain(process)
    else:
        process.step()
    halves.publish(6)
    process.step()
    twins.send(mine[n_old:])
    twins.drain(process)
    return [output for output in twins.broker.outputs if output.topic != "vitals.rejected"]


def assert_one_swap(twins: Twins) -> None:
    """Nothing missed or doubled, one swap a partition, and no risk of a mixture."""
    plain = Twins(library(5)[0], n_partitions=2, interval_ms=0)
    plain.send(EVENTS)
    plain.drain(plain.process())
    for partition in range(2):
        risks = by_offset(twins, partition)
        assert [offset for offset, _ in risks] == [o for o, _ in by_offset(plain, partition)]
        assert [model for model, _ in itertools.groupby(model for _, model in risks)] == [OLD, NEW]
        # The swap was at an event between the last old risk and the first new one.
        last_old = max(offset for offset, model in risks if model == OLD)
        first_new = min(offset for offset, model in risks if model == NEW)
        messages = [
            output
            for output in twins.broker.outputs
            if output.partition == partition and output.topic != "vitals.rejected"
        ]
        assert any(
            grouped(messages) == grouped(in_two_halves(partition, n_old))
            for n_old in range(last_old + 1, first_new + 1)
        )


def grouped(outputs: list[Output]) -> dict[tuple[str, bytes | None], list[Output]]:
    """Messages by topic and patient, in order: batches may interleave patients."""
    spoken: dict[tuple[str, bytes | None], list[Output]] = {}
    for output in outputs:
        spoken.setdefault((output.topic, output.key), []).append(output)
    return spoken


def start(swapped: Swapped, max_batch: int = 9, n_steps: int = 5) -> Process:
    process = swapped.twins.process(max_batch)
    for _ in range(n_steps):
        process.step()
    return process


def half_done(max_batch: int = 9) -> tuple[Swapped, Process]:
    """A service that has read half of the events when a new model is published."""
    swapped = Swapped()
    twins = swapped.twins
    twins.broker.partitions = [[], []]
    twins.send(EVENTS[:60])
    process = twins.process(max_batch)
    twins.drain(process)
    swapped.publish(6)
    twins.send(EVENTS[60:])
    return swapped, process


@pytest.mark.parametrize("max_batch", [1, 5, 9])
def test_a_model_published_in_mid_stream(max_batch: int) -> None:
    swapped, process = half_done(max_batch)
    swapped.twins.drain(process)
    assert_one_swap(swapped.twins)
    assert all(swapped.twins.states.take(p).model_id == NEW for p in range(2))


@pytest.mark.parametrize("n_steps", range(3))
@pytest.mark.parametrize("point", ["before_transaction", "after_transaction", "after_save"])
def test_killed_around_a_swap(point: str, n_steps: int) -> None:
    swapped, process = half_done()
    for _ in range(n_steps):
        process.step()
    process.at[point] = die
    with pytest.raises(Killed):
        swapped.twins.drain(process)
    swapped.twins.kill(process)
    swapped.twins.drain(swapped.twins.process(max_batch=9))
    assert_one_swap(swapped.twins)


def test_an_outage_of_the_store_in_the_swap() -> None:
    swapped, process = half_done()
    process.at["after_save"] = lambda: setattr(swapped.twins.states, "available", False)
    for _ in range(3):
        process.step()
    swapped.twins.states.available = True
    swapped.twins.drain(process)
    assert_one_swap(swapped.twins)


def test_a_rollback_is_a_swap() -> None:
    swapped, process = half_done()
    process.step()
    swapped.publish(5)
    swapped.twins.drain(process)
    for partition, expected in enumerate([[OLD, NEW, OLD], [OLD]]):
        models = [model for _, model in by_offset(swapped.twins, partition)]
        assert [model for model, _ in itertools.groupby(models)] == expected
        offsets = [offset for offset, _ in by_offset(swapped.twins, partition)]
        assert len(set(offsets)) == len(offsets) == len(evaluated(partition))
    assert all(swapped.twins.states.take(p).model_id == OLD for p in range(2))
    assert swapped.publications() == 3


def test_a_swap_writes_no_stay() -> None:
    swapped = Swapped()
    process = swapped.twins.process()
    swapped.twins.drain(process)
    before = swapped.twins.known()
    swapped.publish(6)
    process.step()
    assert all(swapped.twins.states.take(p).model_id == NEW for p in range(2))
    assert swapped.twins.known() == before


@pytest.mark.parametrize("models", [[(6, 16)], [(6, 8), (5, 8)], [(6, 16), (5, 8), (6, 16)]])
def test_stays_that_were_stored_before_a_swap_go_on_as_those_in_memory(
    models: list[tuple[int, int]],
) -> None:
    """Whoever stays in memory is moved at the swap, whoever is loaded after it is moved then."""
    outcomes = []
    for restarts in (False, True):
        swapped = Swapped()
        twins = swapped.twins
        twins.broker.partitions = [[], []]
        twins.send(EVENTS[:60])
        process = twins.process()
        twins.drain(process)
        for seed, hidden in models:
            swapped.publish(seed, hidden)
            process.step()
        if restarts:
            twins.kill(process)
            process = twins.process()
        twins.send(EVENTS[60:])
        twins.drain(process)
        outcomes.append((twins.said(), twins.known()))
    assert outcomes[0] == outcomes[1]


def evaluated(partition: int) -> list[tuple[int, str]]:
    return by_offset(oracle(library(5)[0], EVENTS, n_partitions=2, interval_ms=0), partition)


def test_the_same_model_published_again_changes_nothing() -> None:
    swapped = Swapped()
    process = start(swapped)
    swapped.publish(5)
    swapped.twins.drain(process)
    assert_same(swapped.twins, oracle(library(5)[0], EVENTS, n_partitions=2, interval_ms=0))


def test_a_bundle_that_cannot_be_used_leaves_the_model_in_force() -> None:
    swapped = Swapped()
    process = start(swapped)
    swapped.channel.publish("damaged", b"no bundle", 1)
    swapped.twins.drain(process)
    assert_same(swapped.twins, oracle(library(5)[0], EVENTS, n_partitions=2, interval_ms=0))


def test_a_head_comes_and_goes_while_events_flow() -> None:
    heads = [make(forecasting_model(seed), {}, "") for seed in (7, 8)]
    after_models = []
    for restarts in (False, True):
        models, channel = library(5)
        twins = Twins(models, n_partitions=2, interval_ms=0, forecast=True)
        process = twins.process(max_batch=9)
        for part, bundle in enumerate((heads[0], random_bundle(6), heads[1])):
            channel.publish(bundle.model_id, bundle.to_bytes(), part + 1)
            process.step()
            twins.send(EVENTS[40 * part : 40 * (part + 1)])
            if restarts:  # moved in memory, or loaded as another model stored it
                twins.kill(process)
                process = twins.process(max_batch=9)
            twins.drain(process)
        after_models.append(twins.said())
        risks = twins.messages("risk")
        assert {risk["model"] for risk in risks} >= {head.model_id for head in heads}
        for risk in risks:
            has_head = risk["model"] in {head.model_id for head in heads}
            assert ("forecast" in risk) == has_head
    assert after_models[0] == after_models[1]
