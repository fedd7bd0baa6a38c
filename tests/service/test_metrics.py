"""The list of metrics, its document, its alert rules and what is scraped: all the same."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import pytest
import yaml
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from streamer.adapters.memory.log import MemoryLog
from streamer.service import metrics
from streamer.service.collectors import AgeHistogram, LabelledGauge
from streamer.service.metrics import CATALOGUE, REGISTRY, Kind
from tests.support.fake_service import MINUTE_MS, ORIGIN_MS, Twins, event, invented_log, library
from tests.support.paths import ROOT

BY_PROCESS = {"partition", "model"}
"""Labels whose values are known only while running: as many as partitions, and one."""
MOST_SERIES = 25


def scraped() -> dict[str, Any]:
    """Families of a scrape, by the name that the document has."""
    return {
        family.name + ("_total" if family.type == "counter" else ""): family
        for family in text_string_to_metric_families(generate_latest(REGISTRY).decode())
        if family.name.startswith("vigil_")
    }


def figure(name: str, **labels: str) -> float:
    """One figure of a scrape; 0 where there is no such series."""
    return REGISTRY.get_sample_value(name, labels) or 0.0


@pytest.fixture(scope="module")
def drained() -> Twins:
    """A service of three partitions that has read everything."""
    twins = Twins(library(5)[0])
    twins.send(invented_log(seed=1))
    twins.drain(twins.process())
    return twins


@pytest.mark.usefixtures("drained")
def test_list_and_scrape_agree() -> None:
    families = scraped()
    assert set(families) == {metric.name for metric in CATALOGUE}
    for metric in CATALOGUE:
        family = families[metric.name]
        assert (family.type, family.documentation) == (metric.kind, metric.sentence)
        assert metric.sentence.endswith(".")
        labels = {name for sample in family.samples for name in sample.labels} - {"le"}
        assert labels <= set(metric.labels)
        if not BY_PROCESS & set(metric.labels):
            assert family.samples, f"{metric.name} must be there from the start"
            assert labels == set(metric.labels)
        assert metric.kind != Kind.COUNTER or metric.name.endswith("_total")


def test_the_document_is_the_list() -> None:
    text = (ROOT / "docs/metrics.md").read_text()
    rows = re.findall(r"^\| `vigil_.*\|$", text, re.MULTILINE)
    assert rows == [
        f"| `{m.name}` | {m.kind} | {', '.join(f'`{label}`' for label in m.labels)} | {m.unit} | "
        f"{m.sentence} |".replace("|  |", "| |")
        for m in CATALOGUE
    ]


def asked_for(expression: str) -> tuple[set[str], set[str]]:
    """Our metrics in a PromQL expression, as the list names them, and the labels of theirs."""
    listed = {metric.name: metric for metric in CATALOGUE}
    used = set(re.findall(r"\bvigil_\w+", expression))
    names = {name if name in listed else re.sub(r"_(bucket|sum|count)$", "", name) for name in used}
    assert names <= set(listed), expression
    labels = set(re.findall(r"\{(\w+)=", expression))
    labels |= {name for group in re.findall(r"by \(([\w, ]+)\)", expression)
               for name in group.split(", ")} - {"le"}  # fmt: skip
    assert labels <= {label for name in names for label in listed[name].labels}, expression
    return names, {label for name in names for label in listed[name].labels} | {"instance"}


def test_the_rules_ask_for_what_exists() -> None:
    (group,) = yaml.safe_load((ROOT / "deploy/prometheus/rules.yml").read_text())["groups"]
    assert len(group["rules"]) >= 8
    for rule in group["rules"]:
        names, labels = asked_for(rule["expr"])
        assert names, rule["alert"]
        assert set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"])) <= labels
        assert rule["labels"]["severity"] in {"warning", "critical"}


def test_the_dashboard_asks_for_what_exists_and_shows_nearly_all() -> None:
    board = json.loads((ROOT / "deploy/grafana/vigil.json").read_text())
    shown = set()
    for panel in board["panels"]:
        for target in panel["targets"]:
            names, labels = asked_for(target["expr"])
            assert names, panel["title"]
            assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= labels
            shown |= names
    assert {metric.name for metric in CATALOGUE} - shown == {
        "vigil_loop_age_seconds",  # rules ask for these
        "vigil_waiting",
        "vigil_rebuild_left_records",
        "vigil_risks_total",
        "vigil_stays_removed_total",
    }


@pytest.mark.usefixtures("drained")
def test_no_metric_has_a_series_for_each_patient() -> None:
    for name, family in scraped().items():
        series = {tuple(sorted(set(s.labels.items()))) for s in family.samples}
        values = {value for sample in family.samples for value in sample.labels.values()}
        assert not values & {f"p{i}" for i in range(6)}
        bounds = len({s.labels["le"] for s in family.samples if "le" in s.labels})
        assert len(series) <= MOST_SERIES * max(1, bounds), name


def test_events_are_counted_by_what_became_of_them() -> None:
    names = (
        "vigil_events_total",
        "vigil_late_total",
        "vigil_redundant_total",
        "vigil_risks_total",
        "vigil_event_age_seconds_count",
    )

    def counts() -> dict[str, float]:
        found = {name: figure(name) for name in names[:-1]}
        found["age"] = figure(names[-1], since="record")
        found["not_json"] = figure("vigil_rejected_total", reason="not_json")
        found["dropped"] = figure("vigil_values_dropped_total", reason="out_of_limits")
        found["starts"] = sum(
            figure("vigil_alerts_total", phase="start", severity=severity)
            for severity in ("medium", "high")
        )
        return found

    twins = Twins(library(5)[0])
    process = twins.process(max_batch=1)  # so that nothing meets within one evaluation interval
    before = counts()
    early = event(0, "p", 10, values={"heart_rate": 71})
    twins.send(
        [
            event(0, "p", 0, values={"heart_rate": 70}),
            early,
            event(0, "p", 130, values={"heart_rate": 90}),
            early,  # a duplicate, and of a closed hour
            event(0, "p", 20, values={"heart_rate": 75}),  # late
            event(0, "p", 131, values={"heart_rate": 9_000}),
            (0, b"p", b"{"),
        ]
    )
    twins.drain(process)
    after = counts()
    starts = sum(m["phase"] == "start" for m in twins.messages("alerts"))
    assert {name: after[name] - before[name] for name in after} == {
        "vigil_events_total": 7,
        "vigil_late_total": 2,
        "vigil_redundant_total": 1,
        "vigil_risks_total": len(twins.messages("risk")),
        "age": 6,
        "not_json": 1,
        "dropped": 1,
        "starts": starts,
    }


def test_what_is_replayed_in_silence_is_counted_apart() -> None:
    twins = Twins(library(5)[0])
    events = [event(0, "p", minute, values={"heart_rate": 70}) for minute in range(20)]
    twins.send(events)
    first = twins.process()
    twins.drain(first)
    twins.kill(first)
    twins.states.wipe()
    taken, replayed = figure("vigil_events_total"), figure("vigil_replayed_total")
    second = twins.process()
    twins.send([event(0, "p", 30, values={"heart_rate": 70})])
    twins.drain(second)
    assert figure("vigil_replayed_total") - replayed == 20
    assert figure("vigil_events_total") - taken == 1


def by_partition(name: str) -> dict[str, float]:
    return {s.labels["partition"]: s.value for s in scraped()[name].samples}


def test_what_a_process_holds_is_shown_and_goes_with_it() -> None:
    twins = Twins(library(5)[0])
    twins.send(invented_log(seed=1))
    process = twins.process(max_batch=40)
    process.step()
    process.step()
    lag = by_partition("vigil_lag_records")
    assert sum(lag.values()) == 150 - 40
    assert set(by_partition("vigil_lag_seconds")) == {"0", "1", "2"}
    twins.drain(process)
    assert by_partition("vigil_lag_records") == {"0": 0, "1": 0, "2": 0}
    assert figure("vigil_partitions") == 3
    assert figure("vigil_stays") == 6
    models = [sample.labels["model"] for sample in scraped()["vigil_model_info"].samples]
    assert models == [twins.library.in_force().model_id]
    twins.broker.expel(process.log)
    MemoryLog(twins.broker)  # another member, which gets the first share
    process.step()
    assert set(by_partition("vigil_lag_records")) == {"1"}


@pytest.mark.usefixtures("drained")
def test_every_stage_is_timed() -> None:
    for stage in metrics.Stage:
        assert figure("vigil_stage_seconds_count", stage=stage) > 0, stage


def test_ages_are_a_histogram() -> None:
    ages = AgeHistogram("a", "Ages.", "since", ("x", "y"), (0.1, 1, 10))
    ages.observe("x", np.array([0.05, 0.1, 0.5, 10.1, 99.0]))
    ages.observe("x", np.array([]))
    ages.observe("x", np.array([-3.0]))  # a clock that is behind
    (family,) = ages.collect()
    found = {(s.name, s.labels["since"], s.labels.get("le")): s.value for s in family.samples}
    assert [found["a_bucket", "x", le] for le in ("0.1", "1.0", "10.0", "+Inf")] == [3, 4, 4, 6]
    assert found["a_count", "x", None] == 6
    assert found["a_sum", "x", None] == pytest.approx(106.75)
    assert found["a_count", "y", None] == 0


def test_figures_come_and_go() -> None:
    figures = LabelledGauge("f", "Figures.", "partition")

    def shown() -> dict[str, float]:
        (family,) = figures.collect()
        return {s.labels["partition"]: s.value for s in family.samples}

    assert shown() == {}
    figures.set({"0": 1, "1": 2})
    assert shown() == {"0": 1, "1": 2}
    figures.set({"1": 3})
    assert shown() == {"1": 3}
    live = {"7": 1.0}
    figures.set_function(lambda: live)
    live["7"] = 2.0
    assert shown() == {"7": 2.0}


def test_ages_count_from_the_measurement_and_from_the_record() -> None:
    twins = Twins(library(5)[0])
    process = twins.process()
    sums = {
        since: figure("vigil_event_age_seconds_sum", since=since)
        for since in ("record", "measurement")
    }
    hour_ms = 60 * MINUTE_MS
    for lag_ms in (0, hour_ms):
        partition, key, value = event(0, "p", 600 - lag_ms / MINUTE_MS, values={"heart_rate": 70})
        twins.broker.append(partition, key, value, ORIGIN_MS + 600 * MINUTE_MS)
    twins.drain(process)
    more = {
        since: figure("vigil_event_age_seconds_sum", since=since) - before
        for since, before in sums.items()
    }
    assert more["measurement"] - more["record"] == pytest.approx(3600, abs=0.01)
