"""A peer's configuration passes through environment variables unchanged."""

from __future__ import annotations

from pathlib import Path

from bench.peers.peer_config import PeerConfig


def test_a_configuration_survives_the_environment(tmp_path: Path) -> None:
    config = PeerConfig(
        "localhost:9092",
        "redis://localhost",
        "vitals",
        "risk",
        "g",
        str(tmp_path),
        60_000,
        8,
        "same",
    )
    variables = config.environment()
    assert variables["PEER_INTERVAL_MS"] == "60000"
    assert PeerConfig.read({**variables, "HOME": "/"}) == config
    assert config.path("state").is_dir()
