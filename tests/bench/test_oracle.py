from __future__ import annotations

import pytest

from bench.oracle import Differences, Fold, Said, judge, judge_stays, said, said_rejected, table
from streamer.core.model import Model
from streamer.service.settings import Settings
from tests.support.fake_service import TOPICS, Twins, invented_log, library, stays_in

LIBRARY, _ = library(5)
SETTINGS = Settings(future_limit=-1)
NONE = (0, 0, 0, 0, 0)


def counts(found: Differences) -> tuple[int, int, int, int, int]:
    return found.missing, found.doubled, found.different, found.unexpected, found.disordered


@pytest.fixture(scope="module")
def model() -> Model:
    return LIBRARY.in_force()


@pytest.fixture(scope="module")
def twins() -> Twins:
    """What a worker said and kept of one partition, with nothing happening to it."""
    twins = Twins(LIBRARY, n_partitions=1)
    twins.send(invented_log(seed=2, n_events=400, n_partitions=1))
    twins.drain(twins.process(max_batch=37))
    return twins


@pytest.fixture(scope="module")
def fold(twins: Twins, model: Model) -> tuple[dict[str, dict[str, int]], dict[str, bytes]]:
    """The oracle's messages, by kind and name, and its stays."""
    fold = Fold(model, SETTINGS)
    expected: dict[str, dict[str, int]] = {"risk": {}, "alert": {}, "rejected": {}}
    records = twins.broker.partitions[0]
    for start in range(0, len(records), 50):
        for message in fold.take(records[start : start + 50]):
            expected[message.kind][message.name] = message.digest
    return expected, fold.stays()


@pytest.fixture(scope="module")
def found(twins: Twins) -> dict[str, list[Said]]:
    """What the worker wrote, as the oracle reads it."""
    read: dict[str, list[Said]] = {"risk": [], "alert": [], "rejected": []}
    for output in twins.broker.outputs:
        reader = said_rejected if output.topic == TOPICS.rejected else said
        message = reader(output.key, output.value, output.headers)
        read[message.kind].append(message)
    return read


@pytest.mark.parametrize("kind", ["risk", "alert", "rejected"])
def test_a_service_that_kept_its_promises_has_no_differences(
    fold: tuple[dict[str, dict[str, int]], dict[str, bytes]],
    found: dict[str, list[Said]],
    kind: str,
) -> None:
    result = judge(fold[0][kind], found[kind])
    assert result.expected == len(found[kind]) > 10
    assert counts(result) == NONE, result.examples


@pytest.mark.parametrize("kind", ["risk", "alert", "rejected"])
def test_every_kind_of_difference_is_found(
    fold: tuple[dict[str, dict[str, int]], dict[str, bytes]],
    found: dict[str, list[Said]],
    kind: str,
) -> None:
    expected, right = fold[0][kind], found[kind]
    third = right[3]
    spoiled = {
        "missing": [*right[:3], *right[4:]],
        "doubled": [*right[:4], third, *right[4:]],
        "different": [*right[:3], third._replace(digest=third.digest ^ 1), *right[4:]],
        "unexpected": [*right[:4], third._replace(name=f"{third.name}x"), *right[4:]],
        "disordered": [*right[:3], *right[4:], third],
    }
    for what, messages in spoiled.items():
        result = judge(expected, messages)
        assert counts(result) == tuple(int(name == what) for name in spoiled), what
        assert result.total == 1
        (example,) = result.examples
        assert example.startswith(f"{what}: {third.name}")


def test_a_message_is_its_key_its_value_and_its_headers(twins: Twins) -> None:
    output = twins.broker.outputs[0]
    right = said(output.key, output.value, output.headers)
    assert said(b"another", output.value, output.headers).digest != right.digest
    assert said(output.key, (output.value or b"") + b" ", output.headers).digest != right.digest
    assert said(output.key, output.value, output.headers[:-1]).digest != right.digest
    assert said(output.key, output.value, list(output.headers)) == right


def test_the_stays_are_those_that_the_service_kept(
    twins: Twins, fold: tuple[dict[str, dict[str, int]], dict[str, bytes]], model: Model
) -> None:
    kept = stays_in(twins.states, 0)
    result = judge_stays(fold[1], kept, model)
    assert result.expected == len(kept) > 1
    assert counts(result) == NONE, result.examples


def test_a_stay_that_is_gone_changed_or_too_many_is_found(
    twins: Twins, fold: tuple[dict[str, dict[str, int]], dict[str, bytes]], model: Model
) -> None:
    kept = stays_in(twins.states, 0)
    first, second, *_ = sorted(kept)
    gone = {patient: stay for patient, stay in kept.items() if patient != first}
    assert counts(judge_stays(fold[1], gone, model)) == (1, 0, 0, 0, 0)
    assert counts(judge_stays(fold[1], kept | {"stranger": kept[first]}, model)) == (0, 0, 0, 1, 0)
    swapped = judge_stays(fold[1], kept | {first: kept[second]}, model)
    assert counts(swapped) == (0, 0, 1, 0, 0)
    assert "newest_ms" in swapped.examples[0]
    damaged = judge_stays(fold[1], kept | {first: kept[first][:-1]}, model)
    assert "checksum" in damaged.examples[0]


def test_the_table_has_a_row_for_each_kind() -> None:
    found = {"risk": Differences(expected=1200, doubled=2), "state": Differences(expected=3)}
    assert table(found).splitlines()[2:] == [
        "| risk | 1,200 | 0 | 2 | 0 | 0 | 0 |",
        "| state | 3 | 0 | 0 | 0 | 0 | 0 |",
    ]
