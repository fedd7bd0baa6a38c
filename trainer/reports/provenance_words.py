"""Provenance of a fit, in the words of its card: what was learned from, split and chosen on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from streamer.bundles.manifest import Figures
from streamer.core.model import ID_DIGITS
from trainer.decisions.chosen_stays import BOTH, VALIDATION, whose
from trainer.decisions.operating_point import enough_to_choose

_DECIDED: Final = "\nThose of them who decide on promotions are left out of the figures."
_KNOWN: Final = "\nThose of them whom the bundle before was fitted on are left out of the figures."
_EITHER: Final = (
    "\nThose of them who decide on promotions, or whom the bundle before was fitted on, are left "
    "out\nof the figures."
)


def provenance_words(about: Figures) -> dict[str, str]:
    """The parts of a card that depend on how its fit came about, by their names in the template.

    Args:
        about: the manifest's parts that ``trainer fit`` makes.
    """
    recipe, split = about["recipe"], about.get("split") or {"salt": about["recipe"]["salt"]}
    return {
        "target": _target(recipe["teacher_share"]),
        "rule": _rule(split),
        "chosen": _chosen(about),
        "left_out": _left_out(about),
    }


def chosen_on(about: Figures) -> str:
    """Whose stays calibration and thresholds were chosen on."""
    kept = about.get("chosen_on")
    if kept is not None:
        return whose(kept)
    return VALIDATION if enough_to_choose(_septic_validation_stays(about)) else BOTH


def _septic_validation_stays(about: Figures) -> int:
    return int(about["data"]["sides"]["validation"]["n_septic"])


def _left_out(about: Figures) -> str:
    if (about.get("split") or {}).get("decided"):
        return _EITHER if "started_from" in about else _DECIDED
    n_measured = about["metrics"]["test"]["n_patients"]
    fewer = n_measured < about["data"]["sides"]["test"]["n_patients"]
    return _KNOWN * (fewer and "started_from" in about)


def _target(teacher_share: float) -> str:
    """What the 6 h risk learned from; the word that follows is `patients`."""
    if not teacher_share:
        return "the labels alone, of training"
    return (
        f"the labels and,\nfor {teacher_share:.0%} of the target, from gradient-boosted trees "
        "fitted on other training"
    )


def _rule(split: Mapping[str, Any]) -> str:
    """How the sides were found, as the manifest's `split` says."""
    if "file_sha256" in split:
        return "by a file that names the side of each"
    if "dates" in split:
        first, later = split["dates"]
        return f"by the day of their first stay (validation from {first} on, test from {later} on)"
    fold = ", a fold of it" * bool(split.get("turn"))
    return f"by a hash of their id (salt `{split['salt']}`{fold})"


def _chosen(about: Figures) -> str:
    """The patients that each choice of the fit rests on."""
    scaling = "Scaling comes from training patients alone"
    if "started_from" in about:
        scaling = (
            f"The fit goes on from bundle {about['started_from'][:ID_DIGITS]} with its scaling"
        )
    if chosen_on(about) == VALIDATION:
        return f"{scaling}; stopping, calibration and thresholds from validation\npatients alone."
    kept = about.get("chosen_on")
    if kept is not None and kept["sides"] == VALIDATION:
        return (
            f"{scaling}; stopping from validation patients alone.\n"
            f"Calibration and thresholds come from {kept['n_patients']:,} stays of the site among "
            f"these ({kept['n_septic']:,} septic)."
        )
    seen = "risks may be too extreme."
    if "started_from" in about:
        seen = "each fifth as networks see it that did not learn from it."
        if kept is not None and kept["learned"]:
            seen += "\nThe bundle before had learned from some of them: risks may be too extreme."
    n_septic = _septic_validation_stays(about)
    why = f"Only {n_septic} of these are septic"
    if enough_to_choose(n_septic):
        why = "The bundle before had learned from most of these"
    own = "the site's own " * (kept is not None and kept["site"])
    return (
        f"{scaling}; stopping from validation patients alone.\n"
        f"{why}, so calibration and "
        f"thresholds come from {own}training and\nvalidation patients together: {seen}"
    )
