"""Every knob of training, in one place, each with the reason for its value."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from trainer.data.split import DEFAULT_SALT, FRACTIONS

_AT_LEAST: Final = {
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


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a training run is made of besides its data; a bundle's manifest keeps it whole.

    Attributes:
        seed: of the weights, the order of the stays and the dropout. Equal seeds, data, versions
            and numbers of threads give equal bundles, byte for byte.
        salt: of the split; the same salt keeps every patient on the same side for ever.
        fractions: of train, validation and test patients.
        teacher_share: of the first head's target that is the teacher's risk and not the label; 0
            does without a teacher. A plain LSTM gained 0.015 utility and 0.007 AUROC on validation
            patients by 0.7; for the encoder 0.8 and 1 differ by less than two seeds do.
        teacher_folds: of the training patients; each is told by trees of the other folds.
        teacher_rounds: trees in a fold; the validation AUROC of trees is flat from 250 to 400.
        teacher_leaves: of a tree, the library's own.
        teacher_windows: 1 for a second set of trees that sees the hours before as they were, 0 for
            none. Both together tell training patients apart at 0.845 AUROC, the first at 0.841. The
            network gained 0.002 utility on validation patients by it, over three seeds.
        teacher_rate: of learning. At 0.05 the trees lost 0.003 AUROC, at 0.03 0.001.
        encoder: units of each of the encoder's two layers; 256 were no better.
        encoder_dropout: of the encoder's units.
        input_dropout: of the features of an hour, while the encoder learns.
        binned: features, those of most gain to the teacher, that the encoder also gets in pieces.
        bins: pieces of such a feature, of equal numbers of hours.
        hidden: units of the LSTM. The features carry most of the history, so few suffice.
        layers: one, which is also the smallest state to keep for each stay.
        dropout: of the LSTM's output. With this few positives the strong end of what is usual.
        reading_epochs: over single hours in random order, for the encoder. Whole stays alone, some
            180 steps an epoch of hours that resemble each other, end 0.01 AUROC lower; half as many
            of single hours 0.001.
        batch_hours: single hours in a batch: 850 steps an epoch.
        epochs: at most, over whole stays, for the LSTM; the encoder is left as it is. The learning
            rate falls to nothing over these, so it is part of the shape.
        patience: of these epochs without a better validation score until training stops.
        batch_stays: whole stays in a batch, some 2,500 hours: 350 steps an epoch.
        learning_rate: at its peak, of AdamW, for the encoder.
        memory_rate: the same for the LSTM. With twice this rate and half of the target from the
            teacher it took 0.001 AUROC away from the encoder; this way it adds as much.
        warm_up_steps: until the peak; the first gradients of an LSTM are the wildest.
        weight_decay: of AdamW.
        clip_norm: of the gradient; the usual one, and full-length stays need it.
        average: share that the running average of the weights keeps at each step. The average of
            the last hundreds of steps is what is validated and kept; it is steadier than any one.
        utility_weight: of |what saying yes is worth| beside 1, in the weight of an hour. The hours
            around onset count up to five times; those of other stays hardly more than once.
        head_weights: of the 6, 24 and 48 h losses. The longer horizons have no teacher, so the LSTM
            soon knows their training patients by heart; they must not rule it.
        forecast_epochs: over single hours, for the forecast of vital signs; 0 does without one. A
            third took 0.03 % off its error on validation patients.
        forecast_units: of the forecast's hidden layer; 64 lost 0.5 %, 256 gained 0.1 %.
        alert_budget: most alert starts per patient-day on validation patients, on average: about
            one in three days, what a ward of ten beds sees three times a day.
    """

    seed: int = 0
    salt: str = DEFAULT_SALT
    fractions: tuple[float, float, float] = FRACTIONS
    teacher_share: float = 0.9
    teacher_folds: int = 5
    teacher_rounds: int = 300
    teacher_leaves: int = 31
    teacher_windows: int = 1
    teacher_rate: float = 0.02
    encoder: int = 128
    encoder_dropout: float = 0.2
    input_dropout: float = 0.05
    binned: int = 60
    bins: int = 6
    hidden: int = 64
    layers: int = 1
    dropout: float = 0.5
    reading_epochs: int = 6
    batch_hours: int = 1024
    epochs: int = 8
    patience: int = 3
    batch_stays: int = 64
    learning_rate: float = 2e-3
    memory_rate: float = 5e-4
    warm_up_steps: int = 100
    weight_decay: float = 1e-2
    clip_norm: float = 1.0
    average: float = 0.996
    utility_weight: float = 2.0
    head_weights: tuple[float, float, float] = (1.0, 0.1, 0.1)
    forecast_epochs: int = 2
    forecast_units: int = 128
    alert_budget: float = 0.3

    def problems(self) -> list[str]:
        """Says everything that is wrong with the values, one sentence each.

        >>> Recipe(epochs=0, dropout=1.0).problems()
        ['epochs must be at least 1, not 0', 'dropout must be from 0 to below 1, not 1.0']
        """
        found = []
        for name, least in _AT_LEAST.items():
            if getattr(self, name) < least:
                found.append(f"{name} must be at least {least}, not {getattr(self, name)}")
        for name in ("dropout", "encoder_dropout", "input_dropout", "average"):
            if not 0 <= getattr(self, name) < 1:
                found.append(f"{name} must be from 0 to below 1, not {getattr(self, name)}")
        for name in ("teacher_rate", "learning_rate", "memory_rate", "clip_norm", "alert_budget"):
            if not getattr(self, name) > 0:
                found.append(f"{name} must be above 0, not {getattr(self, name)}")
        if not 0 <= self.teacher_share <= 1:
            found.append(f"teacher_share must be from 0 to 1, not {self.teacher_share}")
        if self.seed < 0:
            found.append(f"seed must not be negative, not {self.seed}")
        if min(self.fractions) <= 0 or abs(sum(self.fractions) - 1) > 1e-9:
            found.append(f"fractions must be above 0 and add up to 1, not {self.fractions}")
        return found

    def changed(self, changes: Iterable[str]) -> tuple[Recipe, list[str]]:
        """Reads ``knob=value`` texts; what cannot be read is said, one sentence each.

        >>> Recipe().changed(["hidden=64", "size=3", "dropout=much"])[1]
        ['there is no knob size', 'dropout must be a number, not much']
        """
        now: dict[str, Any] = {}
        wrong = []
        for change in changes:
            name, _, text = change.partition("=")
            before = getattr(self, name, None)
            try:
                if isinstance(before, str):
                    now[name] = text
                elif isinstance(before, tuple):
                    now[name] = tuple(float(part) for part in text.split(","))
                    if len(now[name]) != len(before):
                        raise ValueError
                elif isinstance(before, int | float):
                    now[name] = type(before)(text)
                else:
                    wrong.append(f"there is no knob {name}")
            except ValueError:
                kind = "a whole number" if isinstance(before, int) else "a number"
                if isinstance(before, tuple):
                    kind = f"{len(before)} numbers with commas between"
                wrong.append(f"{name} must be {kind}, not {text}")
        return replace(self, **now), wrong

    def to_json(self) -> dict[str, Any]:
        """The knobs as JSON values."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self).items()
        }
