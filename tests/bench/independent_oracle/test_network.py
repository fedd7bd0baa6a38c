from __future__ import annotations

import math
import random

from bench.independent_oracle.network import Bundle, Memory
from bench.independent_oracle.variables import INDEX, VARIABLES, single
from streamer import Monitor
from streamer.bundles import bundle

START_MS = 1_767_225_600_000


def test_risks_of_a_long_stay_are_those_of_the_product() -> None:
    oracle, draws = Bundle.read(bundle.SHIPPED), random.Random(3)
    monitor = Monitor(risk_interval_s=0)
    monitor.update(
        {"type": "admission", "patient_id": "p", "time": START_MS, "age": 71, "sex": "male",
         "icu_type": "surgical", "hours_since_hospital_admission": -3}
    )  # fmt: skip
    state, static = oracle.start(Memory()), (71.0, 1.0, 1.0, -3.0)
    for hour in range(60):
        row = {
            v: single(draws.uniform(variable.low, variable.high))
            for v, variable in enumerate(VARIABLES)
            if draws.random() < 0.3
        }
        values = {VARIABLES[v].name: x for v, x in row.items()}
        event = {"patient_id": "p", "time": START_MS + hour * 3_600_000, "values": values}
        risk = next(message for message in monitor.update(event) if "horizons" in message)
        state, risks = oracle.step(state, row, hour, static)
        for own, theirs in zip(risks, risk["horizons"].values(), strict=True):
            assert math.isclose(own, theirs, abs_tol=2e-6)


def test_memory_follows_the_recipe() -> None:
    heart_rate = INDEX["heart_rate"]
    memory = Memory().after({heart_rate: 80.0}).after({}).after({heart_rate: 92.0})
    assert (memory.last[heart_rate], memory.before[heart_rate]) == (92.0, 80.0)
    assert (memory.since[heart_rate], memory.count[heart_rate]) == (0.0, 2)
    slow = 1 - 0.5 ** (1 / 12)
    assert math.isclose(memory.slow[heart_rate], 80 + 12 * slow)
    assert math.isclose(memory.variance[heart_rate], (1 - slow) * slow * 144)
    assert Memory().since[heart_rate] == Memory().after({}).since[heart_rate] == 336
