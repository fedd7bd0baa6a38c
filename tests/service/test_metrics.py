"""The list of metrics, its document, its alert rules and what is scraped: all the same."""

from __future__ import annotations

import json
import re
import shutil
import subprocess

import pytest
import yaml
from prometheus_client import generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from streamer.adapters.memory.log import MemoryLog
from streamer.canary import series
from streamer.service import metrics
from streamer.service.metrics import CATALOGUE, REGISTRY, Kind
from streamer.service.settings import Settings
from tests.support.fake_service import FakeService, library, random_log
from tests.support.paths import ROOT
from trainer.archive import series as archive_series
from trainer.settings import TrainerSettings

BY_PROCESS = {"partition", "model", "source"}
"""Labels whose values are known only while running: as many as partitions, one, and 101."""
MOST_SERIES = 25
LISTED = [*CATALOGUE, *archive_series.CATALOGUE, *series.CATALOGUE]
"""Of the service, the archive and the canary: rules and dashboard ask for all."""


def scraped() -> dict[str, Metric]:
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
def drained() -> FakeService:
    """A service of three partitions that has read everything."""
    fake = FakeService(library(5)[0])
    fake.send(random_log(seed=1))
    fake.drain(fake.process())
    return fake


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
        for m in LISTED
    ]


def asked_for(expression: str) -> tuple[set[str], set[str]]:
    """Our metrics in a PromQL expression, as the list names them, and the labels of theirs."""
    listed = {metric.name: metric for metric in LISTED}
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


def test_a_rule_of_single_events_sees_what_was_counted_before_the_first_scrape() -> None:
    """Prometheus's increase() is 0 for a counter that is 1 at its first scrape."""
    (group,) = yaml.safe_load((ROOT / "deploy/prometheus/rules.yml").read_text())["groups"]
    repeated = {
        "VigilFencedOften",
        "VigilRebalancesOften",
        "VigilCanaryWrong",  # a canary that stays wrong is counted each minute
        "VigilCanaryLate",  # a ratio
    }
    counted = {
        rule["alert"]: rule["expr"] for rule in group["rules"] if "increase(" in rule["expr"]
    }
    assert repeated < set(counted)
    for alert in set(counted) - repeated:
        before, _, young = counted[alert].partition(" or ")
        assert asked_for(young)[0] == asked_for(before)[0], alert
        assert "time() - process_start_time_seconds < 3600" in young, alert
        assert "increase(" not in young
    for registry in (REGISTRY, series.Series().registry, archive_series.registry_of({})):
        assert registry.get_sample_value("process_start_time_seconds")


def test_each_rule_is_seen_to_fire() -> None:
    folder = ROOT / "deploy/prometheus"
    (group,) = yaml.safe_load((folder / "rules.yml").read_text())["groups"]
    cases = yaml.safe_load((folder / "rules_test.yml").read_text())["tests"]
    fires = {
        looked["alertname"]
        for case in cases
        for looked in case["alert_rule_test"]
        if looked["exp_alerts"]
    }
    assert fires == {rule["alert"] for rule in group["rules"]}


def test_the_page_scrapes_each_port_and_the_rules() -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs/metrics.md").read_text(), re.DOTALL)
    config = yaml.safe_load(block)
    (job,) = config["scrape_configs"]
    targets = [target for each in job["static_configs"] for target in each["targets"]]
    streamer, trainer = Settings.model_fields, TrainerSettings.model_fields
    assert {int(target.partition(":")[2]) for target in targets} == {
        *(streamer[f"{name}http_port"].default for name in ("", "canary_", "board_")),
        trainer["http_port"].default,
    }
    assert [name for name in config["rule_files"] if (ROOT / "deploy/prometheus" / name).exists()]


def test_operations_has_a_first_step_for_each_rule() -> None:
    (group,) = yaml.safe_load((ROOT / "deploy/prometheus/rules.yml").read_text())["groups"]
    page = (ROOT / "docs/operations.md").read_text().partition("## When Prometheus calls")[2]
    listed = re.findall(r"`(Vigil\w+)`(?=[^|]*\| )", page)
    assert sorted(listed) == sorted(rule["alert"] for rule in group["rules"])


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_the_rules_fire_when_they_should() -> None:
    folder = ROOT / "deploy/prometheus"
    subprocess.run(["promtool", "test", "rules", "rules_test.yml"], cwd=folder, check=True)


def test_the_dashboard_asks_for_what_exists_and_shows_nearly_all() -> None:
    board = json.loads((ROOT / "deploy/grafana/vigil.json").read_text())
    shown = set()
    for panel in board["panels"]:
        for target in panel["targets"]:
            names, labels = asked_for(target["expr"])
            assert names, panel["title"]
            assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= labels
            shown |= names
    assert {metric.name for metric in LISTED} - shown == {
        "vigil_loop_age_seconds",  # rules ask for these
        "vigil_waiting",
        "vigil_rebuild_left_records",
        "vigil_risks_total",
        "vigil_stays_removed_total",
        "vigil_stays_damaged_total",
        "vigil_new_patients_total",
        "vigil_source_behind_seconds",
        "vigil_transactions_failed",
        "vigil_topics_left_out",
        "vigil_stays_restored_total",
        "vigil_states_unsent",
        "vigil_states_sent_bytes_total",
    }


@pytest.mark.usefixtures("drained")
def test_no_metric_has_a_series_for_each_patient() -> None:
    for name, family in scraped().items():
        series = {tuple(sorted(set(s.labels.items()))) for s in family.samples}
        values = {value for sample in family.samples for value in sample.labels.values()}
        assert not values & {f"p{i}" for i in range(6)}
        bounds = len({s.labels["le"] for s in family.samples if "le" in s.labels})
        assert len(series) <= MOST_SERIES * max(1, bounds), name


def by_partition(name: str) -> dict[str, float]:
    return {s.labels["partition"]: s.value for s in scraped()[name].samples}


def test_the_gauges_of_a_process_follow_its_partitions() -> None:
    fake = FakeService(library(5)[0])
    fake.send(random_log(seed=1))
    process = fake.process(max_batch=40)
    process.step()
    process.step()
    lag = by_partition("vigil_lag_records")
    assert sum(lag.values()) == 150 - 40
    assert set(by_partition("vigil_lag_seconds")) == {"0", "1", "2"}
    fake.drain(process)
    assert by_partition("vigil_lag_records") == {"0": 0, "1": 0, "2": 0}
    assert figure("vigil_partitions") == 3
    assert figure("vigil_stays") == 6
    models = [sample.labels["model"] for sample in scraped()["vigil_model_info"].samples]
    assert models == [fake.library.in_force().shown_id]
    fake.broker.expel(process.log)
    MemoryLog(fake.broker)  # another member, which gets the first share
    process.step()
    assert set(by_partition("vigil_lag_records")) == {"1"}


@pytest.mark.usefixtures("drained")
def test_every_stage_is_timed() -> None:
    for stage in metrics.Stage:
        assert figure("vigil_stage_seconds_count", stage=stage) > 0, stage
