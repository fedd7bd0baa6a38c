"""Where ``trainer tune`` looks for a better recipe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from trainer.training.recipe import Recipe

if TYPE_CHECKING:
    import optuna


@dataclass(frozen=True, slots=True)
class Knob:
    """Where the search looks for one knob of the recipe; both ends belong to it.

    Attributes:
        name: of the knob in ``Recipe``.
        low: least value.
        high: greatest value.
        step: between the values of a whole number.
        log: whether the search is even over powers rather than over values.
        of_teacher: whether another value needs other trees, which take as long as the rest.
    """

    name: str
    low: float
    high: float
    step: int = 1
    log: bool = False
    of_teacher: bool = False

    @property
    def whole(self) -> bool:
        """Whether it is a whole number."""
        return isinstance(getattr(Recipe(), self.name), int)

    def holds(self, recipe: Recipe) -> bool:
        """Whether the search could come upon the value that a recipe has."""
        value = getattr(recipe, self.name)
        on_step = not self.whole or (value - self.low) % self.step == 0
        return bool(self.low <= value <= self.high and on_step)

    def outside(self, recipe: Recipe) -> str:
        """What to say where it could not."""
        steps = f" in steps of {self.step}" if self.whole and self.step > 1 else ""
        return (
            f"{self.name} is searched from {self.low:g} to {self.high:g}{steps}, which leaves out "
            f"{getattr(recipe, self.name)}"
        )

    def suggest(self, trial: optuna.Trial) -> float | int:
        """Asks a trial for a value."""
        if self.whole:
            return trial.suggest_int(self.name, int(self.low), int(self.high), step=self.step)
        value = trial.suggest_float(self.name, self.low, self.high, log=self.log)
        return float(f"{value:.3g}")  # no result depends on more digits, and these can be typed


SPACE: Final = (
    Knob("teacher_share", 0.5, 1.0),
    Knob("encoder", 32, 256, step=32),
    Knob("encoder_dropout", 0.0, 0.5),
    Knob("input_dropout", 0.0, 0.2),
    Knob("binned", 0, 120, step=20),
    Knob("bins", 3, 12),
    Knob("reading_epochs", 1, 10),
    Knob("learning_rate", 5e-4, 8e-3, log=True),
    Knob("hidden", 16, 128, step=16),
    Knob("dropout", 0.0, 0.7),
    Knob("memory_rate", 1e-4, 4e-3, log=True),
    Knob("weight_decay", 1e-4, 1e-1, log=True),
    Knob("utility_weight", 0.5, 5.0, of_teacher=True),
    Knob("teacher_rounds", 100, 600, step=50, of_teacher=True),
    Knob("teacher_leaves", 7, 63, step=4, of_teacher=True),
    Knob("teacher_rate", 0.01, 0.06, log=True, of_teacher=True),
)
"""Every knob that can be searched. Those of the teacher are not, unless they are named: without
them one lesson serves all trials. What decides how patients are split, how long may be trained and
how many alerts there may be is a matter of choice and not of search."""


def chosen_knobs(names: Sequence[str] | None) -> tuple[list[Knob], list[str]]:
    """The knobs of these names, or those that are searched where none is named; and what is wrong.

    >>> [knob.name for knob in chosen_knobs(["hidden"])[0]]
    ['hidden']
    >>> chosen_knobs(["salt"])[1][0][:29]
    'salt cannot be searched, only'
    """
    if not names:
        return [knob for knob in SPACE if not knob.of_teacher], []
    known = {knob.name: knob for knob in SPACE}
    all_of_them = ", ".join(known)
    wrong = [f"{n} cannot be searched, only {all_of_them}" for n in names if n not in known]
    return [known[name] for name in dict.fromkeys(names) if name in known], wrong
