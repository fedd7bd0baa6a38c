"""Metrics of an archiver: what is scraped agrees with its list and with the document."""

from __future__ import annotations

from pathlib import Path

from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from bench.archived_log import NEVER_FLUSHED_S, PLAIN
from streamer.adapters.memory.log import MemoryBroker, MemoryLog
from tests.support.paths import ROOT
from trainer.archive.archive import Archive
from trainer.archive.series import CATALOGUE, registry_of


def test_the_scrape_has_the_figures_of_each_table(tmp_path: Path) -> None:
    broker, now = MemoryBroker(1), [0.0]
    for n in range(5):
        broker.append(0, b"p", b'{"patient_id": "p", "time": 1767225600000, "values": {}}', n)
    writer = Archive(tmp_path, PLAIN).writer(
        "vitals", MemoryLog(broker), NEVER_FLUSHED_S, clock=lambda: now[0]
    )
    registry = registry_of({"events": writer})

    def figure(name: str) -> float | None:
        return registry.get_sample_value(name, {"table": "events"})

    assert figure("vigil_archive_rows_total") == 0
    for _ in range(2):
        writer.step(0)
    now[0] = 7.0
    assert figure("vigil_archive_commit_age_seconds") == 7
    writer.flush()
    assert figure("vigil_archive_rows_total") == 5
    assert figure("vigil_archive_commit_age_seconds") == 0
    families = {
        f.name + ("_total" if f.type == "counter" else ""): f
        for f in text_string_to_metric_families(generate_latest(registry).decode())
        if f.name.startswith("vigil_")
    }
    assert set(families) == {metric.name for metric in CATALOGUE}
    page = (ROOT / "docs/metrics.md").read_text()
    for metric in CATALOGUE:
        assert (families[metric.name].type, families[metric.name].documentation) == (
            metric.kind, metric.sentence,
        )  # fmt: skip
        labels = ", ".join(f"`{label}`" for label in metric.labels)
        row = f"| `{metric.name}` | {metric.kind} | {labels} | {metric.unit} | {metric.sentence} |"
        assert row in page
