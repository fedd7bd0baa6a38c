from __future__ import annotations

from collections import Counter

import pytest

from streamer.core.codec import Era
from streamer.core.columns import decode
from streamer.core.records import Record, Records
from streamer.core.scoring import Scorer
from streamer.core.stays import StayTable
from streamer.service import metrics
from streamer.service.batch import ModelBatch, Result, changed_states, process
from streamer.service.takeover import Partition
from tests.support.fake_service import ORIGIN_MS, TOPICS, Twins, event, library
from tests.support.small_models import random_model

MODEL = random_model(3)


@pytest.fixture
def scorer() -> Scorer:
    return Scorer(MODEL, StayTable(MODEL.architecture), 0)


def partition(number: int, silent_until: int = 0) -> Partition:
    return Partition(number, 7, 0, 0, silent_until, "topic-a", Era(MODEL.model_id))


def model_batch(n_records: int, home_partitions: dict[str, int] | None = None) -> ModelBatch:
    """One event a minute of patient `p` on partition 0, from offset 0."""
    records: list[Record] = []
    for offset in range(n_records):
        _, key, value = event(0, "p", offset, values={"heart_rate": 70 + offset})
        records.append(Record(0, offset, ORIGIN_MS, key, value))
    read = Records.of(records)
    columns = decode(read, None)
    return ModelBatch(read, columns, [0] * len(columns.patients), home_partitions or {})


@pytest.mark.parametrize("silent_until", [0, 2, 5])
def test_records_before_silent_until_cause_no_message(scorer: Scorer, silent_until: int) -> None:
    result = process(scorer, model_batch(5), {0: partition(0, silent_until)}, TOPICS)
    n_live = 5 - silent_until
    assert (result.n_live, result.n_silent) == (n_live, silent_until)
    assert result.n_risks == sum(output.topic == TOPICS.risk for output in result.outputs) > 0 or (
        not n_live and not result.outputs
    )
    assert len(result.recorded_ms) == len(result.measured_ms) == n_live
    assert scorer.table.touched[scorer.table.slot_of["p"]], "the states change all the same"


def test_events_of_a_patient_of_another_partition_are_rejected(scorer: Scorer) -> None:
    result = process(scorer, model_batch(2, {"p": 1}), {0: partition(0)}, TOPICS)
    assert result.rejected == {"other_partition": 2}
    assert {output.topic for output in result.outputs} == {TOPICS.rejected}
    assert result.n_risks == 0


def test_a_partition_that_moved_is_written_once_with_its_changed_stays(scorer: Scorer) -> None:
    moved = [partition(0), partition(1)]
    process(scorer, model_batch(2), {owned.number: owned for owned in moved}, TOPICS)
    for owned in moved:
        owned.position = 2
    first = changed_states(scorer, moved)
    assert [(w.partition, w.epoch, w.expected, w.watermark) for w in first] == [
        (0, 7, 0, 2), (1, 7, 0, 2),
    ]  # fmt: skip
    assert [set(write.changed) for write in first] == [{"p"}, set()]
    assert [set(write.changed) for write in changed_states(scorer, moved)] == [set(), set()]


def test_an_empty_result_has_nothing_to_write() -> None:
    result = Result()
    assert (result.outputs, result.n_live, len(result.recorded_ms)) == ([], 0, 0)


def test_counts_by_reason_are_metrics_too_and_what_a_record_carried_goes_with_it() -> None:
    def counted() -> Counter[str]:
        samples = next(iter(metrics.REJECTED.collect())).samples
        return Counter(
            {s.labels["reason"]: int(s.value) for s in samples if s.name.endswith("_total")}
        )

    before = counted()
    twins = Twins(library(1)[0], n_partitions=1)
    for offset, (key, value) in enumerate(((b"p", b"{"), (b"p", b"{}"), (b"p", b"{"))):
        record = Record(0, offset, ORIGIN_MS, key, value, b"00-a-b-01", b"vitals/0/5")
        twins.broker.partitions[0].append(record)
    twins.drain(twins.process())
    rejected = [dict(o.headers) for o in twins.broker.outputs if o.topic == TOPICS.rejected]
    reasons = Counter(carried["reason"].decode() for carried in rejected)
    assert reasons == {"not_json": 2, "no_patient": 1}
    assert counted() - before == reasons
    for carried in rejected:
        assert (carried["traceparent"], carried["replayed-of"]) == (b"00-a-b-01", b"vitals/0/5")
