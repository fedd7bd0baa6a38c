from __future__ import annotations

import itertools
import json
from functools import cache

import numpy as np
import pytest

from streamer.adapters.memory.models import MemoryModels
from streamer.bundles.build import make
from streamer.bundles.bundle import Bundle
from streamer.core.codec import Era, decode, variables_of
from streamer.core.lstm_network import Architecture
from streamer.core.stays import StayTable
from streamer.core.variables import BUILT_IN, N_VARIABLES
from streamer.datasets.task import Task, parse_task
from streamer.ports.log import Output
from streamer.ports.states import StoreSilent, StoreUnavailable
from streamer.service import model_swap
from streamer.service.models import ModelLibrary
from tests.service.test_worker import assert_same
from tests.support.fake_service import (
    Event,
    FakeProcess,
    FakeService,
    Killed,
    die,
    library,
    random_log,
    reference_run,
)
from tests.support.small_models import balanced, forecasting_model, own_bundle, random_bundle
from tests.support.task_files import NEW_VARIABLES

EVENTS = random_log(seed=4, n_events=120, n_partitions=2)
Spoken = dict[tuple[str, bytes | None], list[Output]]  # messages by topic and patient
OLD, NEW = (random_bundle(seed).model_id for seed in (5, 6))


@pytest.fixture(autouse=True)
def _look_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_swap, "REFRESH_S", -1.0)


class Swapped:
    """A service whose model can be changed under it; every event is an evaluation."""

    def __init__(self) -> None:
        models, self.channel = library(5)
        self.fake = FakeService(models, n_partitions=2, interval_ms=0)
        self.fake.send(EVENTS)

    def publish(self, seed: int, hidden: int = 8) -> None:
        self.publish_bundle(random_bundle(seed, hidden))

    def publish_bundle(self, bundle: Bundle) -> None:
        champion = self.channel.champion()
        assert champion is not None
        self.channel.publish(bundle.model_id, bundle.to_bytes(), champion.version)

    def publications(self) -> int:
        champion = self.channel.champion()
        return champion.version if champion else 0


def by_offset(fake: FakeService, partition: int) -> list[tuple[int, str]]:
    """Offset and model of each risk of a partition, in order."""
    risks = [m for m in fake.messages("risk") if m["partition"] == partition]
    return [(m["offset"], m["model"]) for m in risks]


@cache  # the same for each fault
def in_two_halves(partition: int, n_old: int) -> Spoken:
    """What a partition says when the first ``n_old`` events alone are the old model's."""
    halves = Swapped()
    fake = halves.fake
    mine = [event for event in EVENTS if event[0] == partition]
    fake.broker.partitions = [[], []]
    fake.send(mine[:n_old])
    process = fake.process()
    if n_old:
        fake.drain(process)
    else:
        process.step()
    halves.publish(6)
    process.step()
    fake.send(mine[n_old:])
    fake.drain(process)
    return grouped([out for out in fake.broker.outputs if out.topic != "vitals.rejected"])


@cache
def undisturbed() -> FakeService:
    """A service that keeps its model."""
    return reference_run(library(5)[0], EVENTS, n_partitions=2, interval_ms=0)


def evaluated(partition: int) -> list[tuple[int, str]]:
    return by_offset(undisturbed(), partition)


def assert_one_swap(fake: FakeService) -> None:
    """Nothing missed or doubled, one swap a partition, and no risk of a mixture."""
    for partition in range(2):
        risks = by_offset(fake, partition)
        assert [offset for offset, _ in risks] == [
            o for o, _ in by_offset(undisturbed(), partition)
        ]
        assert [model for model, _ in itertools.groupby(model for _, model in risks)] == [
            OLD[:12],
            NEW[:12],
        ]
        # The swap was at an event between the last old risk and the first new one.
        last_old = max(offset for offset, model in risks if model == OLD[:12])
        first_new = min(offset for offset, model in risks if model == NEW[:12])
        messages = [
            output
            for output in fake.broker.outputs
            if output.partition == partition and output.topic != "vitals.rejected"
        ]
        assert any(
            grouped(messages) == in_two_halves(partition, n_old)
            for n_old in range(last_old + 1, first_new + 1)
        )


def grouped(outputs: list[Output]) -> Spoken:
    """Messages by topic and patient, in order: batches may interleave patients."""
    spoken: Spoken = {}
    for output in outputs:
        spoken.setdefault((output.topic, output.key), []).append(output)
    return spoken


def start(swapped: Swapped, max_batch: int = 9, n_steps: int = 5) -> FakeProcess:
    process = swapped.fake.process(max_batch)
    for _ in range(n_steps):
        process.step()
    return process


def half_done(max_batch: int = 9) -> tuple[Swapped, FakeProcess]:
    """A service that has read half of the events when a new model is published."""
    swapped = Swapped()
    fake = swapped.fake
    fake.broker.partitions = [[], []]
    fake.send(EVENTS[:60])
    process = fake.process(max_batch)
    fake.drain(process)
    swapped.publish(6)
    fake.send(EVENTS[60:])
    return swapped, process


@pytest.mark.parametrize("max_batch", [1, 5, 9])
def test_a_model_published_in_mid_stream(max_batch: int) -> None:
    swapped, process = half_done(max_batch)
    swapped.fake.drain(process)
    assert_one_swap(swapped.fake)
    assert all(swapped.fake.states.take(p).model_id == NEW for p in range(2))


@pytest.mark.parametrize("n_steps", range(3))
@pytest.mark.parametrize("point", ["before_transaction", "after_transaction", "after_save"])
def test_killed_around_a_swap(point: str, n_steps: int) -> None:
    swapped, process = half_done()
    for _ in range(n_steps):
        process.step()
    process.at[point] = die
    with pytest.raises(Killed):
        swapped.fake.drain(process)
    swapped.fake.kill(process)
    swapped.fake.drain(swapped.fake.process(max_batch=9))
    assert_one_swap(swapped.fake)


def test_an_outage_of_the_store_in_the_swap() -> None:
    swapped, process = half_done()
    process.at["after_save"] = lambda: setattr(swapped.fake.states, "available", False)
    for _ in range(3):
        process.step()
    swapped.fake.states.available = True
    swapped.fake.drain(process)
    assert_one_swap(swapped.fake)


def test_a_rollback_is_a_swap() -> None:
    swapped, process = half_done()
    process.step()
    swapped.publish(5)
    swapped.fake.drain(process)
    for partition, expected in enumerate([[OLD[:12], NEW[:12], OLD[:12]], [OLD[:12]]]):
        models = [model for _, model in by_offset(swapped.fake, partition)]
        assert [model for model, _ in itertools.groupby(models)] == expected
        offsets = [offset for offset, _ in by_offset(swapped.fake, partition)]
        assert len(set(offsets)) == len(offsets) == len(evaluated(partition))
    assert all(swapped.fake.states.take(p).model_id == OLD for p in range(2))
    assert swapped.publications() == 3


def test_a_swap_writes_no_stay() -> None:
    swapped = Swapped()
    process = swapped.fake.process()
    swapped.fake.drain(process)
    before = swapped.fake.stored_stays()
    swapped.publish(6)
    process.step()
    assert all(swapped.fake.states.take(p).model_id == NEW for p in range(2))
    assert swapped.fake.stored_stays() == before


@pytest.mark.parametrize("models", [[(6, 16)], [(6, 8), (5, 8)], [(6, 16), (5, 8), (6, 16)]])
def test_stays_that_were_stored_before_a_swap_go_on_as_those_in_memory(
    models: list[tuple[int, int]],
) -> None:
    """Whoever stays in memory is moved at the swap, whoever is loaded after it is moved then."""
    outcomes = []
    for restarts in (False, True):
        swapped = Swapped()
        fake = swapped.fake
        fake.broker.partitions = [[], []]
        fake.send(EVENTS[:60])
        process = fake.process()
        fake.drain(process)
        for seed, hidden in models:
            swapped.publish(seed, hidden)
            process.step()
        if restarts:
            fake.kill(process)
            process = fake.process()
        fake.send(EVENTS[60:])
        fake.drain(process)
        outcomes.append((fake.outputs_by_patient(), fake.stored_stays()))
    assert outcomes[0] == outcomes[1]


TASK = parse_task(
    {
        "name": "own",
        "outcome": "sepsis",
        "label": {"column": "l"},
        "columns": {"patient": "p", "hour": "h"},
        "variables": {"heart_rate": "hr", "procalcitonin": "pct", "sodium": "na"},
        "new_variables": NEW_VARIABLES,
    },
    "test",
)
FEWER = parse_task(
    TASK.model_dump(exclude_defaults=True)
    | {
        "variables": {"heart_rate": "hr", "sodium": "na"},
        "new_variables": {"sodium": NEW_VARIABLES["sodium"]},
    },
    "test",
)


def with_new_variables(events: list[Event]) -> list[Event]:
    """The same events with values of variables that only some models know."""
    draws = np.random.default_rng(0)
    changed = []
    for partition, key, content in events:
        try:
            fields = json.loads(content or b"")
        except ValueError:
            fields = {}
        if "values" in fields:
            fields["values"]["procalcitonin"] = float(draws.uniform(0, 500))
            fields["values"]["sodium"] = float(draws.uniform(100, 180))
        changed.append((partition, key, json.dumps(fields).encode() if fields else content))
    return changed


@pytest.mark.parametrize(
    "tasks", [[TASK], [TASK, None], [TASK, FEWER], [FEWER, TASK, None]], ids=lambda t: str(len(t))
)
def test_models_of_other_variables_take_over_and_stays_keep_what_both_know(
    tasks: list[Task | None],
) -> None:
    events, outcomes = with_new_variables(EVENTS), []
    for restarts in (False, True):
        swapped = Swapped()
        fake = swapped.fake
        fake.broker.partitions = [[], []]
        fake.send(events[:40])
        process = fake.process()
        fake.drain(process)
        for i, task in enumerate(tasks):
            swapped.publish_bundle(random_bundle(9) if task is None else own_bundle(task, i))
            process.step()
            fake.send(events[40 + 20 * i : 60 + 20 * i])
            fake.drain(process)
        if restarts:
            fake.kill(process)
            process = fake.process()
        fake.send(events[40 + 20 * len(tasks) :])
        fake.drain(process)
        outcomes.append((fake.outputs_by_patient(), fake.stored_stays()))
    assert outcomes[0] == outcomes[1]
    stays = [stay for of_partition in outcomes[0][1].values() for stay in of_partition.values()]
    expected = BUILT_IN if tasks[-1] is None else tasks[-1].table
    assert {variables_of(stay).key for stay in stays} == {expected.key}
    for stay in stays:
        table = StayTable(Architecture(1), variables=expected)
        decode(table, 0, {"p": stay}, Era("", -1))
        assert np.isfinite(table["last_value"][table.slot_of["p"], N_VARIABLES:]).all()


def test_the_same_model_published_again_changes_nothing() -> None:
    swapped = Swapped()
    process = start(swapped)
    swapped.publish(5)
    swapped.fake.drain(process)
    assert_same(swapped.fake, undisturbed())


def test_a_bundle_that_cannot_be_used_leaves_the_model_in_force() -> None:
    swapped = Swapped()
    process = start(swapped)
    swapped.channel.publish("damaged", b"no bundle", 1)
    swapped.fake.drain(process)
    assert_same(swapped.fake, undisturbed())


def test_a_head_comes_and_goes_while_events_flow() -> None:
    heads = [make(balanced(forecasting_model(seed)), {}, "") for seed in (7, 8)]
    after_models = []
    for restarts in (False, True):
        models, channel = library(5)
        fake = FakeService(models, n_partitions=2, interval_ms=0, forecast=True)
        process = fake.process(max_batch=9)
        for part, bundle in enumerate((heads[0], random_bundle(6), heads[1])):
            channel.publish(bundle.model_id, bundle.to_bytes(), part + 1)
            process.step()
            fake.send(EVENTS[40 * part : 40 * (part + 1)])
            if restarts:  # moved in memory, or loaded as another model stored it
                fake.kill(process)
                process = fake.process(max_batch=9)
            fake.drain(process)
        after_models.append(fake.outputs_by_patient())
        risks = fake.messages("risk")
        assert {risk["model"] for risk in risks} >= {head.model_id[:12] for head in heads}
        for risk in risks:
            has_head = risk["model"] in {head.model_id[:12] for head in heads}
            assert ("forecast" in risk) == has_head
    assert after_models[0] == after_models[1]


@pytest.mark.parametrize("error", [StoreSilent("no answer"), StoreUnavailable("refused")])
def test_a_look_that_costs_its_time_out_is_an_outage(
    error: StoreUnavailable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is refused at once keeps the model, and the service speaks on."""
    channel = MemoryModels()
    active = model_swap.ActiveModel(ModelLibrary(channel))
    before = active.model

    def fails() -> None:
        raise error

    monkeypatch.setattr(channel, "champion", fails)
    if isinstance(error, StoreSilent):
        with pytest.raises(StoreSilent):
            active.refresh()
    else:
        active.refresh()
    assert active.model is before
