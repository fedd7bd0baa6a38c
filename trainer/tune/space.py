"""The search space of ``trainer tune``: range and scale of each knob."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from trainer.training.recipe import Recipe

if TYPE_CHECKING:
    import optuna


@dataclass(frozen=True, slots=True)
class Knob:
    """The range of one knob of the recipe, both ends included.

    Attributes:
        name: the knob's name in ``Recipe``.
        low: lowest value.
        high: highest value.
        step: difference between neighbouring values of a whole number.
        log: whether values are drawn evenly on a logarithmic scale.
        of_teacher: whether another value needs another teacher, which takes as long as the rest.
    """

    name: str
    low: float
    high: float
    step: int = 1
    log: bool = False
    of_teacher: bool = False

    @property
    def is_integer(self) -> bool:
        """Whether the knob is a whole number."""
        return isinstance(getattr(Recipe(), self.name), int)

    def contains(self, recipe: Recipe) -> bool:
        """Whether the recipe's value of this knob is in the range, on a step."""
        value = getattr(recipe, self.name)
        on_step = not self.is_integer or (value - self.low) % self.step == 0
        return bool(self.low <= value <= self.high and on_step)

    def out_of_range(self, recipe: Recipe) -> str:
        """The error message for a recipe whose value is not in the range."""
        steps = f" in steps of {self.step}" if self.is_integer and self.step > 1 else ""
        return (
            f"{self.name} is searched from {self.low:g} to {self.high:g}{steps}, which leaves out "
            f"{getattr(recipe, self.name)}"
        )

    def suggest(self, trial: optuna.Trial) -> float | int:
        """Draws a value for a trial."""
        if self.is_integer:
            return trial.suggest_int(self.name, int(self.low), int(self.high), step=self.step)
        value = trial.suggest_float(self.name, self.low, self.high, log=self.log)
        return float(f"{value:.3g}")  # more digits change no result, and these can be typed


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
"""Every knob that can be searched. The teacher's knobs are searched only if they are named: without
them one teacher serves all trials. The split, the number of epochs and the alert budget are
choices, so they are not searched."""


def chosen_knobs(names: Sequence[str] | None) -> tuple[list[Knob], list[str]]:
    """The knobs of these names, or all but the teacher's; and a message for each wrong name.

    >>> [knob.name for knob in chosen_knobs(["hidden"])[0]]
    ['hidden']
    >>> chosen_knobs(["salt"])[1][0][:29]
    'salt cannot be searched, only'
    """
    if not names:
        return [knob for knob in SPACE if not knob.of_teacher], []
    known = {knob.name: knob for knob in SPACE}
    all_names = ", ".join(known)
    wrong = [f"{n} cannot be searched, only {all_names}" for n in names if n not in known]
    return [known[name] for name in dict.fromkeys(names) if name in known], wrong
