from __future__ import annotations

import re

import pytest

from streamer.adapters.kafka.options import MAX_MESSAGE_BYTES
from streamer.adapters.kafka.topics import TopicStatus
from streamer.core.time import DAY_MS
from streamer.ports.log import LogUnavailable
from streamer.service.settings import Settings
from streamer.service.takeover import REBUILD_MS
from streamer.service.topics import AUDIT_MS, RETENTION_MS, check_widths, wanted
from tests.support.paths import ROOT

SETTINGS = Settings(partitions=4)


def test_outputs_have_as_many_partitions_as_the_input() -> None:
    partitions = {topic.name: topic.partitions for topic in wanted(SETTINGS)}
    assert partitions == {
        "vitals": 4, "outcomes": 4, "alerts": 4, "risk": 4, "stays": 4,
        "vitals.rejected": 1, "vitals.rejected.replayed": 1,
        "states": 4, "risk.canary": 4, "alerts.canary": 4,
    }  # fmt: skip


def test_topics_that_are_read_again_are_kept_longer_than_a_rebuild_reaches() -> None:
    configs = {topic.name: topic.configs for topic in wanted(SETTINGS)}
    assert int(RETENTION_MS) > REBUILD_MS
    for name in ("vitals", "vitals.rejected"):
        assert configs[name]["retention.ms"] == RETENTION_MS
    assert int(configs["vitals.rejected"]["max.message.bytes"]) == MAX_MESSAGE_BYTES
    for name in ("alerts", "outcomes"):
        assert configs[name]["retention.ms"] == AUDIT_MS
    assert configs["stays"] == {"cleanup.policy": "compact"}
    assert configs["vitals.rejected.replayed"] == {"cleanup.policy": "compact"}


def test_the_page_of_security_says_how_long_each_topic_is_kept() -> None:
    page = (ROOT / "docs/security.md").read_text()
    said = dict(re.findall(r"^\| `([\w.]+)` \| .+ \| (.+) \|$", page, re.MULTILINE))
    kept = {topic.name: topic.configs for topic in wanted(SETTINGS)}
    of_patients = kept.keys() - {"risk.canary", "alerts.canary"}
    assert of_patients <= said.keys()
    for name in of_patients:
        days = int(kept[name].get("retention.ms", 0)) // DAY_MS
        rule = "compacted" if "cleanup.policy" in kept[name] else "the broker's default"
        assert (f"{days} days" if days else rule) in said[name], name


@pytest.mark.parametrize(("canary", "is_refused"), [(4, False), (2, True), (0, False)])
def test_a_narrower_output_is_refused_and_a_hidden_canary_topic_is_not(
    canary: int, is_refused: bool
) -> None:
    """A record for a missing partition fails a transaction; a hidden topic is left out."""
    widths = {topic.name: 4 for topic in wanted(SETTINGS)} | {"risk.canary": canary}
    statuses = [TopicStatus(name, width, False, None) for name, width in widths.items()]
    if is_refused:
        with pytest.raises(LogUnavailable, match=r"risk\.canary has 2"):
            check_widths(SETTINGS, statuses)
    else:
        check_widths(SETTINGS, statuses)
