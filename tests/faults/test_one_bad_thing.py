"""One bad thing costs one thing: others wait for nothing, also where something is short."""

from __future__ import annotations

from pathlib import Path

from bench.one_bad_thing.scene import scene
from bench.one_bad_thing.things import bad_header, codecs, microseconds
from bench.services import RUN, ServiceProcess
from streamer.local import LocalStack
from tests.support.service_trial import DEADLINE_S, ServiceTrial
from tests.support.wait import wait_until

# What a service has too little of, and how it is started.
SHORT = {
    "files": 'ulimit -n 64; exec "$@"',
    "room": 'ulimit -f 0; exec "$@"',
    "reader": 'exec "$@" 2>/dev/full',
}


def test_what_cannot_be_read_costs_itself(
    stack: LocalStack, tmp_path: Path, topic_prefix: str
) -> None:
    with scene(stack, tmp_path, topic_prefix) as one:
        calm_s = one.waits(0, one.catch_up()).longest
        for happen in (codecs, bad_header, microseconds):
            for figure in happen(one):
                # A loaded machine lets everybody wait.
                assert figure.value < figure.below + 3 * calm_s, str(figure)
        code, ended_s = one.service.terminate()
    assert (code, ended_s < 5 + 3 * calm_s) == (0, True)


def test_services_work_on_machines_that_are_short_of_something(
    stack: LocalStack, tmp_path: Path, topic_prefix: str
) -> None:
    with ServiceTrial(stack, tmp_path, topic_prefix, partitions=len(SHORT)) as trial:
        for name, script in SHORT.items():
            process = ServiceProcess(
                trial.environment | {"STREAMER_INSTANCE": name},
                tmp_path / f"{name}.log",
                command=("bash", "-c", script, "bash", *RUN),
            )
            trial.services.append(process)
            process.start()
        trial.send(200)
        wait_until(lambda: trial.ends() == trial.committed(), DEADLINE_S, "the first events")
        trial.send(200)
        trial.assert_equals_oracle()
        assert [process.exit_code for process in trial.services] == [None] * len(SHORT)
        assert [process.terminate()[0] for process in trial.services] == [0] * len(SHORT)
