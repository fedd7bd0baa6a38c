"""Three brokers with three replicas of everything: any one may die."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamer.local import LocalStack
from streamer.local.cluster import KafkaCluster
from tests.support.service_trial import Trial

pytestmark = pytest.mark.integration


def test_the_leader_of_a_partition_is_killed_and_comes_back(
    tmp_path: Path, topic_prefix: str
) -> None:
    with (
        KafkaCluster() as cluster,
        LocalStack(existing_kafka=cluster.address) as stack,
        Trial(stack, tmp_path, topic_prefix, replication=3) as trial,
        trial.hired(),
        trial.hired(),
    ):
        vitals = trial.settings.topic_vitals
        trial.send(200)
        trial.wait_for_commit()
        leader = cluster.leader_of(vitals, 0)
        leader.kill()
        trial.send(200)
        trial.wait_for_commit(250)  # without it
        leader.start()
        trial.send()
        trial.judge()
