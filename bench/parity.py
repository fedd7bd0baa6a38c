"""Streamed risks compared with offline ones: real patients through Kafka, services killed.

Two services share the partitions; while events flow, one is stopped with SIGTERM and started
again, the other is killed and started again. Every (patient, hour) must have exactly one risk, the
same as the trainer computes from the same rows; and the utility of the streamed decisions must be
that of `trainer evaluate` for the same patients.
"""

from __future__ import annotations

import argparse
import functools
import json
import math
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.reading import read_topic
from bench.services import ServiceProcess, environment, running, settings_of
from streamer.bundles import bundle
from streamer.bundles.build import build
from streamer.datasets.cohort import Cohort
from streamer.feeds.publish import publish
from streamer.feeds.replay import replay
from streamer.local import LocalStack
from streamer.service.settings import Settings
from streamer.service.topics import ensure_topics
from trainer.data.cohort import load_cohort
from trainer.data.dataset import Dataset, build_features
from trainer.decisions.predictions import Predictions, predict
from trainer.metrics.definitions import Measure
from trainer.metrics.utility import normalized_utility

TOLERANCE = 1e-5  # the contract's
UTILITY_TOLERANCE = 1e-3  # what a published figure shows

StayHour = tuple[str, int]  # patient, hour bin


@dataclass(frozen=True, slots=True)
class Parity:
    """The comparison of streamed and offline risks."""

    expected: int
    records: int
    missing: int
    repeated: int
    unexpected: int
    largest_difference: float
    streamed_utility: float
    offline_utility: float
    seconds: float

    @property
    def holds(self) -> bool:
        """Whether there is exactly one right risk for each (patient, hour)."""
        wrong = self.missing + self.repeated + self.unexpected
        worth_as_much = np.isclose(
            self.streamed_utility, self.offline_utility, rtol=0, atol=UTILITY_TOLERANCE,
            equal_nan=True,  # among patients without sepsis neither has a utility
        )  # fmt: skip
        return bool(wrong == 0 and self.largest_difference <= TOLERANCE and worth_as_much)


def offline_predictions(cohort: Cohort) -> Predictions:
    """The shipped model's offline predictions of these stays, as in `trainer evaluate`."""
    model = build(bundle.load(bundle.SHIPPED))
    return predict(model, Dataset.whole(cohort, build_features(cohort)))


def stay_hours(cohort: Cohort) -> list[StayHour]:
    """Patient and hour bin of each row."""
    patients = np.repeat(np.array(cohort.patient_ids, object), cohort.lengths).tolist()
    return list(zip(patients, (cohort.iculos - 1).tolist(), strict=True))


def offline_risks(cohort: Cohort) -> dict[StayHour, float]:
    """The shipped model's risk by patient and hour bin, as `trainer evaluate --predictions`."""
    return dict(
        zip(stay_hours(cohort), offline_predictions(cohort).risks[:, 0].tolist(), strict=True)
    )


def utility(cohort: Cohort, positive: Mapping[StayHour, bool]) -> float:
    """The official utility of the positive hours; a missing hour counts as negative."""
    called = np.array([positive.get(hour, False) for hour in stay_hours(cohort)])
    return normalized_utility(cohort.label, cohort.starts, called)


def feed(cohort: Cohort, settings: Settings) -> None:
    """Replays the cohort as fast as possible."""
    hours = int(cohort.iculos.max()) + 2
    start_ms = int(time.time() * 1000) - math.ceil(hours * 3_600_000)
    publish(
        replay(cohort, start_ms),
        settings.kafka_connection(),
        {"vitals": settings.topic_vitals, "outcomes": settings.topic_outcomes},
        speed=None,
        stop=threading.Event(),
        progress=lambda _sent, _due_ms: None,
    )


def compare(
    streamed: list[tuple[StayHour, float]], expected: dict[StayHour, float]
) -> tuple[int, int, int, float]:
    """Counts missing, repeated and unexpected hours; the last value is the largest difference."""
    counts: dict[StayHour, int] = {}
    largest = 0.0
    for hour, risk in streamed:
        counts[hour] = counts.get(hour, 0) + 1
        if hour in expected:
            largest = max(largest, abs(risk - expected[hour]))
    missing = sum(hour not in counts for hour in expected)
    repeated = sum(count - 1 for hour, count in counts.items() if hour in expected)
    unexpected = sum(hour not in expected for hour in counts)
    return missing, repeated, unexpected, largest


def measure(
    stack: LocalStack,
    cohort: Cohort,
    folder: Path,
    prefix: str,
    *,
    disturb: bool,
    deadline_s: float,
) -> Parity:
    """Streams a cohort through two services and compares.

    Args:
        stack: the Kafka and the Redis.
        cohort: the stays.
        folder: folder for the logs of the services.
        prefix: of topics and group.
        disturb: stop one service and kill the other while events flow.
        deadline_s: seconds to wait for the last risk.
    """
    variables = environment(
        stack, prefix, partitions=4, kafka_session_timeout_ms=6000, max_batch=500
    )
    settings = settings_of(variables)
    predictions = offline_predictions(cohort)
    expected = dict(zip(stay_hours(cohort), predictions.risks[:, 0].tolist(), strict=True))
    ensure_topics(settings)
    began = time.monotonic()
    services = [
        ServiceProcess(
            variables | {"STREAMER_INSTANCE": f"parity-{i}"}, folder / f"service-{i}.log"
        )
        for i in range(2)
    ]
    with running(services):
        feed(cohort, settings)
        if disturb:
            for share, service, end in (
                (0.2, services[0], services[0].terminate),
                (0.5, services[1], services[1].kill),
            ):
                goal = share * len(expected)
                read_topic(settings, settings.topic_risk, functools.partial(_has_records, goal))
                end()
                service.start()
        records = read_topic(
            settings,
            settings.topic_risk,
            functools.partial(_has_records, len(expected)),
            deadline_s,
        )
    risks = [json.loads(record.value) for record in records]
    streamed = [((risk["patient_id"], risk["bin"]), risk["risk"]) for risk in risks]
    # In the order of the log: the last message of an hour counts.
    positive = {(risk["patient_id"], risk["bin"]): risk["positive"] for risk in risks}
    missing, repeated, unexpected, largest = compare(streamed, expected)
    return Parity(
        len(expected), len(records), missing, repeated, unexpected, largest,
        utility(cohort, positive), Measure(predictions.scored()).figures()["utility"],
        time.monotonic() - began,
    )  # fmt: skip


def _has_records(minimum: float, records: Sequence[object]) -> bool:
    return len(records) >= minimum


def main() -> int:
    """Runs the comparison on real data and prints it; 1 if it does not hold."""
    parser = argparse.ArgumentParser(prog="python -m bench.parity", description=__doc__)
    parser.add_argument(
        "data", nargs="+", type=Path, help="read these PhysioNet 2019 files or folders"
    )
    parser.add_argument("--patients", type=int, default=1000, help="take so many (default: 1000)")
    arguments = parser.parse_args()
    cohort = load_cohort(arguments.data)
    step = max(1, len(cohort) // arguments.patients)
    cohort = cohort.take(np.arange(0, len(cohort), step)[: arguments.patients])
    with LocalStack() as stack, tempfile.TemporaryDirectory() as folder:
        result = measure(stack, cohort, Path(folder), "parity-", disturb=True, deadline_s=300.0)
    print(
        f"{len(cohort)} patients, {result.expected} hours, {result.records} risk records in "
        f"{result.seconds:.0f} s; one SIGTERM and one kill -9 on the way\n"
        f"missing {result.missing}, repeated {result.repeated}, unexpected {result.unexpected}, "
        f"largest difference {result.largest_difference:.1e}\n"
        f"utility of what was called positive: {result.streamed_utility:.4f} in the stream, "
        f"{result.offline_utility:.4f} offline"
    )
    return 0 if result.holds else 1


if __name__ == "__main__":
    sys.exit(main())
