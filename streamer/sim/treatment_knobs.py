"""`TreatmentKnobs`: how strong drugs are in the simulated ward, and when they are used."""

from __future__ import annotations

from dataclasses import dataclass

from streamer.sim.knobs import ScenarioError, choice, faults_of, knob


@dataclass(frozen=True, slots=True)
class TreatmentKnobs:
    """Effect of fluids and vasopressors on the mean pressure.

    A bolus lifts it by 4 mmHg times ``effect``, a vasopressor by 8. ``low_map`` is the mean
    pressure in mmHg below which staff act; the guideline's target is 65, and staff act on lower
    values that persist. ``shape`` is the course of a bolus: ``exponential`` at once and decaying
    over four hours, ``plateau`` for four hours, ``delayed`` with its peak after two.
    """

    effect: float = knob(1.0, 0.0, 10.0)
    low_map: float = knob(60.0, 40.0, 100.0)
    shape: str = choice("exponential", "plateau", "delayed")

    def __post_init__(self) -> None:
        """Checks every knob.

        Raises:
            ScenarioError: a value is out of range; the message lists all of them.
        """
        faults = faults_of(self, "treatment.")
        if faults:
            raise ScenarioError("\n".join(faults))
