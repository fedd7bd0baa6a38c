from __future__ import annotations

import pytest

from streamer.core import stored_variables
from streamer.core.own_variables import read_own
from streamer.core.variables import BUILT_IN, VariableTable
from tests.support.task_files import NEW_VARIABLES


def test_names_units_and_reference_ranges_come_back() -> None:
    table = VariableTable(read_own(NEW_VARIABLES))
    again = stored_variables.read(stored_variables.write(table))
    assert again.key == table.key == (("procalcitonin", "ng/mL"), ("sodium", "mmol/L"))
    assert [v.reference for v in again.own] == [(0, 0.5), (135, 145)]
    assert stored_variables.write(BUILT_IN) == b""
    assert stored_variables.read(b"") == BUILT_IN


@pytest.mark.parametrize("text", [b"sodium mmol/L 1", b"a b c d", b"\xff", b"ph 1 0.0 1.0"])
def test_what_nobody_wrote_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError):
        stored_variables.read(text)
