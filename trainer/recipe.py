"""Every knob of training, in one place, each with the reason for its value."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

from trainer.split import DEFAULT_SALT, FRACTIONS


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a training run is made of besides its data; a bundle's manifest keeps it whole.

    Attributes:
        seed: of the weights, the order of the stays and the dropout. Equal seeds, data, versions
            and numbers of threads give equal bundles, byte for byte.
        salt: of the split; the same salt keeps every patient on the same side for ever.
        fractions: of train, validation and test patients.
        hidden: units. 64 came within 0.005 of it in validation utility and AUROC, in half the
            time; challenge entries with 400 units overfitted these 2,345 septic stays.
        layers: one, which is also the smallest state to keep for each stay.
        dropout: of the LSTM's output. With this few positives the strong end of what is usual.
        input_dropout: of the features, for the whole of a stay. With the same share dropped anew
            for each hour the network overfitted from the sixth epoch on; in a pair of runs the
            best validation utility was 0.383 then, and 0.398 this way.
        epochs: at most. The learning rate falls to nothing over these, so it is part of the shape.
        patience: epochs without a better validation score until training stops.
        batch_stays: whole stays in a batch, some 5,000 hours: 180 steps an epoch.
        learning_rate: at its peak, of AdamW.
        warm_up_steps: until the peak; the first gradients of an LSTM are the wildest.
        weight_decay: of AdamW.
        clip_norm: of the gradient; the usual one, and full-length stays need it.
        average: share that the running average of the weights keeps at each step. The average of
            the last hundred steps is what is validated and kept; it is steadier than any one step.
        utility_weight: of |what saying yes is worth| beside 1, in the weight of an hour. The hours
            around onset count up to five times; those of other stays hardly more than once.
        head_weights: of the 6, 24 and 48 h losses. The longer horizons show the network what leads
            to sepsis long before the label does, so they help the first, but must not rule it.
        alert_budget: most alert starts per patient-day on validation patients, on average: about
            one in three days, what a ward of ten beds sees three times a day.
    """

    seed: int = 0
    salt: str = DEFAULT_SALT
    fractions: tuple[float, float, float] = FRACTIONS
    hidden: int = 128
    layers: int = 1
    dropout: float = 0.6
    input_dropout: float = 0.2
    epochs: int = 10
    patience: int = 4
    batch_stays: int = 128
    learning_rate: float = 2e-3
    warm_up_steps: int = 100
    weight_decay: float = 1e-2
    clip_norm: float = 1.0
    average: float = 0.99
    utility_weight: float = 2.0
    head_weights: tuple[float, float, float] = (1.0, 0.3, 0.2)
    alert_budget: float = 0.3

    def problems(self) -> list[str]:
        """Says everything that is wrong with the values, one sentence each.

        >>> Recipe(epochs=0, dropout=1.0).problems()
        ['epochs must be at least 1, not 0', 'dropout must be from 0 to below 1, not 1.0']
        """
        found = []
        for name in ("hidden", "layers", "epochs", "patience", "batch_stays"):
            if getattr(self, name) < 1:
                found.append(f"{name} must be at least 1, not {getattr(self, name)}")
        for name in ("dropout", "input_dropout", "average"):
            if not 0 <= getattr(self, name) < 1:
                found.append(f"{name} must be from 0 to below 1, not {getattr(self, name)}")
        for name in ("learning_rate", "clip_norm", "alert_budget"):
            if not getattr(self, name) > 0:
                found.append(f"{name} must be above 0, not {getattr(self, name)}")
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
