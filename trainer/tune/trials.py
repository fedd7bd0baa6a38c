"""The trials of a search: the best one, the verdict, and the tables that are written."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from trainer.training.recipe import Recipe

BEST, TRIALS = "best.json", "trials.csv"

CAUTION: Final = (
    "the best of many trials was chosen by its validation score, which flatters it: "
    "judge it on test patients, once, with `trainer fit --against`"
)


@dataclass(frozen=True, slots=True)
class Trial:
    """One trial of a search.

    Attributes:
        number: counted from 0.
        state: ``complete``, ``pruned`` (cut short, behind the others), ``fail`` (interrupted) or
            ``running`` (in another process, or cut off with its process).
        score: utility plus AUROC of the best epoch on validation patients; ``None`` unless
            complete.
        utility: validation utility of that epoch.
        auroc: validation AUROC of that epoch.
        epochs: epochs of the LSTM that were run.
        seconds: duration.
        knobs: values by knob name.
    """

    number: int
    state: str
    score: float | None
    utility: float | None
    auroc: float | None
    epochs: int
    seconds: float
    knobs: dict[str, Any]

    def line(self) -> str:
        """The trial as a line of the log."""
        outcome = f"{self.state} after {self.epochs} epochs"
        if self.score is not None:
            outcome = f"score {self.score:.4f} (utility {self.utility:.4f}, AUROC {self.auroc:.4f})"
        return f"trial {self.number}: {outcome}, {self.seconds:.0f} s"


@dataclass(frozen=True, slots=True)
class Search:
    """A search with all its trials so far.

    Attributes:
        base: the baseline recipe, which the search is to beat.
        trials: all trials, by number.
        importances: the share of the score's variance that each knob explains (functional ANOVA,
            Hutter 2014), the largest first; empty while too few trials are complete.
        whose: the patients that trials are scored on, and how many.
    """

    base: Recipe
    trials: tuple[Trial, ...]
    importances: dict[str, float]
    whose: str = "validation patients"

    @property
    def complete(self) -> list[Trial]:
        """The trials that have a score."""
        return [trial for trial in self.trials if trial.score is not None]

    @property
    def best(self) -> Trial | None:
        """The trial of highest score, the earlier of equals; ``None`` before any is complete."""
        return max(self.complete, key=lambda trial: trial.score or 0.0, default=None)

    @property
    def first(self) -> Trial | None:
        """The complete trial of the baseline recipe; ``None`` until there is one."""
        return next((trial for trial in self.complete if self._is_base(trial)), None)

    def _is_base(self, trial: Trial) -> bool:
        return all(getattr(self.base, name) == value for name, value in trial.knobs.items())

    def options(self, trial: Trial) -> str:
        """The options with which ``trainer fit`` uses a trial's recipe.

        >>> trial = Trial(1, "complete", 1.2, 0.4, 0.8, 8, 60.0, {"hidden": 32, "bins": 6})
        >>> Search(Recipe(epochs=4), (trial,), {}).options(trial)
        '--set hidden=32 --set epochs=4'
        """
        shipped, tried = Recipe().to_json(), replace(self.base, **trial.knobs).to_json()
        changed = {name: value for name, value in tried.items() if value != shipped[name]}
        return " ".join(f"--set {name}={_text(value)}" for name, value in changed.items())

    def verdict(self) -> str:
        """Whether any trial scored above the baseline recipe, in a sentence."""
        best, first, n = self.best, self.first, len(self.complete)
        if best is None:
            return "no trial is complete yet"
        if first is None:
            return f"trial {best.number} leads; the baseline recipe has no score"
        if best is first:
            return f"no trial scored above the baseline recipe ({first.score:.4f}, best of {n})"
        ahead = (best.score or 0.0) - (first.score or 0.0)
        return (
            f"trial {best.number} is {ahead:.4f} above the baseline recipe "
            f"({best.score:.4f} and {first.score:.4f}, best of {n})"
        )

    def write(self, out: Path) -> None:
        """Writes ``best.json`` and ``trials.csv`` into the folder ``out``."""
        best, first = self.best, self.first
        summary = {
            "best": None if best is None else _figures(best),
            "set": None if best is None else self.options(best),
            "first": None if first is None else _figures(first),
            "verdict": self.verdict(),
            "caution": CAUTION,
            "n_trials": len(self.trials),
            "n_complete": len(self.complete),
            "importances": self.importances,
        }
        (out / BEST).write_text(json.dumps(summary, indent=1) + "\n")
        knobs = list(dict.fromkeys(name for trial in self.trials for name in trial.knobs))
        with (out / TRIALS).open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(
                ["number", "state", "score", "utility", "auroc", "epochs", "seconds", *knobs]
            )
            for trial in self.trials:
                figures = _figures(trial)
                del figures["knobs"]
                rows.writerow([*figures.values(), *(trial.knobs.get(name, "") for name in knobs)])


def _figures(trial: Trial) -> dict[str, object]:
    return {name: getattr(trial, name) for name in Trial.__slots__}


def _text(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
