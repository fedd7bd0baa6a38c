"""The scripted ward's answers beside its cards: details, alerts, burden, audit."""

from __future__ import annotations

import math
import random

from bench.board_ward import Json, milliseconds, stamp

# Variable, unit, usual range, how far it is beyond it in a very ill patient.
_VALUES: tuple[tuple[str, str, float | None, float | None, float, float], ...] = (
    ("heart_rate", "/min", 60, 100, 78, 112),
    ("map", "mm[Hg]", 70, 105, 82, 58),
    ("sbp", "mm[Hg]", 100, 160, 124, 94),
    ("resp_rate", "/min", 12, 20, 15, 27),
    ("spo2", "%", 94, None, 97, 92),
    ("temperature", "Cel", 36.0, 38.0, 36.8, 38.9),
    ("lactate", "mmol/L", None, 2.0, 1.1, 4.1),
    ("wbc", "10*3/uL", 4.0, 11.0, 8.2, 17.4),
    ("creatinine", "mg/dL", 0.6, 1.3, 0.9, 1.9),
    ("platelets", "10*3/uL", 150, 400, 240, 131),
    ("bilirubin_total", "mg/dL", None, 1.2, 0.7, 1.5),
    ("ph", "[pH]", 7.35, 7.45, 7.40, 7.31),
    ("glucose", "mg/dL", 70, 180, 118, 171),
    ("potassium", "mmol/L", 3.5, 5.1, 4.2, 4.6),
)
_CURVES = {"heart_rate": 5.0, "map": 4.0, "sbp": 6.0, "resp_rate": 1.6, "spo2": 0.9}
_NURSE = {"user": "a.nurse", "name": "A. Nurse", "role": "nurse", "how": "session", "station": None}


def _curve(calm: float, ill: float, spread: float, dice: random.Random) -> list[list[float]]:
    """48 hourly values that go from `calm` to `ill` in the last ones."""
    points = []
    for hour in range(48, -1, -1):
        rise = 1 / (1 + math.exp((hour - 6) / 2.5))
        value = calm + (ill - calm) * rise + dice.gauss(0, spread)
        points.append([milliseconds(hour * 60 + 2), round(value, 1)])
    return points


def details(card: Json) -> Json:
    """GET /api/patients/{id}: the card, 48 hours of values, the alerts and their messages."""
    risk = card["risk"]
    level = risk["value"] if isinstance(risk, dict) else 0.0
    ill = min(1.0, level / 0.4)
    dice = random.Random(str(card["patient"]))
    values = [
        {
            "variable": name,
            "value": round(calm + (worst - calm) * ill, 2),
            "unit": unit,
            "time": stamp(2 if index < 5 else 25 + index * 31),
            "low": low,
            "high": high,
        }
        for index, (name, unit, low, high, calm, worst) in enumerate(_VALUES)
    ]
    vitals: dict[str, list[list[float]]] = {
        name: _curve(calm, calm + (worst - calm) * ill, _CURVES[name], dice)
        for name, _, _, _, calm, worst in _VALUES
        if name in _CURVES
    }
    vitals["temperature"] = _curve(36.8, 36.8 + 2.1 * ill, 0.15, dice)[::4]
    history: list[Json] = [
        {"time": stamp(hour * 60 + 2), "risk": round(value / 1000, 4)}
        for hour, value in zip(
            range(48, -1, -1),
            (p[1] for p in _curve(30, 1000 * level, 8, dice)),
            strict=True,
        )
    ]
    for point in history:
        point["risk"] = max(0.004, float(str(point["risk"])))
    return {
        **card,
        "values": values,
        "history": history,
        "vitals": vitals,
        "alerts": _alerts(card),
        "history_available": True,
    }


def _message(minutes_ago: float, phase: str, severity: str, **more: object) -> Json:
    message: Json = {"time": stamp(minutes_ago), "phase": phase, "severity": severity}
    return {**message, "by": None, "note": None, "refusal": None, "revision": 1, **more}


def _alerts(card: Json) -> list[Json]:
    alert = card["alert"]
    if not isinstance(alert, dict):
        return []
    messages = [_message(95, "start", "medium")]
    if alert["severity"] == "high":
        note = "Lactate again, cultures taken, Dr. Lee informed."
        messages += [
            _message(88, "acknowledge", "medium", by=_NURSE, note=note),
            _message(34, "snooze", "medium", by=_NURSE),
            _message(4.2, "escalate", "high", revision=2),
        ]
    earlier: Json = {
        "alert_id": f"{card['patient']}/{stamp(2100)}/1",
        "started": stamp(2100),
        "ended": stamp(1860),
        "severity": "medium",
        "messages": [
            _message(2100, "start", "medium"),
            _message(2071, "overdue", "medium"),
            _message(2052, "acknowledge", "medium", by=_NURSE),
            _message(1860, "end", "medium"),
        ],
    }
    now: Json = {
        "alert_id": alert["alert_id"],
        "started": alert["started"],
        "ended": alert["ended"],
        "severity": alert["severity"],
        "messages": messages,
    }
    return [now, earlier] if alert["severity"] == "high" else [now]


def alert_list(cards: list[Json]) -> Json:
    """GET /api/alerts."""
    rows = []
    for card in cards:
        alert = card["alert"]
        if isinstance(alert, dict):
            same = ("alert_id", "severity", "started", "ended", "acknowledged_by")
            row = {key: card[key] for key in ("patient", "label", "ward", "bed", "state")}
            row |= {key: alert[key] for key in (*same, "acknowledged_time", "risk", "reasons")}
            rows.append(row)
    return {"alerts": rows}


def burden(days: int) -> Json:
    """GET /api/burden."""
    return {
        "days": days,
        "beds": 24,
        "starts": 51,
        "starts_per_bed_day": 0.30,
        "acknowledge_p50_s": 254.0,
        "acknowledge_p90_s": 1130.0,
        "overdue_share": 0.08,
        "verdicts": {"n": 27, "true": 4, "false": 19, "unsure": 4, "ppv": 0.174},
        "model_ppv": 0.11,
        "model_ppv_source": "internal test patients, PhysioNet 2019",
        "by_day": [
            {"day": f"2026-11-{21 + i}", "starts": n, "overdue": n // 5}
            for i, n in enumerate((8, 5, 9, 7, 6, 10, 6))
        ],
    }


def audit(cards: list[Json]) -> Json:
    """GET /api/audit: one row of each kind, with text that must stay text."""
    who = {"user": "a.nurse", "name": "A. Nurse", "role": "nurse", "alert_id": None, "revision": 1}
    hostile = {"reason": "at_bedside", "note": '<img src=x onerror="window.harmed=1">'}
    rows: list[Json] = [
        {"action": "acknowledge", "reason": None, "note": None, "outcome": "acknowledge"},
        {"action": "snooze", **hostile, "outcome": "refused: too_long"},
        {"action": "pause", "reason": "treated", "note": "=1+1", "outcome": "not confirmed"},
    ]
    return {
        "rows": [
            {**who, **row, "time": stamp(40 * i + 3), "patient": cards[i]["patient"]}
            | {"action_id": f"00000000-0000-4000-8000-00000000000{i}"}
            for i, row in enumerate(rows)
        ]
    }
