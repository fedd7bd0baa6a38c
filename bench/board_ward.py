"""A scripted ward for the pages of the board: 24 beds with alerts in every state.

The JSON is that of the board's API. All times are relative to `EPOCH`, so that pictures and tests
are the same on each day.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

EPOCH = datetime(2026, 11, 27, 9, 42, 10, tzinfo=UTC)
MODEL = "3fa9c1d20b77"
THRESHOLD = 0.18

Json = dict[str, object]


# Invented names. The script is a key of `_ALERTS`, or empty.
_PEOPLE: tuple[tuple[str, int, str, float, str], ...] = (
    ("Brandt, I.", 71, "female", 0.03, ""),
    ("Okafor, D.", 58, "male", 0.41, "high"),
    ("Lindqvist, E.", 64, "female", 0.05, ""),
    ("Moreau, J.", 77, "male", 0.24, "medium"),
    ("Castellano, R.", 49, "male", 0.02, ""),
    ("Haddad, S.", 66, "female", 0.08, ""),
    ("Novak, P.", 82, "male", 0.22, "acknowledged"),
    ("Petrov, A.", 55, "male", 0.04, ""),
    ("Yilmaz, F.", 61, "female", 0.06, "silent"),
    ("Andersen, K.", 73, "male", 0.27, "treated"),
    ("Ferrari, L.", 45, "female", 0.01, ""),
    ("O'Brien, M.", 69, "male", 0.03, ""),
    ("Kowalska, Z.", 80, "female", 0.36, "high acknowledged"),
    ("Schmidt, H.", 52, "male", 0.07, ""),
    ("Dubois, C.", 60, "female", 0.09, "ended"),
    ("Silva, T.", 38, "male", 0.02, ""),
    ("Nakamura, Y.", 74, "female", 0.21, "snoozed"),
    ("Weber, G.", 67, "male", 0.05, ""),
    ("Eriksen, B.", 59, "female", 0.03, "new"),
    ("Rossi, N.", 70, "male", 0.30, "paused"),
    ("Varga, L.", 63, "female", 0.04, ""),
    ("Jansen, W.", 85, "male", 0.26, "overdue"),
    ("Fischer, A.", 47, "female", 0.06, ""),
    ("Horvat, D.", 76, "male", 0.05, ""),
)


def stamp(minutes_ago: float = 0.0) -> str:
    """RFC 3339 of so many minutes before `EPOCH`."""
    return (EPOCH - timedelta(minutes=minutes_ago)).isoformat().replace("+00:00", "Z")


def milliseconds(minutes_ago: float = 0.0) -> int:
    """Epoch milliseconds of so many minutes before `EPOCH`."""
    return round((EPOCH - timedelta(minutes=minutes_ago)).timestamp() * 1000)


def minutes_since(text: object) -> float:
    """Minutes from an RFC 3339 time to `EPOCH`."""
    return (EPOCH - datetime.fromisoformat(str(text))).total_seconds() / 60


# Variable, unit, direction beyond its limit and before it, the limit, contribution.
_CAUSES = (
    ("lactate", "mmol/L", "high", "rising", 2.0, 0.62),
    ("map", "mm[Hg]", "low", "falling", 70.0, 0.41),
    ("resp_rate", "/min", "high", "rising", 20.0, 0.33),
    ("temperature", "Cel", "high", "rising", 38.0, 0.21),
    ("wbc", "10*3/uL", "high", "rising", 11.0, 0.12),
)
_ILL_VALUES = {"lactate": (4.1, 25.0), "map": (58.0, 4.0), "resp_rate": (27.0, 2.0)} | {
    "temperature": (38.9, 49.0),
    "wbc": (17.4, 242.0),
}


def reasons(values: dict[str, tuple[float, float]]) -> list[Json]:
    """The reasons of an alert, from the values and ages in minutes at its start."""
    return [
        {
            "variable": variable,
            "value": values[variable][0],
            "unit": unit,
            "age_minutes": values[variable][1],
            "direction": beyond
            if (values[variable][0] < limit if beyond == "low" else values[variable][0] > limit)
            else before,
            "contribution": contribution,
        }
        for variable, unit, beyond, before, limit, contribution in _CAUSES
    ]


def alert(patient: str, severity: str, began: float, **changes: object) -> Json:
    """An alert that is on, `began` minutes ago, and not answered."""
    wait = 10 if severity == "high" else 30
    return {
        "alert_id": f"{patient}/{stamp(began)}/1",
        "revision": 1,
        "acknowledged": 0,
        "severity": severity,
        "on": True,
        "started": stamp(began),
        "changed": stamp(began),
        "ended": None,
        "risk": 0.31,
        "threshold": THRESHOLD,
        "respond_by": stamp(began - wait),
        "snoozed_until": None,
        "overdue": False,
        "acknowledged_by": None,
        "acknowledged_time": None,
        "reasons": reasons(_ILL_VALUES),
        "phase": "start",
        **changes,
    }


_SEEN = {"acknowledged": 1, "phase": "acknowledge"} | {
    "acknowledged_by": "a.nurse",
    "acknowledged_time": stamp(38),
}
# State, severity, minutes since the start, fields of the alert, fields of the card.
_ALERTS: dict[str, tuple[str, str, float, Json, Json]] = {
    "high": (
        "open",
        "high",
        95,
        {"revision": 2, "changed": stamp(4.2), "respond_by": stamp(-5.8), "phase": "escalate"},
        {},
    ),
    "medium": ("open", "medium", 12, {}, {}),
    "acknowledged": ("acknowledged", "medium", 61, _SEEN, {}),
    "high acknowledged": ("acknowledged", "high", 44, _SEEN, {}),
    "treated": ("open", "medium", 22, {}, {"treated": {"since": stamp(200)}}),
    "ended": ("ended_unseen", "medium", 240, {"on": False, "ended": stamp(55), "phase": "end"}, {}),
    "snoozed": ("snoozed", "medium", 50, {"snoozed_until": stamp(-12.5), "phase": "snooze"}, {}),
    "paused": (
        "paused",
        "medium",
        80,
        {},
        {
            "paused": {"reason": "treated", "until": stamp(-400), "by": "a.nurse"},
            "treated": {"since": stamp(410)},
        },
    ),
    "overdue": ("open", "medium", 42, {"overdue": True}, {}),
}


def _response(patient: str, script: str, causes: list[Json]) -> Json:
    """The fields of a card that its script changes."""
    if script not in _ALERTS:
        return {"state": "none", "alert": None}
    state, severity, began, changes, fields = _ALERTS[script]
    begun = alert(patient, severity, began, **{"reasons": causes, **changes})
    return {"state": state, "alert": begun, **fields}


def _rise(hour: float) -> float:
    return 1 / (1 + math.exp((hour - 1.2) / 0.9))


def risks(
    level: float, dice: random.Random, hours: int, alarms: Sequence[tuple[float, float]] = ()
) -> list[tuple[float, float]]:
    """Hourly risk (minutes ago, risk) that ends at `level` and lies above the limit in `alarms`.

    Args:
        level: the last risk.
        dice: of the noise.
        hours: how many, beside the last.
        alarms: earlier alerts, (from, until) in minutes ago.
    """
    points = []
    for hour in range(hours, -1, -1):
        noise = dice.uniform(-0.01, 0.01) * (hour > 0)  # the last risk is that of the card
        risk = min(level, 0.03) + noise + (level - min(level, 0.03)) * _rise(hour) / _rise(0)
        if any(begin >= hour * 60 >= end for begin, end in alarms):
            risk = THRESHOLD + 0.03 + noise
        points.append((hour * 60 + 2.0, round(max(0.003, risk), 4)))
    return points


def card(number: int, ward: str = "ICU 1") -> Json:
    """The card of bed `number`, from 1; beyond 24 the people come again."""
    label, age, sex, level, script = _PEOPLE[(number - 1) % len(_PEOPLE)]
    patient = f"mrn-{480_000 + number * 37:07d}"
    dice = random.Random(number)
    ill = level / 0.4
    silent = 31.0 if script == "silent" else 1.0 + dice.random() * 3
    last: dict[str, list[float]] = {
        "heart_rate": [round(78 + 34 * ill + dice.gauss(0, 6)), 1],
        "map": [round(82 - 22 * ill + dice.gauss(0, 4)), 4],
        "sbp": [round(124 - 26 * ill + dice.gauss(0, 6)), 4],
        "resp_rate": [round(15 + 11 * ill + dice.gauss(0, 2)), 2],
        "spo2": [min(100, round(97 - 4 * ill + dice.gauss(0, 1))), 1],
        "temperature": [round(36.8 + 1.9 * ill + dice.gauss(0, 0.2), 1), 35 + number * 7],
        "lactate": [round(1.1 + 3 * min(1.0, ill), 1), 25],
        "wbc": [round(8.2 + 9.2 * min(1.0, ill), 1), 242],
    }
    answer = _response(
        patient, script, reasons({name: (value, age) for name, (value, age) in last.items()})
    )
    ended = [(240.0, 55.0)] if script == "ended" else []
    series = risks(level, dice, 1 if script == "new" else 24, ended)
    return {
        "patient": patient,
        "label": label,
        "ward": ward,
        "bed": str(number),
        "age": age,
        "sex": sex,
        "admitted": stamp(60 * (20 + number * 3)),
        "discharged": None,
        "partition": number % 6,
        "paused": None,
        "treated": None,
        **answer,
        "risk": {
            "value": level,
            "time": stamp(silent),
            "bin": 20 + number * 3,
            "threshold": THRESHOLD,
            "positive": level > 0.024,
            "trend": "up" if level > 0.2 else "flat" if number % 3 else "down",
            "hours_of_data": 1 if script == "new" else 20 + number,
            "indeterminate": script == "new",
        },
        "series": [[milliseconds(ago), risk] for ago, risk in series],
        "news2": max(0, round(1 + 9 * ill + dice.random() * 2)),
        "qsofa": min(3, round(2.4 * ill)),
        "last": last,
        "last_contact": stamp(silent),
        "model": MODEL,
        "answers": [],
    }


def system(**changes: object) -> Json:
    """The state of the whole, all well."""
    return {
        "time": stamp(),
        "clock": "wall",
        "log_time": None,
        "kafka": "ok",
        "kafka_since": None,
        "scoring": "ok",
        "scoring_since": None,
        "feed": "ok",
        "feed_since": None,
        "history": "ok",
        "model": MODEL,
        "outcome": "sepsis",
        "zone": "Europe/Berlin",
        "auth": "session",
        "stale_minutes": 15,
        "privacy": False,
        "sound": False,
        "counts": {"beds": 24, "high": 2, "medium": 7, "overdue": 1},
        "version": "0.2.0",
        "settings": {
            "respond_high": 600,
            "respond_medium": 1800,
            "snooze_max": 7200,
            "snooze_max_high": 1800,
            "pause_max": 43200,
        },
        **changes,
    }
