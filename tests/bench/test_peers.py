"""The peers do the work that they are measured by, and the table says it when one cannot."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
import torch

from bench import readme
from bench.comparison import Comparison, Row
from bench.contestants import LIGHT, OURS, SAME, BenchEnv, ready, settings_for
from bench.cores import Cores
from bench.loads import Backlog, Load, hourly, one_hertz, put
from bench.peers import install, light, same
from bench.peers.network import MODEL
from bench.peers.work import Bedside
from bench.race import Measurement, Output
from bench.reading import Tail, read_topic
from bench.services import environment, running, settings_of
from bench.table import comparison_table
from streamer import Monitor
from streamer.feeds.message import Message
from streamer.local import LocalStack
from streamer.service.topics import ensure_topics

DEADLINE_S = 55.0  # more than the 45 s after which a group misses a member
STARTS = 3
PLAIN = next(peer for peer in SAME if peer.module == "plain")
LAP = Measurement(1_000, 2.0, 0.5, 2**29, 2**28, 0, 0, 0, {"score": 1.0}, {})


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # as services and peers do: more would wait for each other
    yield
    torch.set_num_threads(before)


def said_by(bedside: Bedside[Any], events: Iterable[Message]) -> dict[tuple[str, Any], float]:
    """Risks by patient and time; each patient goes through the store after every event."""
    store: dict[str, bytes] = {}
    risks = {}
    for event in events:
        patient = bedside.open(store.get(event.key))
        message = bedside.take(patient, orjson.dumps(event.value), 0, 0)
        store[event.key] = patient.to_bytes()
        if message is not None:
            risk = json.loads(message)
            risks[risk["patient_id"], risk["time"]] = risk["risk"]
    return risks


def said_by_us(events: Iterable[Message], interval_s: float) -> dict[tuple[str, Any], float]:
    """The service's risks, by patient and time of the event."""
    listed = list(events)
    messages, _ = Monitor(risk_interval_s=interval_s).update_many(e.value for e in listed)
    of_risks = [(listed[m["offset"]], m["risk"]) for m in messages if "horizons" in m]
    return {(event.key, event.value["time"]): risk for event, risk in of_risks}


@pytest.mark.parametrize(
    ("feed", "interval_s"),
    [(lambda: hourly(rows=40, stays=4), 0), (lambda: one_hertz(rows=20_000, beds=3), 60)],
    ids=["hourly", "ward"],
)
def test_the_same_work_says_our_risk(
    feed: Callable[[], Iterable[Message]], interval_s: int
) -> None:
    events = list(feed())
    expected = said_by_us(events, interval_s)
    said = said_by(same.Bedside(interval_s * 1000), events)
    assert said.keys() == expected.keys()
    assert len(said) > 30
    assert [said[at] for at in expected] == pytest.approx(list(expected.values()), abs=1e-5)


def test_the_light_work_steps_the_whole_sequence() -> None:
    events = list(hourly(rows=10, stays=1))
    patient = light.Patient()
    rows = []
    for event in events:
        assert patient.take(event.value, 0)
        rows.append(patient.row(event.due_ms))
    logits = MODEL.network.run(np.stack(rows)[:, None])[0][:, 0, 0]
    expected = (1 / (1 + np.exp(-logits.astype(np.float64)))).tolist()
    assert list(said_by(light.Bedside(0), events).values()) == pytest.approx(expected, abs=1e-5)


def test_the_light_work_says_a_risk_where_ours_does() -> None:
    events = list(one_hertz(rows=2_000, beds=2))
    assert said_by(light.Bedside(60_000), events).keys() == said_by_us(events, 60).keys()


@pytest.mark.timeout(360)  # starts and deadlines, should all of them be needed
def test_the_plain_loop_goes_on_where_it_was_stopped(
    stack: LocalStack, topic_prefix: str, tmp_path: Path
) -> None:
    settings = settings_of(environment(stack, topic_prefix, partitions=2))
    ensure_topics(settings)
    events = list(hourly(rows=24, stays=4))
    bench_env = BenchEnv(stack, tmp_path, Cores((), ()), Path(), {})
    for half in (events[:12], events[12:]):
        backlog = put(Load("tiny", half, 0.0), settings)
        own = settings_for(bench_env, backlog, f"{topic_prefix}plain-")
        # Rarely a consumer of kafka-python never gets a partition. The service looks out for that,
        # a plain loop does not: start it again.
        for _ in range(STARTS):
            processes = ready(PLAIN, bench_env, backlog, f"{topic_prefix}plain-", [0])
            with running(processes):
                records = read_topic(own, own.topic_risk, enough(backlog.n_due), DEADLINE_S)
            if len(records) >= backlog.n_due:
                break
    messages = [json.loads(record.value) for record in records]
    assert sorted((m["partition"], m["offset"]) for m in messages) == [
        (partition, offset) for partition, due in enumerate(backlog.due) for offset in due.tolist()
    ]
    expected = said_by_us(events, 0)
    assert {(m["patient_id"], m["time"]): m["risk"] for m in messages} == pytest.approx(
        expected, abs=1e-5
    )


def enough(n: int) -> Callable[[list[Any]], bool]:
    return lambda records: len(records) >= n


class Said(Tail):
    """A tail that has some records to give, once, and no Kafka."""

    def __init__(self, offsets: list[int]) -> None:
        self._records = [
            type("Record", (), {"value": orjson.dumps({"partition": 0, "offset": o, "risk": 0.5})})
            for o in offsets
        ]

    def poll(self) -> list[Any]:
        given, self._records = self._records, []
        return given

    def at_end(self) -> bool:
        return not self._records


@pytest.mark.parametrize(
    ("offsets", "faults"),
    [
        ([0, 2, 4], (0, 0, 0)),
        ([0, 2], (0, 0, 0)),  # cut off: what comes after the last is not missed
        ([0, 4], (1, 0, 0)),
        ([0, 2, 2, 4], (0, 1, 0)),
        ([0, 1, 2, 4], (0, 0, 1)),
    ],
)
def test_what_was_said_is_held_against_what_was_due(
    offsets: list[int], faults: tuple[int, int, int]
) -> None:
    output = Output(Said(offsets), Backlog("tiny", "vitals", 0.0, 5, [np.array([0, 2, 4])]))
    output.read_rest()
    assert output.compare() == faults
    assert output.is_whole == (4 in offsets)


def comparison(*rows: Row) -> Comparison:
    return Comparison("hourly", [Row(OURS, [LAP, LAP]), *rows])


def test_the_table_names_the_best_peer_of_each_work() -> None:
    quick, slow = replace(LAP, cpu_seconds=1.0), replace(LAP, cpu_seconds=4.0)
    table = comparison_table(
        [comparison(Row(LIGHT[0], [quick]), Row(LIGHT[1], [slow]), Row(SAME[0], [slow]))]
    )
    assert f"less work: ours over the best peer 2.00 per CPU second ({LIGHT[0].name})" in table
    assert f"the same work: ours over the best peer 8.00 per CPU second ({SAME[0].name})" in table
    assert f"and 1.00 by the clock ({SAME[0].name})" in table
    assert "| 2,000 ± 0% | 500 |" in table


def test_the_table_says_why_a_peer_is_missing() -> None:
    table = comparison_table([comparison(Row(LIGHT[0], failure="not installable: no | wheel"))])
    (line,) = [line for line in table.splitlines() if LIGHT[0].name in line]
    assert "not installable: no / wheel" in line
    assert line.count("|") == table.splitlines()[0].count("|")
    assert "less work: nothing to compare" in table


def test_the_table_says_what_a_peer_got_wrong() -> None:
    wrong = replace(LAP, missing=3, repeated=1)
    table = comparison_table([comparison(Row(LIGHT[0], [LAP, wrong]))])
    assert "| 3 missing, 1 repeated |" in table


def test_a_peer_that_cannot_be_installed_is_remembered_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    folder = tmp_path / "peers"
    python, missing = install.environment(folder)
    assert missing.keys() == install.PACKAGES.keys()
    assert "quixstreams" in missing["quix"]
    # What the peers share with the service is there all the same.
    subprocess.run([python, "-c", "import orjson, kafka"], timeout=60, check=True)
    made = (folder / "pyvenv.cfg").stat().st_mtime_ns
    assert install.environment(folder) == (python, missing)
    assert (folder / "pyvenv.cfg").stat().st_mtime_ns == made


def test_figures_go_between_the_markers_and_nowhere_else(tmp_path: Path) -> None:
    page = tmp_path / "README.md"
    page.write_text(f"before\n{readme.BEGIN}old\n{readme.END}after\n")
    readme.write("new", page)
    assert page.read_text() == f"before\n{readme.BEGIN}new\n{readme.END}after\n"
    page.write_text("no markers\n")
    with pytest.raises(ValueError, match="no markers"):
        readme.write("new", page)
    assert readme.BEGIN in readme.README.read_text()
    assert readme.END in readme.README.read_text()
