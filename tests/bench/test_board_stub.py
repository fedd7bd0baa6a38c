"""The scripted board of the pages answers as the real one: the same fields, of the same types."""

from __future__ import annotations

from typing import Any, get_type_hints

import msgspec
import pytest

from bench.board_details import alert_list, audit, burden, details
from bench.board_stub import SESSION
from bench.board_ward import Json, card, system
from streamer.board.api import AuditRow, Burden, Card, Identity, PatientDetail, System, WardAlert

CARDS = [card(number) for number in range(1, 26)]


def rows(document: Json) -> list[Any]:
    (listed,) = document.values()
    assert isinstance(listed, list)
    assert listed
    return listed


@pytest.mark.parametrize(
    ("kind", "documents"),
    [
        (Card, CARDS),
        (PatientDetail, [details(one) for one in CARDS]),
        (WardAlert, rows(alert_list(CARDS))),
        (AuditRow, rows(audit(CARDS))),
        (System, [system()]),
        (Burden, [burden(7)]),
        (Identity, [SESSION]),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_the_script_is_of_the_types_of_the_api(kind: type, documents: list[Any]) -> None:
    for document in documents:
        msgspec.convert(document, kind)
        assert document.keys() == get_type_hints(kind).keys()
