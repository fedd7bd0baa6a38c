"""A broker's folder is formatted by Kafka's tool once, and from then on by copying."""

from __future__ import annotations

from pathlib import Path

from streamer.local.kafka_storage import features_of, format_folder, is_formatted, keep_features

IDS = {"cluster_id": "Q2x1c3Rlcg", "directory_id": "Rm9sZGVy"}


def test_features_that_the_tool_wrote_are_those_of_all_folders(tmp_path: Path) -> None:
    jars, by_tool, data = tmp_path / "kafka-4", tmp_path / "by-tool", tmp_path / "new" / "data"
    assert not format_folder(data, jars, node=3, **IDS)
    assert not is_formatted(data)
    by_tool.mkdir()
    (by_tool / "bootstrap.checkpoint").write_bytes(b"features")
    keep_features(by_tool, jars)
    assert features_of(jars).parent == tmp_path
    assert format_folder(data, jars, node=3, **IDS)
    assert is_formatted(data)
    assert {file.name: file.read_text() for file in data.iterdir()} == {
        "bootstrap.checkpoint": "features",
        "meta.properties": "version=1\ncluster.id=Q2x1c3Rlcg\nnode.id=3\ndirectory.id=Rm9sZGVy\n",
    }


def test_features_that_cannot_be_kept_leave_nothing(tmp_path: Path) -> None:
    jars = tmp_path / "kafka-4"
    keep_features(tmp_path / "never formatted", jars)
    assert list(tmp_path.iterdir()) == []
