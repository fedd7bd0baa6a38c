from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace

import pytest

from streamer.adapters.memory.states import MemoryStates
from streamer.adapters.redis import states
from streamer.adapters.redis.client import Client, connect
from streamer.adapters.redis.states import RedisStates
from streamer.ports.states import Fenced, HomesLost, Lease, StateStore, StateWrite, StoreUnavailable
from tests.support.fake_service import stays_in
from tests.support.redis_servers import SERVERS, redis_run_by

# Names that a careless store would take for something else, and what a patient id may be at most.
ODD_PATIENTS = ("__wm__", "__epoch__", "p:", "", "a b\tc\n", "{x}", "😀" * 128, "é" * 128, "\x00")


def save_of(
    taken: Lease, watermark: int, changed: dict[str, bytes], partition: int = 0
) -> StateWrite:
    """The next save of an owner who has just taken a partition."""
    return StateWrite(
        partition, taken.epoch, taken.watermark, watermark, "model-a", 3, "topic-a", changed
    )  # fmt: skip


def account(taken: Lease) -> tuple[int | None, str | None, int, str | None]:
    """A lease without its epoch, of which only the order counts."""
    return taken.watermark, taken.model_id, taken.swaps, taken.log_id


@pytest.fixture(scope="module", params=[*SERVERS, "redis_sentinel", "redis_cluster"])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    """A Redis of each form: run by each server that is there, behind a Sentinel, a Cluster."""
    if request.param in SERVERS:
        with redis_run_by(request.param) as running:
            yield running.redis
    else:
        yield request.getfixturevalue(request.param).url


class Contract:
    """What both adapters of the port promise."""

    @pytest.fixture
    def store(self) -> StateStore:
        raise NotImplementedError

    def test_a_new_partition_has_nothing(self, store: StateStore) -> None:
        assert account(store.take(0)) == (None, None, 0, None)
        assert stays_in(store, 0) == {}

    def test_saved_states_are_there_for_the_next_owner(self, store: StateStore) -> None:
        stays = {"a": bytes(range(256)), "b": b""}
        store.save([save_of(store.take(0), 17, stays)])
        assert account(store.take(0)) == (17, "model-a", 3, "topic-a")
        assert stays_in(store, 0) == stays

    def test_partitions_are_apart(self, store: StateStore) -> None:
        changes = [save_of(store.take(p), 10 + p, {"a": bytes([p])}, p) for p in (0, 1, 11)]
        store.save(changes)
        for p in (0, 1, 11):
            assert (store.take(p).watermark, stays_in(store, p)) == (10 + p, {"a": bytes([p])})

    def test_an_owner_before_the_last_one_is_fenced(self, store: StateStore) -> None:
        before = store.take(0)
        after = store.take(0)
        with pytest.raises(Fenced, match="0"):
            store.save([save_of(before, 5, {"a": b"old"})])
        assert stays_in(store, 0) == {}
        store.save([save_of(after, 5, {"a": b"new"})])
        assert stays_in(store, 0) == {"a": b"new"}

    def test_an_epoch_that_no_owner_has_is_fenced(self, store: StateStore) -> None:
        with pytest.raises(Fenced):
            store.save([save_of(Lease(1, None, None, 0, None), 5, {"a": b"x"})])
        assert stays_in(store, 0) == {}

    @pytest.mark.parametrize("expected", [None, 0, 4, 6, 50])
    def test_another_watermark_than_expected_is_fenced(
        self, store: StateStore, expected: int | None
    ) -> None:
        taken = store.take(0)
        first = save_of(taken, 5, {"a": b"first"})
        store.save([first])
        with pytest.raises(Fenced):
            store.save([replace(first, expected=expected, watermark=9, changed={"a": b"no"})])
        assert stays_in(store, 0) == {"a": b"first"}
        assert store.take(0).watermark == 5

    def test_a_first_save_may_not_expect_a_watermark(self, store: StateStore) -> None:
        with pytest.raises(Fenced):
            store.save([replace(save_of(store.take(0), 5, {"a": b"x"}), expected=0)])
        assert stays_in(store, 0) == {}

    def test_a_save_whose_answer_was_lost_may_be_sent_again(self, store: StateStore) -> None:
        first = save_of(store.take(0), 5, {"a": b"1"})
        second = replace(first, expected=5, watermark=9, changed={"a": b"2"})
        for change in (first, first, second, second):
            store.save([change])
        assert stays_in(store, 0) == {"a": b"2"}
        assert store.take(0).watermark == 9

    def test_stays_that_are_restored_have_no_watermark_until_they_are_whole(
        self, store: StateStore
    ) -> None:
        whole = save_of(store.take(0), 5, {"a": b"1", "left": b"x"})
        store.save([whole])
        begun = replace(whole, expected=5, watermark=None, changed={}, removed=["left"])
        store.save([begun])
        store.save([replace(begun, expected=None, changed={"a": b"2"}, removed=[])])
        with pytest.raises(Fenced):
            store.save([replace(whole, expected=5, watermark=9)])
        assert store.fetch(0, whole.epoch, None, ["a", "left"]) == {"a": b"2"}
        assert store.take(0).watermark is None
        store.save([save_of(store.take(0), 9, {"b": b"3"})])
        assert account(store.take(0)) == (9, "model-a", 3, "topic-a")
        assert stays_in(store, 0) == {"a": b"2", "b": b"3"}

    def test_the_same_watermark_may_have_new_states(self, store: StateStore) -> None:
        first = save_of(store.take(0), 5, {"a": b"1"})
        store.save([first])
        store.save([replace(first, expected=5, model_id="model-b", swaps=4, changed={"a": b"2"})])
        assert stays_in(store, 0) == {"a": b"2"}
        assert account(store.take(0)) == (5, "model-b", 4, "topic-a")

    def test_a_refused_change_changes_nothing_and_the_others_go_through(
        self, store: StateStore
    ) -> None:
        first = save_of(store.take(0), 5, {"a": b"1", "b": b"1"})
        second = save_of(store.take(1), 5, {"c": b"1"}, 1)
        store.save([first, second])
        store.take(0)
        again = replace(
            first, expected=5, watermark=8, changed={"a": b"2", "d": b"2"}, removed=["b"]
        )
        other = replace(second, expected=5, watermark=8, changed={"c": b"2"})
        with pytest.raises(Fenced):
            store.save([again, other])
        assert stays_in(store, 0) == {"a": b"1", "b": b"1"}
        assert stays_in(store, 1) == {"c": b"2"}
        assert store.take(0).watermark == 5
        assert store.take(1).watermark == 8

    def test_removed_patients_are_gone(self, store: StateStore) -> None:
        first = save_of(store.take(0), 5, {"a": b"1", "b": b"1", "c": b"1"})
        store.save([first])
        store.save(
            [replace(first, expected=5, watermark=6, changed={"b": b"2"}, removed=["a", "never"])]
        )
        assert stays_in(store, 0) == {"b": b"2", "c": b"1"}

    def test_a_save_without_stays_moves_the_watermark(self, store: StateStore) -> None:
        store.save([save_of(store.take(0), 3, {})])
        assert account(store.take(0)) == (3, "model-a", 3, "topic-a")
        assert stays_in(store, 0) == {}

    def test_nothing_to_save_is_fine(self, store: StateStore) -> None:
        store.save([])
        assert account(store.take(0)) == (None, None, 0, None)

    def test_epochs_rise(self, store: StateStore) -> None:
        epochs = [store.take(0).epoch for _ in range(20)]
        assert epochs == sorted(set(epochs))
        assert epochs[0] > 0

    def test_20000_stays_in_one_save(self, store: StateStore) -> None:
        stays = {f"patient-{i}": i.to_bytes(4, "big") * 8 for i in range(20_000)}
        first = save_of(store.take(0), 5, stays)
        store.save([first])
        assert stays_in(store, 0) == stays
        store.save([replace(first, expected=5, watermark=6, changed={}, removed=list(stays)[1:])])
        assert stays_in(store, 0) == {"patient-0": stays["patient-0"]}

    def test_odd_names_are_patients_like_others(self, store: StateStore) -> None:
        stays = {patient: f"stay of {patient}".encode() for patient in ODD_PATIENTS}
        store.save([save_of(store.take(0), 7, stays)])
        assert stays_in(store, 0) == stays
        assert account(store.take(0)) == (7, "model-a", 3, "topic-a")
        for patient in ODD_PATIENTS:
            assert store.find(patient, [0]) == (0, stays[patient])

    def test_the_first_partition_of_a_patient_is_the_home_partition(
        self, store: StateStore
    ) -> None:
        assert store.claim_partition("topic-a", 0, 1, ["a", *ODD_PATIENTS]) == {}
        assert store.claim_partition("topic-a", 1, 1, ["a", "b", *ODD_PATIENTS]) == dict.fromkeys(
            ("a", *ODD_PATIENTS), 0
        )
        assert store.claim_partition("topic-a", 0, 1, ["a", "b"]) == {"b": 1}
        assert store.claim_partition("topic-a", 1, 1, []) == {}

    def test_each_topic_has_home_partitions_of_its_own(self, store: StateStore) -> None:
        assert store.claim_partition("topic-a", 0, 1, ["a"]) == {}
        assert store.claim_partition("topic-b", 1, 1, ["a"]) == {}
        store.save([replace(save_of(store.take(0), 5, {}), removed=["a"])])
        assert store.claim_partition("topic-a", 2, 1, ["a"]) == {}
        assert store.claim_partition("topic-b", 2, 1, ["a"]) == {"a": 1}

    def test_nobody_new_gets_a_home_while_others_may_lack_theirs(self, store: StateStore) -> None:
        store.claim_partition("topic-a", 0, 1, ["a"])
        assert store.claim_partition("topic-a", 1, 1, ["a"], are_new=True) == {"a": 0}
        with pytest.raises(HomesLost):
            store.claim_partition("topic-a", 1, 1, ["a", "b"], are_new=True)
        store.complete_homes("topic-a")
        assert store.claim_partition("topic-a", 1, 1, ["a", "b"], are_new=True) == {"a": 0}

    def test_many_patients_are_claimed_at_once(self, store: StateStore) -> None:
        patients = [f"p{i}" for i in range(5_000)]
        assert store.claim_partition("topic-a", 3, 1, patients) == {}
        assert store.claim_partition("topic-a", 4, 1, patients) == dict.fromkeys(patients, 3)
        store.save([replace(save_of(store.take(3), 5, {}, 3), removed=patients[1:])])
        assert store.claim_partition("topic-a", 4, 1, patients) == {"p0": 3}

    def test_a_patient_without_a_stay_has_no_home_partition(self, store: StateStore) -> None:
        store.claim_partition("topic-a", 0, 1, ["a", "b"])
        store.claim_partition("topic-a", 1, 1, ["c"])
        first = save_of(store.take(0), 5, {"a": b"1", "b": b"1"})
        store.save([first])
        after = replace(first, expected=5, watermark=6, changed={}, removed=["a", "c", "never"])
        store.save([after])
        assert store.claim_partition("topic-a", 2, 1, ["a", "b", "c"]) == {"b": 0, "c": 1}

    def test_a_fenced_owner_removes_no_home_partition(self, store: StateStore) -> None:
        store.claim_partition("topic-a", 0, 1, ["a"])
        before = save_of(store.take(0), 5, {})
        store.take(0)
        with pytest.raises(Fenced):
            store.save([replace(before, removed=["a"])])
        assert store.claim_partition("topic-a", 1, 1, ["a"]) == {"a": 0}

    def test_pages_hold_every_stay(self, store: StateStore) -> None:
        stays = {f"patient-{i}": i.to_bytes(4, "big") for i in range(3_000)}
        store.save([save_of(store.take(0), 5, stays)])
        pages = list(store.pages(0))
        assert len(pages) > 1
        assert {patient: stay for page in pages for patient, stay in page.items()} == stays
        assert not any(page for page in store.pages(1))

    def test_an_owner_fetches_what_it_asks_for(self, store: StateStore) -> None:
        stays = {patient: f"stay of {patient}".encode() for patient in ODD_PATIENTS}
        taken = store.take(0)
        store.save([save_of(taken, 7, stays)])
        assert store.fetch(0, taken.epoch, 7, [*ODD_PATIENTS, "nobody"]) == stays
        assert store.fetch(0, taken.epoch, 7, ["a b\tc\n"]) == {"a b\tc\n": stays["a b\tc\n"]}
        assert store.fetch(0, taken.epoch, 7, []) == {}
        assert store.fetch(1, store.take(1).epoch, None, ["nobody"]) == {}

    @pytest.mark.parametrize(("later", "watermark"), [(1, 7), (-1, 7), (0, 6), (0, None)])
    def test_a_fetch_of_another_owner_is_fenced(
        self, store: StateStore, later: int, watermark: int | None
    ) -> None:
        taken = store.take(0)
        store.save([save_of(taken, 7, {"a": b"1"})])
        with pytest.raises(Fenced):
            store.fetch(0, taken.epoch + later, watermark, ["a"])

    def test_the_first_width_of_a_topic_is_kept(self, store: StateStore) -> None:
        assert store.first_width("topic-a", 8) == 8
        assert store.first_width("topic-a", 9) == 8
        assert store.first_width("topic-b", 9) == 9

    def test_find_returns_partition_and_stay_of_a_patient(self, store: StateStore) -> None:
        store.save([save_of(store.take(p), 1, {f"p{p}": bytes([p])}, p) for p in range(3)])
        assert store.find("p2", range(3)) == (2, b"\2")
        assert store.find("p2", range(2)) is None
        assert store.find("nobody", range(3)) is None
        assert store.find("p0", []) is None


class TestMemoryStates(Contract):
    @pytest.fixture
    def store(self) -> StateStore:
        return MemoryStates()

    def test_an_outage(self) -> None:
        store = MemoryStates()
        change = save_of(store.take(0), 5, {"a": b"1"})
        store.available = False
        check_outage(store, change)
        store.available = True
        store.save([change])
        assert stays_in(store, 0) == {"a": b"1"}


@pytest.mark.integration
class TestRedisStates(Contract):
    @pytest.fixture
    def client(self, url: str) -> Iterator[Client]:
        with contextlib.closing(connect(url, timeout_s=10)) as client:
            yield client

    @pytest.fixture
    def store(self, client: Client, topic_prefix: str) -> StateStore:
        return RedisStates(client, topic_prefix, "vitals")

    def test_namespaces_and_topics_are_apart(self, client: Client, topic_prefix: str) -> None:
        names = [("a", "vitals"), ("b", "vitals"), ("a", "others")]
        for namespace, topic in names:
            store = RedisStates(client, topic_prefix + namespace, topic)
            taken = store.take(0)
            assert account(taken) == (None, None, 0, None)
            store.save([save_of(taken, 5, {"a": b"1"})])

    def test_a_patient_who_left_and_came_back_in_one_save_keeps_the_home_partition(
        self, store: StateStore
    ) -> None:
        taken = store.take(0)
        store.claim_partition("topic-a", 0, taken.epoch, ["a", "b"])
        first = save_of(taken, 5, {"a": b"1", "b": b"1"})
        gone = replace(first, expected=5, watermark=6, changed={}, removed=["a", "b"])
        back = replace(first, expected=6, watermark=7, changed={"a": b"2"})
        store.save([first, gone, back])
        assert store.claim_partition("topic-a", 1, 1, ["a", "b"]) == {"a": 0}

    def test_a_late_owner_ends_no_home_that_a_later_one_has_claimed(
        self, store: RedisStates
    ) -> None:
        taken = store.take(0)
        store.claim_partition("topic-a", 0, taken.epoch, ["a", "b"])
        first = save_of(taken, 5, {"a": b"1", "b": b"1"})
        store.save([first])
        gone = replace(first, expected=5, watermark=6, changed={}, removed=["a", "b"])
        later = store.take(0)  # between the states and the homes of the save
        store.claim_partition("topic-a", 0, later.epoch, ["a"])
        store._leave([gone])
        assert store.claim_partition("topic-a", 1, 1, ["a", "b"]) == {"a": 0}

    def test_homes_of_the_form_before_hold_and_end(
        self, store: StateStore, client: Client, topic_prefix: str
    ) -> None:
        former = f"{topic_prefix}:homes:{{vitals}}:topic-a"
        client.hset(former, mapping={"a": "0", "b": "0", "c": "7"})
        taken = store.take(0)
        assert store.claim_partition("topic-a", 0, taken.epoch, ["a", "c"]) == {"c": 7}
        assert store.claim_partition("topic-a", 1, 1, ["a", "b"]) == {"a": 0, "b": 0}
        store.save([replace(save_of(taken, 5, {}), removed=["a", "b", "c"])])
        assert store.claim_partition("topic-a", 1, 1, ["a", "b", "c"]) == {"c": 7}
        client.delete(former)

    def test_an_epoch_rises_even_if_the_states_were_deleted(
        self, store: RedisStates, client: Client
    ) -> None:
        before = store.take(0)
        store.claim_partition("topic-a", 0, before.epoch, ["a"])
        client.delete(store.key(0))
        after = store.take(0)
        assert after.epoch > before.epoch
        store.save([replace(save_of(after, 5, {}), removed=["a"])])
        assert store.claim_partition("topic-a", 1, 1, ["a"]) == {}

    def test_wiped_states_are_fenced_and_then_absent(
        self, store: RedisStates, client: Client
    ) -> None:
        first = save_of(store.take(0), 5, {"a": b"1"})
        store.save([first])
        client.delete(store.key(0))
        with pytest.raises(Fenced, match="epoch none"):
            store.save([replace(first, expected=5, watermark=6)])
        assert store.take(0).watermark is None

    def test_saves_too_large_for_one_round_trip_take_several(
        self, store: StateStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(states, "_SENT_BYTES", 100)
        taken = [store.take(p) for p in range(5)]
        fenced = store.take(1)
        changes = [save_of(taken[p], 5, {"a": bytes(60)}, p) for p in range(5)]
        with pytest.raises(Fenced, match="partition 1 "):
            store.save(changes)
        assert [len(stays_in(store, p)) for p in range(5)] == [1, 0, 1, 1, 1]
        store.save([save_of(fenced, 5, {"a": bytes(60)}, 1)])

    def test_a_script_that_redis_forgot_is_loaded_again(
        self, store: RedisStates, client: Client
    ) -> None:
        first = save_of(store.take(0), 5, {"a": b"1"})
        store.save([first])
        client.script_flush()
        store.save([replace(first, expected=5, watermark=6)])
        assert store.take(0).watermark == 6


def check_outage(store: StateStore, change: StateWrite) -> None:
    """Every question to a store that is away raises the one error that may be tried again."""
    with pytest.raises(StoreUnavailable):
        store.take(0)
    with pytest.raises(StoreUnavailable):
        store.first_width("topic-a", 8)
    with pytest.raises(StoreUnavailable):
        list(store.pages(0))
    with pytest.raises(StoreUnavailable):
        store.fetch(0, 1, 5, ["a"])
    with pytest.raises(StoreUnavailable):
        store.save([change])
    with pytest.raises(StoreUnavailable):
        store.find("a", [0])
