from __future__ import annotations

from streamer.service.pseudonyms import Pseudonyms

PATIENT = "Müller-1955-03-07"


def test_a_pseudonym_is_of_the_patient_and_the_key() -> None:
    ward = Pseudonyms("ward")
    assert ward.of(PATIENT) == Pseudonyms("ward").of(PATIENT)
    assert len({ward.of(PATIENT), ward.of("p"), Pseudonyms("other").of(PATIENT)}) == 3
    assert len(ward.of(PATIENT)) == 16
    assert PATIENT not in ward.of(PATIENT)


def test_without_a_key_nobody_can_look_one_up() -> None:
    assert Pseudonyms("").of(PATIENT) != Pseudonyms("").of(PATIENT)


def test_fields_that_hold_patients_are_replaced() -> None:
    names = Pseudonyms("ward")
    line = names(
        None,
        "info",
        {
            "patient": PATIENT,
            "patients": ["a", "b"],
            "key": PATIENT.encode(),
            "patient_id": None,
            "partition": 3,
            "event": "said",
        },
    )
    assert line == {
        "patient": names.of(PATIENT),
        "patients": sorted([names.of("a"), names.of("b")]),
        "key": names.of(PATIENT),
        "patient_id": None,
        "partition": 3,
        "event": "said",
    }
