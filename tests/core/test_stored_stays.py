"""Stays that released versions have stored are read, and go on as if they had been ours."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

from bench import stored_stays
from streamer import Monitor
from streamer.core import codec
from streamer.core.codec import Era
from streamer.core.model import ID_DIGITS
from streamer.core.state_stepping import rewarm
from streamer.core.stays import WEIGHT_FIELDS, StayTable
from streamer.core.stored_formats import NEWEST, OLDEST, OLDEST_WRITTEN, WITH_OWN, WITHOUT_OWN
from streamer.core.stored_header import MISSING

FILES: Final = sorted((Path(__file__).parent / "stored").glob("*.json"))
_UNDER: Final = {"under_value", "under_offset_ms", "under_rank"}  # for corrections, since format 3


def monitor_of(stays: dict[str, bytes], model_id: str) -> Monitor:
    """A monitor that goes on with these stays."""
    monitor = Monitor(risk_interval_s=60)
    table: StayTable = monitor._scorer.table
    is_same = _shown(model_id) == _shown(monitor._model.model_id)
    own = Era(monitor._model.model_id, 0 if is_same else 1)
    foreign = codec.decode(table, 0, stays, own)
    rewarm(table, np.array([table.slot_of[patient] for patient in foreign], np.intp))
    return monitor


def _shown(model_id: str) -> str:
    return model_id[:ID_DIGITS]


def undisturbed() -> Monitor:
    monitor = Monitor(risk_interval_s=60)
    monitor.update_many(stored_stays.events())
    return monitor


def fields_of(monitor: Monitor, patient: str, names: set[str]) -> dict[str, Any]:
    table = monitor._scorer.table
    return {name: table[name][table.slot_of[patient]].tolist() for name in sorted(names)}


def test_there_is_a_file_of_each_released_version_and_of_this_one() -> None:
    formats = {stored_stays.read(file)[0]["format"] for file in FILES}
    assert {OLDEST, NEWEST} <= formats


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_stays_of_each_version_are_read_and_go_on(file: Path) -> None:
    content, stays = stored_stays.read(file)
    assert set(stays) == {"well", "left", "sick"}
    old, new = monitor_of(stays, content["model"]), undisturbed()
    table = old._scorer.table
    # What a format had no room for begins anew; the notice is then said again.
    missing = MISSING[content["format"]]
    if content["format"] == OLDEST:
        missing |= _UNDER
    names = table.fields.keys() - WEIGHT_FIELDS - missing
    if _shown(content["model"]) != _shown(new._model.model_id):
        names -= {"dirty"}  # another model's: it is stepped again
    for patient in stays:
        assert str(fields_of(old, patient, names)) == str(fields_of(new, patient, names))
        slots = (table.slot_of[patient], new._scorer.table.slot_of[patient])
        assert table.locations[slots[0]] == new._scorer.table.locations[slots[1]]
    said = [
        {m["patient_id"]: (m["risk"], m["bin"]) for m in each if "bin" in m}
        for each in (m.update_many(stored_stays.next_events())[0] for m in (old, new))
    ]
    assert said[0].keys() == said[1].keys() == stays.keys()
    for patient, (risk, bin_) in said[1].items():
        assert said[0][patient] == (pytest.approx(risk, abs=1e-5), bin_)
        # Builds of form 2 began a new stay after each discharge (decision 023).
        is_same = _shown(content["model"]) == _shown(new._model.model_id)
        if is_same and not (patient == "left" and content["format"] == OLDEST):
            assert risk == pytest.approx(content["next"][patient], abs=1e-5)


@pytest.mark.parametrize("written", range(OLDEST_WRITTEN, NEWEST + 1))
def test_each_format_that_can_be_written_is_read_with_all_that_it_has_room_for(
    written: int,
) -> None:
    new = undisturbed()
    table = new._scorer.table
    table.written_format = written
    slots = np.array(list(table.slot_of.values()), np.intp)
    era = Era(new._model.model_id)
    stays = dict(zip(table.slot_of, codec.encode(table, slots, era), strict=True))
    assert {stay[4] for stay in stays.values()} == {WITHOUT_OWN if written == WITH_OWN else written}
    again = StayTable(table.architecture, written_format=written)
    assert codec.decode(again, 0, stays, era) == []
    slots = np.array([again.slot_of[patient] for patient in stays], np.intp)
    assert codec.encode(again, slots, era) == list(stays.values())
    for name in table.fields.keys() - MISSING[written]:
        for patient in stays:
            assert (
                again[name][again.slot_of[patient]].tobytes()
                == table[name][table.slot_of[patient]].tobytes()
            )
