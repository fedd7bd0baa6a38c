"""The canary on a whole service in memory: what it finds, and what nobody sees of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest

from streamer.adapters.memory.canary import MemoryCanaryLog
from streamer.bundles.acceptance import Trust
from streamer.canary.goldens import GRACE_S, Goldens
from streamer.canary.process import LOOK_S, SILENT_S, CanaryProcess
from streamer.canary.series import Series
from streamer.canary.watch import Verdict, Watch
from streamer.core.lstm_network import Network
from streamer.service import metrics, model_swap
from streamer.service.models import ModelLibrary
from tests.support.canaries import golden
from tests.support.fake_service import TOPICS, FakeProcess, FakeService, event, library
from tests.support.small_models import random_bundle

SEED = 3
PERIOD_S, LATE_S = 60.0, 10.0
BEGAN_S = 1_700_000_000.0  # the clock of the broker in memory begins here
WARD = (TOPICS.risk, TOPICS.alerts, TOPICS.stays, TOPICS.outcomes, TOPICS.rejected)


class Chain:
    """A service of three partitions and a canary, a second at a time."""

    def __init__(
        self, instance: str = "i", fake: FakeService | None = None, n_partitions: int = 3
    ) -> None:
        golden(SEED)  # an untrained model that alerts
        models, self.channel = library(SEED)
        self.fake = fake or FakeService(models, n_partitions)
        self.log = MemoryCanaryLog(self.fake.broker, TOPICS.risk_canary, TOPICS.alerts_canary)
        self.log.clock_ms = lambda: round(self.wall_s * 1000)
        self.skew_s = 0.0
        self.series = Series()
        self.verdicts: list[Verdict] = []
        self.now_s = 0.0
        reader = ModelLibrary(self.channel, Trust(allow_unsigned=True))
        self.canary = CanaryProcess(
            self.log,
            Goldens(reader, self.fake.interval_ms),
            Watch(instance, PERIOD_S, LATE_S),
            self.series,
            self.verdicts.append,
            clock=lambda: self.now_s,
            wall=lambda: self.wall_s + self.skew_s,
        )
        self.services: list[FakeProcess] = []

    @property
    def wall_s(self) -> float:
        return BEGAN_S + self.now_s

    def run(self, seconds: int, step_s: int = 1) -> Counter[tuple[int, str]]:
        """Lets seconds pass; returns how many canaries ended how, by partition."""
        self.verdicts.clear()
        for _ in range(0, seconds, step_s):
            self.now_s += step_s
            self.canary.step()
            for service in self.services:
                service.step()
                service.step()
            self.canary.step()
        return Counter((v.partition, str(v.outcome)) for v in self.verdicts)

    def figure(self, name: str, **labels: str) -> float | None:
        return self.series.registry.get_sample_value(name, labels)


@pytest.fixture
def chain() -> Chain:
    chain = Chain()
    chain.services.append(chain.fake.process())
    chain.run(5)
    return chain


def ok(partitions: range, n: int) -> dict[tuple[int, str], int]:
    return {(partition, "ok"): n for partition in partitions}


def test_all_is_well_and_nobody_sees_anything(chain: Chain) -> None:
    counted = [metrics.RISKS, metrics.NEW_PATIENTS.labels("0")]
    before = [figure._value.get() for figure in counted]
    started = metrics.ALERTS.labels("start", "medium")._value.get()
    assert chain.run(600) == ok(range(3), 10)
    assert chain.canary.reasons == []
    assert not [output.topic for output in chain.fake.broker.outputs if output.topic in WARD]
    chain.fake.drain(*chain.services)
    assert not any(chain.fake.stored_stays().values())
    assert not chain.fake.states._home_partitions
    assert not len(chain.services[0].worker.cache)
    assert [figure._value.get() for figure in counted] == before
    assert metrics.ALERTS.labels("start", "medium")._value.get() == started
    for partition in "012":
        assert chain.figure("vigil_canary_total", partition=partition, outcome="ok") == 10 + (
            partition == "0"
        )
        assert chain.figure("vigil_canary_total", partition=partition, outcome="lost") == 0
    for step in ("risk", "start", "end"):
        assert chain.figure("vigil_canary_seconds_count", step=step) == 31


@pytest.mark.parametrize("name", ["second.weight", "lstm.weight_hh_l0", "glance_head"])
def test_another_weight_than_the_bundles_is_wrong(chain: Chain, name: str) -> None:
    (scorer,) = chain.services[0].worker.cache.scorers.values()
    weights = scorer.model.network.weights
    assert name in weights
    changed = weights[name].copy()
    changed.flat[int(np.abs(changed).argmax())] *= 0.9
    network = Network(scorer.model.network.architecture, {**weights, name: changed})
    scorer.model.network = network  # the id is still the bundle's
    ended = chain.run(2 * int(PERIOD_S))
    assert ended == {(partition, "wrong"): 2 for partition in range(3)}
    assert "risk of hour" in chain.verdicts[0].why


def test_alerts_that_nobody_hears_are_lost(chain: Chain) -> None:
    chain.log.deaf_to = TOPICS.alerts_canary
    ended = chain.run(2 * int(PERIOD_S) + 2)
    assert set(ended) == {(partition, "lost") for partition in range(3)}
    assert {verdict.why for verdict in chain.verdicts} == {"not heard: start, end"}
    assert chain.figure("vigil_canary_seconds_count", step="risk"), "what was heard is measured"


def test_a_partition_that_nobody_reads_is_found_and_named() -> None:
    chain = Chain()
    chain.services += [chain.fake.process(), chain.fake.process()]
    chain.run(70)
    frozen = chain.services.pop()  # still in the group: its partitions have no other owner
    assert frozen.worker._ownership.owned.keys() == {1}
    ended = chain.run(120)
    assert ended[1, "lost"] >= 1, "within two minutes"
    assert {kind for kind in ended if kind[0] != 1} == {(0, "ok"), (2, "ok")}
    chain.run(int(SILENT_S))
    (reason,) = chain.canary.reasons
    assert "partition 1" in reason
    last = {p: chain.series.last_success[p] for p in range(3)}
    assert chain.wall_s - last[1] > SILENT_S > chain.wall_s - last[0]
    chain.services.append(frozen)
    chain.run(int(PERIOD_S) + 5)
    assert chain.canary.reasons == []


def test_a_partition_that_was_never_heard_is_silent_since_the_canary_began() -> None:
    chain = Chain()
    chain.run(5)
    for partition in "012":
        began_s = chain.figure("vigil_canary_last_success_timestamp_seconds", partition=partition)
        assert began_s is not None
        assert BEGAN_S < began_s <= chain.wall_s, "a rule needs a series to see that it stands"
    chain.run(int(SILENT_S))
    assert len(chain.canary.reasons) == 3


def test_a_refused_partition_is_lost_and_the_others_are_not(chain: Chain) -> None:
    end = len(chain.fake.broker.partitions[2])
    chain.fake.broker.damaged.add((2, end))
    ended = chain.run(3 * int(PERIOD_S))
    assert ended[2, "lost"] >= 2
    assert {kind for kind in ended if kind[0] != 2} == {(0, "ok"), (1, "ok")}


def test_a_service_whose_store_is_away_is_late(chain: Chain) -> None:
    chain.fake.states.available = False
    chain.run(int(PERIOD_S) - 5)  # one of each partition was sent
    chain.fake.states.available = True
    ended = chain.run(5)
    assert sum(n for (_, outcome), n in ended.items() if outcome == "late") >= 2
    assert {outcome for _, outcome in ended} <= {"late", "ok"}
    assert chain.canary.reasons == [], "late is heard, too"


def test_kafka_that_is_away_loses_canaries_and_ends_nothing(chain: Chain) -> None:
    chain.log.available = False
    ended = chain.run(2 * int(PERIOD_S) + 2)
    assert set(ended) == {(partition, "lost") for partition in range(3)}
    chain.log.available = True
    chain.run(int(PERIOD_S))
    ended = chain.run(int(PERIOD_S))
    assert set(ended) == {(partition, "ok") for partition in range(3)}


def test_a_swap_is_no_fault_and_who_does_not_follow_it_is_one(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_swap, "REFRESH_S", -1.0)  # services look in each round
    following, left_behind = chain, Chain()
    left_behind.services.append(left_behind.fake.process())
    left_behind.run(5)
    in_force = left_behind.fake.library.in_force()
    other = random_bundle(5)
    for each in (following, left_behind):
        each.channel.publish(other.model_id, other.to_bytes(), 1)
    monkeypatch.setattr(left_behind.fake.library, "in_force", lambda **_: in_force)
    assert following.run(180) == ok(range(3), 3)
    ended = left_behind.run(int(GRACE_S) - 5)
    assert {outcome for _, outcome in ended} == {"ok"}, "a service has a minute to follow"
    left_behind.run(int(LOOK_S) + 5)
    ended = left_behind.run(int(PERIOD_S))
    assert {outcome for _, outcome in ended} == {"wrong"}
    assert "not in force" in left_behind.verdicts[0].why


def test_a_topic_of_another_width_is_found(chain: Chain) -> None:
    broker = chain.fake.broker
    chain.log.canary_width = 3
    broker.add_partition()
    ended = chain.run(3 * int(PERIOD_S))
    assert {partition for partition, outcome in ended if outcome == "lost"} == {0, 1, 2, 3}
    assert chain.services[0].worker.blocked.keys() == {0, 1, 2, 3}, "the service refuses it"
    assert not broker.partitions[3], "who cannot be answered would stop the patients of a partition"
    assert "Add partitions" in next(v.why for v in chain.verdicts if v.partition == 3)


@pytest.mark.parametrize(
    ("skew_s", "outcomes"), [(-86_400, {"ok"}), (240, {"ok"}), (1800, {"lost", "wrong"})]
)
def test_a_clock_that_is_off(chain: Chain, skew_s: float, outcomes: set[str]) -> None:
    chain.skew_s = skew_s
    ended = chain.run(2 * int(PERIOD_S) + 5)
    assert {outcome for _, outcome in ended} == outcomes


def test_two_canaries_do_not_hear_each_other(chain: Chain) -> None:
    other = Chain("j", chain.fake)
    other.now_s = chain.now_s
    run: list[Callable[[], bool]] = [chain.canary.step, other.canary.step]
    for _ in range(130):
        chain.now_s += 1
        other.now_s += 1
        for step in run:
            step()
        chain.services[0].step()
        chain.services[0].step()
    for each in (chain, other):
        assert {str(verdict.outcome) for verdict in each.verdicts} == {"ok"}
        assert each.canary._strangers == 0


def test_two_canaries_of_one_name_are_noticed(chain: Chain) -> None:
    twin = Chain("i", chain.fake)
    twin.now_s = chain.now_s + 7
    for _ in range(60):
        chain.now_s += 1
        twin.now_s += 1
        chain.canary.step()
        twin.canary.step()
        chain.services[0].step()
        chain.services[0].step()
    chain.run(int(LOOK_S) + 1)
    assert "STREAMER_INSTANCE" in chain.canary._noted["name"]


def test_patients_are_watched_beside_canaries(chain: Chain) -> None:
    chain.fake.send([event(0, "p", minute, values={"heart_rate": 80}) for minute in range(3)])
    assert chain.run(60)[0, "ok"] == 1
    assert {m["patient_id"] for m in chain.fake.messages(TOPICS.risk)} == {"p"}


def test_forged_canaries_and_test_data_are_rejected_and_score_nothing(chain: Chain) -> None:
    chain.log.widths()  # what is heard from here on
    content = {"values": {"heart_rate": 80}}
    chain.fake.send(
        [
            event(0, "~canary/i/0/0", 0, **content),
            event(1, "p", 0, processing="T", **content),
            event(2, "q", 0, processing="D", type="admission"),
        ]
    )
    before = len(chain.fake.broker.outputs)
    chain.fake.drain(*chain.services)
    outputs = chain.fake.broker.outputs[before:]
    assert {output.topic for output in outputs} == {TOPICS.rejected}
    assert [dict(output.headers)["reason"] for output in outputs] == [
        b"bad_patient", b"test_data", b"test_data",
    ]  # fmt: skip
    assert not any(chain.fake.stored_stays().values())


def test_an_hour_of_canaries_leaves_nothing() -> None:
    chain = Chain(n_partitions=1)
    chain.services.append(chain.fake.process())
    chain.fake.send([event(0, "p", 0, values={"heart_rate": 80})])
    chain.run(3600, step_s=30)
    assert chain.figure("vigil_canary_total", partition="0", outcome="ok") == 60
    chain.fake.drain(*chain.services)
    assert chain.fake.stored_stays()[0].keys() == {"p"}
    assert [patient for _, patient in chain.fake.states._home_partitions] == ["p"]
    assert len(chain.services[0].worker.cache) == 1
    assert len(chain.canary._watch._ended) < 20, "nor does it pile up in the canary"
