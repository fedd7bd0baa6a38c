"""The light work steps the network over its rows, and risks are due as in the service."""

from __future__ import annotations

from typing import cast

import numpy as np
import pytest

from bench.loads import hourly, one_hertz
from bench.peers import light_work
from bench.peers.event import PeerEvent
from bench.peers.network import MODEL
from tests.support.peer_risks import risks_of_peer, risks_of_service


def test_the_light_work_steps_the_whole_sequence() -> None:
    events = list(hourly(rows=10, stays=1))
    patient = light_work.Patient()
    rows = []
    for event in events:
        assert patient.take(cast(PeerEvent, event.value), 0)
        rows.append(patient.row(event.due_ms))
    logits = MODEL.network.run(np.stack(rows)[:, None])[0][:, 0, 0]
    expected = (1 / (1 + np.exp(-logits.astype(np.float64)))).tolist()
    assert list(risks_of_peer(light_work.PatientScorer(0), events).values()) == pytest.approx(
        expected, abs=1e-5
    )


def test_the_light_work_gives_a_risk_where_the_service_does() -> None:
    events = list(one_hertz(rows=2_000, beds=2))
    assert (
        risks_of_peer(light_work.PatientScorer(60_000), events).keys()
        == risks_of_service(events, 60).keys()
    )
