"""The recipe of a training run: every knob, with the reason for its value."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, TypeAlias

from streamer.core.lstm_network import Architecture
from streamer.datasets.cohort import Cohort
from trainer.archive.stay_ids import DEFAULT_SALT
from trainer.data.labels import is_of_stay
from trainer.data.split import FRACTIONS

KnobValue: TypeAlias = str | int | float | list[float]
"""The value of a knob in JSON."""

_MINIMUM: Final = {
    "warm_up_steps": 1,
    "teacher_folds": 2,
    "teacher_rounds": 1,
    "teacher_leaves": 2,
    "teacher_windows": 0,
    "encoder": 1,
    "binned": 0,
    "bins": 1,
    "hidden": 1,
    "layers": 1,
    "reading_epochs": 1,
    "batch_hours": 1,
    "epochs": 1,
    "patience": 1,
    "batch_stays": 1,
    "forecast_epochs": 0,
    "forecast_units": 1,
}


FINE_TUNING: Final = (
    "teacher_share=0", "learning_rate=5e-4", "reading_epochs=2", "memory_rate=5e-4", "epochs=8",
    "warm_up_steps=10", "forecast_epochs=1",
)  # fmt: skip
"""Knobs of a fit that goes on from a bundle. The encoder moves a little, by a quarter of the rate
of a new one: with 100 septic stays of another hospital that gained 0.042 AUROC on its test
patients, and 0.002 with the encoder held still. At twice this rate and twice the epochs it was
0.019 less on patients of that hospital who were neither learned from nor test patients; a teacher
of so few stays gained nothing there with 100, 0.003 with 20. `docs/site-curve.md` has more."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """All knobs of a training run; a bundle's manifest keeps them under these names."""

    seed: int = 0
    """Seed of the weights, the order of the stays and the dropout. Equal seeds, data, versions and
    numbers of threads give equal bundles on one kind of CPU, byte for byte."""

    salt: str = DEFAULT_SALT
    """Salt of the split; the same salt keeps every patient on the same side for ever."""

    fractions: tuple[float, float, float] = FRACTIONS
    """Shares of train, validation and test patients."""

    teacher_share: float = 0.9
    """Share of the teacher's risk in the first head's target, the rest being the label; 0 does
    without a teacher. A plain LSTM gained 0.015 utility and 0.007 AUROC on validation patients by
    0.7; for the encoder 0.8 and 1 differ by less than two seeds do."""

    teacher_folds: int = 5
    """Folds of the training patients; trees of the other folds predict each patient."""

    teacher_rounds: int = 300
    """Trees in a fold; their validation AUROC is flat from 250 to 400."""

    teacher_leaves: int = 31
    """Leaves of a tree, the library's own default."""

    teacher_windows: int = 1
    """1 for a second set of trees that sees the hours before as they were, 0 for none. Both
    together tell training patients apart at 0.845 AUROC, the first at 0.841. The network gained
    0.002 utility on validation patients by it, over three seeds."""

    teacher_rate: float = 0.02
    """Learning rate of the trees. At 0.05 they lost 0.003 AUROC, at 0.03 0.001."""

    encoder: int = 128
    """Units of each of the encoder's two layers; 256 were no better."""

    encoder_dropout: float = 0.2
    """Dropout of the encoder's units."""

    input_dropout: float = 0.05
    """Dropout of the features of an hour, while the encoder is trained."""

    binned: int = 60
    """Number of features, those of most gain to the teacher, that the encoder also gets in pieces
    (piecewise encoding)."""

    bins: int = 6
    """Pieces of such a feature, of equal numbers of hours."""

    hidden: int = 64
    """Units of the LSTM. The features carry most of the history, so few suffice."""

    layers: int = 1
    """Layers of the LSTM; one is also the smallest state to keep for each stay."""

    dropout: float = 0.5
    """Dropout of the LSTM's output: with this few positives, the strong end of the usual range."""

    reading_epochs: int = 6
    """Epochs of the encoder, over single hours in random order. Whole stays alone, some 350 steps
    an epoch of hours that resemble each other, end 0.01 AUROC lower; half as many epochs 0.001."""

    batch_hours: int = 1024
    """Single hours in a batch: 850 steps an epoch."""

    epochs: int = 8
    """Maximum epochs of the LSTM, over whole stays; the encoder is not changed any more. The
    learning rate falls to 0 over these, so the number also shapes its schedule."""

    patience: int = 3
    """Epochs of the LSTM without a better validation score until training stops."""

    batch_stays: int = 64
    """Whole stays in a batch, some 2,500 hours: 350 steps an epoch."""

    learning_rate: float = 2e-3
    """Peak learning rate of AdamW for the encoder."""

    memory_rate: float = 5e-4
    """Peak learning rate of AdamW for the LSTM. With twice this rate and half of the target from
    the teacher the LSTM took 0.001 AUROC away from the encoder; with these values it adds as
    much."""

    warm_up_steps: int = 100
    """Steps until the peak learning rate; the first gradients of an LSTM are the wildest."""

    weight_decay: float = 1e-2
    """Weight decay of AdamW."""

    clip_norm: float = 1.0
    """Largest norm of the gradient; the usual one, and full-length stays need it."""

    average: float = 0.996
    """Decay of the weights' running average at each step. This average of the last hundreds of
    steps is validated and kept; it is steadier than the weights of any one step."""

    utility_weight: float = 2.0
    """Weight of |utility of a yes less that of a no|, beside 1, in the weight of an hour. The hours
    around onset count up to five times; those of other stays hardly more than once."""

    head_weights: tuple[float, float, float] = (1.0, 0.1, 0.1)
    """Weights of the 6, 24 and 48 h losses. The longer horizons have no teacher, so the LSTM soon
    knows their training patients by heart; they must not dominate the loss."""

    forecast_epochs: int = 2
    """Epochs of the forecast of vital signs, over single hours; 0 does without one. A third took
    0.03 % off its error on validation patients."""

    forecast_units: int = 128
    """Units of the forecast's hidden layer; 64 lost 0.5 %, 256 gained 0.1 %."""

    alert_budget: float = 0.3
    """Most alert starts per patient-day on validation patients, on average: about one in three
    days, so a ward of ten beds has three a day."""

    def problems(self) -> list[str]:
        """Everything that is wrong with the values, one sentence each.

        >>> Recipe(epochs=0, dropout=1.0).problems()
        ['epochs must be at least 1, not 0', 'dropout must be from 0 to below 1, not 1.0']
        """
        problems = []
        for name, minimum in _MINIMUM.items():
            if getattr(self, name) < minimum:
                problems.append(f"{name} must be at least {minimum}, not {getattr(self, name)}")
        for name in ("dropout", "encoder_dropout", "input_dropout", "average"):
            if not 0 <= getattr(self, name) < 1:
                problems.append(f"{name} must be from 0 to below 1, not {getattr(self, name)}")
        for name in ("teacher_rate", "learning_rate", "memory_rate", "clip_norm", "alert_budget"):
            if not getattr(self, name) > 0:
                problems.append(f"{name} must be above 0, not {getattr(self, name)}")
        for name in ("weight_decay", "utility_weight"):
            if not getattr(self, name) >= 0:
                problems.append(f"{name} must not be negative, not {getattr(self, name)}")
        if min(self.head_weights) < 0 or max(self.head_weights) == 0:
            problems.append(
                f"head_weights must not be negative and one above 0, not {self.head_weights}"
            )
        if not 0 <= self.teacher_share <= 1:
            problems.append(f"teacher_share must be from 0 to 1, not {self.teacher_share}")
        if self.seed < 0:
            problems.append(f"seed must not be negative, not {self.seed}")
        if min(self.fractions) <= 0 or abs(sum(self.fractions) - 1) > 1e-9:
            problems.append(f"fractions must be above 0 and add up to 1, not {self.fractions}")
        return problems

    def changed(self, changes: Iterable[str]) -> tuple[Recipe, list[str]]:
        """The recipe changed by ``knob=value`` texts, and a sentence for each that cannot be read.

        >>> Recipe().changed(["hidden=64", "size=3", "dropout=much"])[1]
        ['there is no knob size', 'dropout must be a number, not much']
        """
        values: dict[str, Any] = {}
        wrong = []
        for change in changes:
            name, _, text = change.partition("=")
            before = getattr(self, name, None)
            try:
                if isinstance(before, str):
                    values[name] = text
                elif isinstance(before, tuple):
                    values[name] = tuple(float(part) for part in text.split(","))
                    if len(values[name]) != len(before):
                        raise ValueError
                elif isinstance(before, int | float):
                    values[name] = type(before)(text)
                else:
                    wrong.append(f"there is no knob {name}")
            except ValueError:
                kind = "a whole number" if isinstance(before, int) else "a number"
                if isinstance(before, tuple):
                    kind = f"{len(before)} numbers with commas between"
                wrong.append(f"{name} must be {kind}, not {text}")
        return replace(self, **values), wrong

    def fit_for(self, cohort: Cohort) -> Recipe:
        """The recipe for an outcome of the whole stay: the utility by the hour says nothing of it.

        Any other outcome has the recipe as it is.
        """
        return replace(self, utility_weight=0.0) if is_of_stay(cohort) else self

    def fine_tuning(self, network: Architecture, budget: float | None = None) -> Recipe:
        """The recipe that goes on from a network; its sizes are those of the network.

        Args:
            network: sizes.
            budget: of alerts, as the bundle has it; this recipe's own where absent.
        """
        recipe, wrong = self.changed(FINE_TUNING)
        assert not wrong
        return replace(
            recipe,
            hidden=network.hidden,
            layers=network.layers,
            dropout=network.dropout,
            encoder=network.encoder,
            encoder_dropout=network.encoder_dropout,
            binned=network.binned,
            bins=network.bins,
            alert_budget=budget or self.alert_budget,
        )

    def to_json(self) -> dict[str, KnobValue]:
        """The knobs as JSON values."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self).items()
        }
