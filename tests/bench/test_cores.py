"""The division of cores between the benchmark and the measured processes."""

from __future__ import annotations

from bench.cores import Cores


def test_a_measured_process_is_pinned_to_its_core() -> None:
    cores = Cores((0, 1), (2, 3))
    assert cores.taskset(1)[1:] == ["-c", "3"]
    assert cores.taskset(2) == []
    assert "Kafka and Redis to 2 others" in cores.describe()


def test_a_small_machine_is_not_divided() -> None:
    cores = Cores((0, 1), ())
    assert cores.taskset(0) == []
    assert cores.describe().startswith("nothing pinned")
