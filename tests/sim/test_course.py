from __future__ import annotations

import numpy as np

from streamer.sim.course import draw_course


def test_a_septic_course_rises_around_its_onset_and_outlasts_it() -> None:
    rng = np.random.default_rng(0)
    courses = [draw_course(rng, 1.0) for _ in range(200)]
    for course in courses:
        assert course.onset_h is not None and course.antibiotic_h is not None
        assert course.length_h >= course.onset_h + 9
        assert course.antibiotic_h >= course.onset_h
        assert course.infection.shape == course.alarm.shape == (course.hours + 1,)
    late = [c for c in courses if c.onset_h is not None and c.onset_h > 24]
    at_onset = np.mean([c.infection[round(c.onset_h or 0)] for c in late])
    day_before = np.mean([c.infection[round(c.onset_h or 0) - 24] for c in late])
    assert day_before < 0.05
    assert at_onset > 0.5


def test_a_course_without_sepsis_has_no_infection() -> None:
    rng = np.random.default_rng(0)
    courses = [draw_course(rng, 0.0) for _ in range(200)]
    assert not any(course.infection.any() or course.alarm.any() for course in courses)
    assert {course.onset_h for course in courses} == {None}
    assert any(course.antibiotic_h is not None for course in courses)
    assert 30 < np.median([course.length_h for course in courses]) < 47
