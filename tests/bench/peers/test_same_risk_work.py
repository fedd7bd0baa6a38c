"""The same work gives the service's risk."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest

from bench.loads import hourly, one_hertz
from bench.peers import same_risk_work
from streamer.feeds.message import Message
from tests.support.peer_risks import risks_of_peer, risks_of_service


@pytest.mark.parametrize(
    ("feed", "interval_s"),
    [(lambda: hourly(rows=40, stays=4), 0), (lambda: one_hertz(rows=20_000, beds=3), 60)],
    ids=["hourly", "ward"],
)
def test_the_same_work_gives_the_risk_of_the_service(
    feed: Callable[[], Iterable[Message]], interval_s: int
) -> None:
    events = list(feed())
    expected = risks_of_service(events, interval_s)
    risks = risks_of_peer(same_risk_work.PatientScorer(interval_s * 1000), events)
    assert risks.keys() == expected.keys()
    assert len(risks) > 30
    assert [risks[at] for at in expected] == pytest.approx(list(expected.values()), abs=1e-5)
