from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.core.alerts import LOCKOUT_MS, AlertPolicy, AlertState, Phase, empty_state, step
from tests.support.event_stream import MINUTE_MS, ORIGIN_MS

POLICY = AlertPolicy(medium=0.2, high=0.5, off=0.1)
HOUR = 60
N, S, E, X = Phase.NONE, Phase.START, Phase.ESCALATE, Phase.END


def run(
    course: list[tuple[float, float]], may_alert: bool = True
) -> tuple[list[Phase], AlertState]:
    """Phases of one stay over (minute, risk)."""
    state = empty_state(1)
    phases = []
    for minute, risk in course:
        time_ms = np.array([ORIGIN_MS + round(minute * MINUTE_MS)])
        state, phase = step(state, np.array([risk]), time_ms, POLICY, np.array([may_alert]))
        phases.append(Phase(phase[0]))
    return phases, state


@pytest.mark.parametrize(
    ("course", "phases"),
    [
        ([(0, 0.2), (1, 0.200001)], [N, S]),  # on needs the risk above the threshold
        ([(0, 0.3), (1, 0.15), (2, 0.3), (3, 0.1), (4, 0.0999)], [S, N, N, N, X]),  # hysteresis
        ([(0, 0.3), (1, 0.5), (2, 0.51), (3, 0.3), (4, 0.6)], [S, N, E, N, N]),
        ([(0, 0.9), (1, 0.3), (2, 0.9)], [S, N, N]),
        ([(0, 0.9), (1, 0.0), (2, 0.9)], [S, X, N]),  # lockout: high again is no rise
        ([(0, 0.3), (1, 0.0), (2, 0.3), (3, 0.9)], [S, X, N, S]),  # in the lockout it rises
        ([(0, 0.3), (1, 0.9), (2, 0.0), (3, 0.9)], [S, E, X, N]),  # the peak is what counts
        ([(0, 0.3), (1, 0.0), (12 * HOUR - 0.001, 0.3)], [S, X, N]),
        ([(0, 0.3), (1, 0.0), (12 * HOUR, 0.3)], [S, X, S]),
        ([(0, 0.3), (600, 0.0), (12 * HOUR, 0.3)], [S, X, S]),  # counted from the start
        ([(0, 0.3), (1, 0), (2, 0.9), (3, 0), (12 * HOUR, 0.3)], [S, X, S, X, N]),
        ([(0, 0.3), (1, 0), (2, 0.9), (3, 0), (12 * HOUR + 2, 0.3)], [S, X, S, X, S]),
        # After the lockout the severity of the alert before it does not matter.
        ([(0, 0.9), (1, 0), (12 * HOUR, 0.3), (12 * HOUR + 1, 0), (12 * HOUR + 2, 0.9)],
         [S, X, S, X, S]),
        ([(0, 0.0)], [N]),
    ],
)  # fmt: skip
def test_phases(course: list[tuple[float, float]], phases: list[Phase]) -> None:
    assert run(course)[0] == phases


def test_a_stay_that_is_over_ends_its_alert_and_starts_none() -> None:
    assert run([(0, 0.9), (1, 0.9)], may_alert=False)[0] == [N, N]
    _, state = run([(0, 0.9)])
    after, phase = step(state, np.array([0.9]), np.array([ORIGIN_MS]), POLICY, np.array([False]))
    assert (phase.tolist(), after.severity.tolist()) == ([X], [0])


def test_what_the_state_says() -> None:
    _, state = run([(0, 0.3), (1, 0.9)])
    assert (state.severity[0], state.peak[0], state.number[0]) == (2, 2, 1)
    assert state.start_ms[0] == ORIGIN_MS
    _, state = run([(0, 0.3), (1, 0.0), (2, 0.9), (3, 0.0)])
    assert (state.severity[0], state.peak[0], state.number[0]) == (0, 2, 2)
    assert state.start_ms[0] == ORIGIN_MS + 2 * MINUTE_MS


def test_a_step_does_not_change_the_state_before() -> None:
    state = empty_state(1)
    step(state, np.array([0.9]), np.array([ORIGIN_MS]), POLICY)
    assert state.number.tolist() == state.severity.tolist() == [0]


@pytest.mark.parametrize(
    ("medium", "high", "off"),
    [(0.2, 0.1, 0.05), (0.2, 0.5, 0.2), (0.2, 0.2, 0.1), (0.2, 0.5, 0), (0.2, 1.1, 0.1),
     (float("nan"), 0.5, 0.1)],
)  # fmt: skip
def test_thresholds_out_of_order_are_refused(medium: float, high: float, off: float) -> None:
    with pytest.raises(ValueError, match="must rise"):
        AlertPolicy(medium, high, off)


MINUTES_AND_RISKS = st.lists(
    st.tuples(st.integers(0, 400), st.sampled_from([0.0, 0.15, 0.3, 0.7])), max_size=80
)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(MINUTES_AND_RISKS)
def test_at_most_one_start_in_12_h_unless_severity_rises(
    gaps_and_risks: list[tuple[int, float]],
) -> None:
    minute, course = 0, []
    for gap, risk in gaps_and_risks:
        minute += gap
        course.append((float(minute), risk))
    phases, _ = run(course)
    severity, peak, started = 0, 0, -LOCKOUT_MS
    for (at, risk), phase in zip(course, phases, strict=True):
        level = (risk > POLICY.medium) + (risk > POLICY.high)
        if phase == S:
            assert severity == 0
            assert at * MINUTE_MS - started >= LOCKOUT_MS or level > peak
            severity = peak = level
            started = round(at * MINUTE_MS)
        elif phase == E:
            assert 0 < severity < level
            severity = peak = level
        elif phase == X:
            assert severity > 0
            assert risk < POLICY.off
            severity = 0
        else:  # nothing was due
            assert not (severity and risk < POLICY.off)
            assert not (0 < severity < level)
            locked = at * MINUTE_MS - started < LOCKOUT_MS
            assert severity or not level or (locked and level <= peak)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.lists(MINUTES_AND_RISKS.filter(lambda c: len(c) >= 5), min_size=2, max_size=4))
def test_many_stays_at_once_are_each_alone(courses: list[list[tuple[int, float]]]) -> None:
    together = empty_state(len(courses))
    phases = []
    for i in range(5):
        risk = np.array([course[i][1] for course in courses])
        time_ms = np.array([ORIGIN_MS + i * LOCKOUT_MS // 3] * len(courses))
        together, phase = step(together, risk, time_ms, POLICY)
        phases.append(phase.tolist())
    for index, course in enumerate(courses):
        alone, _ = run([(i * 240, course[i][1]) for i in range(5)])
        assert [p[index] for p in phases] == alone
