"""The scripted ward's answers beside its cards: details, alerts, burden, audit."""

from __future__ import annotations

import math
import random

from bench.board_ward import Json, milliseconds, minutes_since, risks, stamp

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
    """47 hourly values that go from `calm` to `ill` in the last ones."""
    points = []
    for hour in range(48, 0, -1):
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
    newest = _newest(card)
    measured = {
        name: newest.get(name, (round(calm + (worst - calm) * ill, 2), 25.0 + index * 31))
        for index, (name, _, _, _, calm, worst) in enumerate(_VALUES)
    }
    values = [
        {
            "variable": name,
            "value": measured[name][0],
            "unit": unit,
            "time": stamp(measured[name][1]),
            "low": low,
            "high": high,
        }
        for name, unit, low, high, _, _ in _VALUES
    ]
    vitals: dict[str, list[list[float]]] = {
        name: _curve(calm, calm + (worst - calm) * ill, _CURVES[name], dice)
        for name, _, _, _, calm, worst in _VALUES
        if name in _CURVES
    }
    vitals["temperature"] = _curve(36.8, 36.8 + 2.1 * ill, 0.15, dice)[::4]
    for name, points in vitals.items():
        value, ago = measured[name]
        points.append([milliseconds(ago), value])
    history = [
        {"time": stamp(ago), "risk": value} for ago, value in risks(level, dice, 48, _alarms(card))
    ]
    return {
        **card,
        "values": values,
        "history": history,
        "vitals": vitals,
        "alerts": _alerts(card),
        "history_available": True,
    }


def _newest(card: Json) -> dict[str, tuple[float, float]]:
    """The values of the card with their ages now, in minutes."""
    last, risk = card["last"], card["risk"]
    if not (isinstance(last, dict) and isinstance(risk, dict)):
        return {}
    since = minutes_since(risk["time"])
    return {name: (value, age + since) for name, (value, age) in last.items()}


# An earlier alert of those who are very ill, in minutes ago.
_EARLIER = (2100.0, 1860.0)


def _alarms(card: Json) -> list[tuple[float, float]]:
    """Alerts that have ended: (from, until) in minutes ago."""
    alert = card["alert"]
    if not isinstance(alert, dict):
        return []
    if alert["ended"]:
        return [(minutes_since(alert["started"]), minutes_since(alert["ended"]))]
    return [_EARLIER] if alert["severity"] == "high" else []


def _message(minutes_ago: float, phase: str, severity: str, **more: object) -> Json:
    message: Json = {"time": stamp(minutes_ago), "phase": phase, "severity": severity}
    return {**message, "by": None, "note": None, "refusal": None, "revision": 1, **more}


def _messages(alert: Json) -> list[Json]:
    """The messages of the newest alert, as its fields say."""
    began, severity = minutes_since(alert["started"]), str(alert["severity"])
    if alert["revision"] == 2:
        note = "Lactate again, cultures taken, Dr. Lee informed."
        return [
            _message(began, "start", "medium"),
            _message(began - 7, "acknowledge", "medium", by=_NURSE, note=note),
            _message(4.2, "escalate", "high", revision=2),
        ]
    messages = [_message(began, "start", severity)]
    if alert["overdue"]:
        messages.append(_message(began - 30, "overdue", severity))
    if alert["acknowledged_time"]:
        seen = minutes_since(alert["acknowledged_time"])
        messages.append(_message(seen, "acknowledge", severity, by=_NURSE))
    if alert["snoozed_until"]:
        messages.append(_message(2.5, "snooze", severity, by=_NURSE))
    if alert["ended"]:
        messages.append(_message(minutes_since(alert["ended"]), "end", severity))
    return messages


def _alerts(card: Json) -> list[Json]:
    alert = card["alert"]
    if not isinstance(alert, dict):
        return []
    begin, end = _EARLIER
    earlier: Json = {
        "alert_id": f"{card['patient']}/{stamp(begin)}/1",
        "started": stamp(begin),
        "ended": stamp(end),
        "severity": "medium",
        "messages": [
            _message(begin, "start", "medium"),
            _message(begin - 30, "overdue", "medium"),
            _message(begin - 48, "acknowledge", "medium", by=_NURSE),
            _message(end, "end", "medium"),
        ],
    }
    same = ("alert_id", "started", "ended", "severity")
    now: Json = {**{key: alert[key] for key in same}, "messages": _messages(alert)}
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
        "bed_days": 168.0,
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
