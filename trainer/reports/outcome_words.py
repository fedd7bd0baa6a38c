"""The outcome of a bundle, in the words of its card: of the shipped task, or of one's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from streamer.bundles.manifest import is_of_stay
from streamer.core.own_variables import read_own
from streamer.core.variables import VARIABLES

_SEPSIS_LABEL: Final = """\
That the label is right. It is Sepsis-3 from orders and cultures, and its onset is uncertain by
  hours. Records of septic stays stop some 3 hours after onset, so hours later than that are hardly
  represented."""

_OWN_LABEL: Final = """\
That the label is right: {outcome}. In this card a *septic* stay is one with this outcome, *onset*
  is its hour, and the utility is that of the sepsis challenge, which was not made for it."""

_STAY_LABEL: Final = """\
That the label is right: {outcome}. In this card a *septic* stay is one with this outcome."""

_HORIZONS: Final = """\
three calibrated probabilities:
that {outcome} comes within 6 hours or has happened,
{longer}."""

_NO_HORIZON: Final = """\
a calibrated probability:
that the outcome of this stay is {outcome}. It has no horizon: the risks of three
horizons in a message are three estimates
of the same."""

_LONGER_NOTE: Final = """\
- The longer horizons (24 h, 48 h) count a stay that ended without sepsis as negative to its last
  hour."""

_STAY_NOTE: Final = """\
- When the outcome comes. Each hour has the label of its stay, so an early hour asks for more than a
  late one, and a long stay counts for more than a short one."""


def outcome_words(about: Mapping[str, Any]) -> dict[str, str]:
    """The words of a card that depend on the task."""
    task = about.get("task")
    words = {"first": "6 h risk", "looked_at": "utility, AUROC", "label_limit": _LONGER_NOTE}
    if task is None:
        outcome = "onset of sepsis (Sepsis-3, as the challenge labels it)"
        return {
            **words,
            "inputs": f"{len(VARIABLES)} vital signs and laboratory values",
            "title": "sepsis risk",
            "risks": _HORIZONS.format(outcome=outcome, longer="within 24 and within 48 hours"),
            "label_note": _SEPSIS_LABEL,
        }
    named = cast(Mapping[str, object], task["variables"])
    _, middle, long = cast(Sequence[int], task.get("horizons", (6, 24, 48)))
    outcome = str(task["outcome"])
    words |= {
        "inputs": f"{len(named)} vital signs and laboratory values{_own_variables(task)}",
        "title": f"risk: {outcome}",
        "risks": _HORIZONS.format(
            outcome=f"the outcome ({outcome})", longer=f"within {middle} and within {long} hours"
        ),
        "label_note": _OWN_LABEL.format(outcome=outcome),
    }
    if is_of_stay(about):
        words |= {
            "first": "risk",
            "looked_at": "AUROC",
            "risks": _NO_HORIZON.format(outcome=outcome),
            "label_note": _STAY_LABEL.format(outcome=outcome),
            "label_limit": _STAY_NOTE,
        }
    return words


def _own_variables(task: Mapping[str, object]) -> str:
    """The variables that the task defines, with units and limits; empty without any."""
    own = [
        f"{v.display} in {v.ucum} from {v.low:g} to {v.high:g}"
        for v in read_own(task.get("new_variables", {}))
    ]
    return f"\n(the task's own: {'; '.join(own)})" if own else ""
