"""People answer alerts while a service dies: one phase for each action."""

from __future__ import annotations

import json
import signal
from collections import Counter
from pathlib import Path

from bench.reading import read_topic
from streamer.local import LocalStack
from tests.support.fake_service import answered_log, library
from tests.support.service_trial import DEADLINE_S, ServiceTrial


def test_each_action_has_one_phase_though_the_service_is_killed(
    stack: LocalStack, tmp_path: Path
) -> None:
    shipped, _ = library()
    events = answered_log(shipped, seed=1)
    asked = {m["action_id"] for _, _, value in events if (m := _action(value))}
    assert asked
    with ServiceTrial(stack, tmp_path, f"answers-{tmp_path.name}-", partitions=3) as trial:
        trial.publish(events)
        mortal = trial.service("after_transaction@2:kill", instance="mortal")
        assert mortal.wait(DEADLINE_S) == -signal.SIGKILL, mortal.log
        with trial.worker(STREAMER_INSTANCE="mortal"):
            trial.assert_equals_oracle()
        alerts = [
            json.loads(r.value) for r in read_topic(trial.settings, trial.settings.topic_alerts)
        ]
        phases = Counter(a["action_id"] for a in alerts if "action_id" in a)
        assert phases == Counter(asked)


def _action(value: bytes | None) -> dict[str, str]:
    try:
        content = json.loads(value or b"{}")
    except ValueError:
        return {}
    return content if content.get("type") == "action" else {}
