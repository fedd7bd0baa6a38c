"""The oracle agrees with a fault-free service and reports every kind of difference."""

from __future__ import annotations

import pytest

from bench.oracle import (
    KINDS,
    Differences,
    Fold,
    MessageDigest,
    compare_messages,
    compare_stays,
    message_digest,
    rejected_digest,
    table,
)
from streamer.core.model import Model
from streamer.service.settings import Settings
from tests.support.fake_service import TOPICS, FakeService, library, random_log, stays_in

LIBRARY, _ = library(5)
SETTINGS = Settings(future_limit=-1)
NONE = (0, 0, 0, 0, 0)


def counts(result: Differences) -> tuple[int, int, int, int, int]:
    return (
        result.missing, result.doubled, result.different, result.unexpected, result.disordered,
    )  # fmt: skip


@pytest.fixture(scope="module")
def model() -> Model:
    return LIBRARY.in_force()


@pytest.fixture(scope="module")
def fake() -> FakeService:
    """A service whose worker has taken one partition without any fault."""
    fake = FakeService(LIBRARY, n_partitions=1)
    fake.send(random_log(seed=2, n_events=400, n_partitions=1))
    fake.drain(fake.process(max_batch=37))
    return fake


@pytest.fixture(scope="module")
def fold(fake: FakeService, model: Model) -> tuple[dict[str, dict[str, int]], dict[str, bytes]]:
    """The oracle's messages, by kind and name, and its stays."""
    fold = Fold(model, SETTINGS)
    expected: dict[str, dict[str, int]] = {kind: {} for kind in KINDS}
    records = fake.broker.partitions[0]
    for start in range(0, len(records), 50):
        for message in fold.take(records[start : start + 50]):
            expected[message.kind][message.name] = message.digest
    return expected, fold.stays()


@pytest.fixture(scope="module")
def written(fake: FakeService) -> dict[str, list[MessageDigest]]:
    """The worker's messages, as the oracle reads them."""
    read: dict[str, list[MessageDigest]] = {kind: [] for kind in KINDS}
    for output in fake.broker.outputs:
        reader = rejected_digest if output.topic == TOPICS.rejected else message_digest
        message = reader(output.key, output.value, output.headers)
        read[message.kind].append(message)
    return read


@pytest.mark.parametrize("kind", ["risk", "alert", "stay", "rejected"])
def test_a_service_without_faults_has_no_differences(
    fold: tuple[dict[str, dict[str, int]], dict[str, bytes]],
    written: dict[str, list[MessageDigest]],
    kind: str,
) -> None:
    result = compare_messages(fold[0][kind], written[kind])
    assert result.expected == len(written[kind]) > 10
    assert counts(result) == NONE, result.examples


@pytest.mark.parametrize("kind", ["risk", "alert", "rejected"])
def test_every_kind_of_difference_is_counted(
    fold: tuple[dict[str, dict[str, int]], dict[str, bytes]],
    written: dict[str, list[MessageDigest]],
    kind: str,
) -> None:
    expected, right = fold[0][kind], written[kind]
    third = right[3]
    spoiled = {
        "missing": [*right[:3], *right[4:]],
        "doubled": [*right[:4], third, *right[4:]],
        "different": [*right[:3], third._replace(digest=third.digest ^ 1), *right[4:]],
        "unexpected": [*right[:4], third._replace(name=f"{third.name}x"), *right[4:]],
        "disordered": [*right[:3], *right[4:], third],
    }
    for difference, messages in spoiled.items():
        result = compare_messages(expected, messages)
        assert counts(result) == tuple(int(name == difference) for name in spoiled), difference
        assert result.total == 1
        (example,) = result.examples
        assert example.startswith(f"{difference}: {third.name}")


def test_a_message_is_its_key_its_value_and_its_headers(fake: FakeService) -> None:
    output = fake.broker.outputs[0]
    right = message_digest(output.key, output.value, output.headers)
    assert message_digest(b"another", output.value, output.headers).digest != right.digest
    assert (
        message_digest(output.key, (output.value or b"") + b" ", output.headers).digest
        != right.digest
    )
    assert message_digest(output.key, output.value, output.headers[:-1]).digest != right.digest
    assert message_digest(output.key, output.value, list(output.headers)) == right


def test_the_stays_equal_the_stored_ones(
    fake: FakeService, fold: tuple[dict[str, dict[str, int]], dict[str, bytes]], model: Model
) -> None:
    kept = stays_in(fake.states, 0)
    result = compare_stays(fold[1], kept, model)
    assert result.expected == len(kept) > 1
    assert counts(result) == NONE, result.examples


def test_a_missing_changed_or_unexpected_stay_is_counted(
    fake: FakeService, fold: tuple[dict[str, dict[str, int]], dict[str, bytes]], model: Model
) -> None:
    kept = stays_in(fake.states, 0)
    first, second, *_ = sorted(kept)
    gone = {patient: stay for patient, stay in kept.items() if patient != first}
    assert counts(compare_stays(fold[1], gone, model)) == (1, 0, 0, 0, 0)
    assert counts(compare_stays(fold[1], kept | {"stranger": kept[first]}, model)) == (
        0,
        0,
        0,
        1,
        0,
    )
    swapped = compare_stays(fold[1], kept | {first: kept[second]}, model)
    assert counts(swapped) == (0, 0, 1, 0, 0)
    assert "newest_ms" in swapped.examples[0]
    damaged = compare_stays(fold[1], kept | {first: kept[first][:-1]}, model)
    assert "checksum" in damaged.examples[0]


def test_the_table_has_a_row_for_each_kind() -> None:
    by_kind = {"risk": Differences(expected=1200, doubled=2), "state": Differences(expected=3)}
    assert table(by_kind).splitlines()[2:] == [
        "| risk | 1,200 | 0 | 2 | 0 | 0 | 0 |",
        "| state | 3 | 0 | 0 | 0 | 0 | 0 |",
    ]
