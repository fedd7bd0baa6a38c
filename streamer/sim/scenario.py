"""`Scenario`: the parameters of a simulated ward, with defaults, limits and a JSON form."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, Self, TypeVar, cast

from streamer.sim.knobs import ScenarioError, faults_of, knob, share
from streamer.sim.treatment_knobs import TreatmentKnobs

# A fixed start keeps a scenario's stream identical on every machine and day.
DEFAULT_START_MS: Final = 1_767_225_600_000  # 2026-01-01T00:00:00Z
_LAST_START_MS: Final = 7_258_118_400_000  # 2200-01-01; a later one has the wrong unit


@dataclass(frozen=True, slots=True)
class Wire:
    """Faults of the messages between bed and broker; 0 or ``false`` switches a fault off.

    Stays: ``frozen_share`` hold one stretch of 6-12 h in which the gateway repeats a stuck monitor
    row; ``cuff_share`` have their pressure taken by cuff every 15 minutes instead of an arterial
    line; ``clock_skew_share`` have a monitor whose clock is up to ``clock_skew_max_s`` off;
    ``other_units_share`` report temperature in degF, FiO2 in percent, glucose in mmol/L and
    creatinine in umol/L, each *with* its unit.

    Hours: ``gaps_per_hour`` is the chance that the whole monitor goes silent for one or more hours;
    ``channel_gap_share`` that one vital alone is missing.

    Messages: ``artefact_share`` of monitor rows carry a motion, flush or leads-off artefact;
    ``unit_slip_share`` of charted temperatures and lab panels come in another unit *without* saying
    so; ``out_of_order_share`` of monitor rows are overtaken by the next of their patient;
    ``late_share`` come minutes to hours late; ``duplicate_share`` of all messages are sent twice.
    ``lab_delay_min_minutes`` to ``lab_delay_max_minutes`` pass between drawing blood and result.

    Ward: ``outages_per_day`` network outages of 5-30 minutes, each followed by a burst.
    ``rounding`` gives values the resolution of the device or the laboratory.
    """

    gaps_per_hour: float = share(0.058)
    channel_gap_share: float = share(0.015)
    frozen_share: float = share(0.05)
    cuff_share: float = share(0.55)
    artefact_share: float = share(0.002)
    other_units_share: float = share(0.05)
    unit_slip_share: float = share(0.005)
    lab_delay_min_minutes: float = knob(30.0, 0.0, 2880.0)
    lab_delay_max_minutes: float = knob(90.0, 0.0, 2880.0)
    out_of_order_share: float = share(0.005)
    late_share: float = share(0.01)
    duplicate_share: float = share(0.005)
    clock_skew_share: float = share(0.1)
    # Rows begin two minutes after admission: a skew within them never precedes the stay.
    clock_skew_max_s: float = knob(90.0, 0.0, 120.0)
    outages_per_day: float = knob(0.3, 0.0, 48.0)
    rounding: bool = True

    def __post_init__(self) -> None:
        """Checks every knob.

        Raises:
            ScenarioError: a value is out of range; the message lists all of them.
        """
        faults = faults_of(self, "wire.")
        if not faults and self.lab_delay_min_minutes > self.lab_delay_max_minutes:
            faults.append("wire.lab_delay_min_minutes is above wire.lab_delay_max_minutes")
        if faults:
            raise ScenarioError("\n".join(faults))

    @classmethod
    def off(cls) -> Self:
        """A perfect wire: every message at once, in order, unrounded."""
        return cls(**{knob.name: 0 for knob in fields(cls) if knob.name != "rounding"},
                   rounding=False)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Scenario:
    """A ward to simulate.

    ``beds`` staffed beds from ``start_ms`` (epoch milliseconds) for ``hours``, or endlessly when
    ``None``; a monitor row per bed every ``vitals_every_s`` seconds (3600 at most: the physiology
    is hourly). Patients fill the beds within ``fill_hours``, a freed bed stays empty for
    ``turnover_hours`` on average. Of the stays, ``sepsis_share`` become septic,
    ``readmission_share`` are of a patient who was here before, ``transfer_share`` move to a side
    room on the way. An outcome is sent ``outcome_delay_hours`` after it is true, as a chart review
    does. Equal scenarios give equal streams; ``seed`` picks one.
    """

    beds: int = knob(20, 1, 100_000)
    seed: int = knob(1, 0, 2**63)
    start_ms: int = knob(DEFAULT_START_MS, 0, _LAST_START_MS)
    hours: float | None = knob(None, 0.0, 1_000_000.0)
    vitals_every_s: float = knob(60.0, 0.1, 3600.0)
    fill_hours: float = knob(1.0, 0.0, 240.0)
    turnover_hours: float = knob(2.0, 0.1, 240.0)
    sepsis_share: float = share(0.073)  # PhysioNet 2019: 2,932 of 40,336 stays
    readmission_share: float = share(0.05)
    transfer_share: float = share(0.03)
    outcome_delay_hours: float = knob(0.0, 0.0, 8760.0)
    wire: Wire = field(default_factory=Wire)
    treatment: TreatmentKnobs = field(default_factory=TreatmentKnobs)

    def __post_init__(self) -> None:
        """Checks every knob.

        Raises:
            ScenarioError: a value is out of range; the message lists all of them.
        """
        faults = faults_of(self, "")
        if not isinstance(cast(object, self.wire), Wire):
            faults.append("wire must be a table of wire knobs")
        if not isinstance(cast(object, self.treatment), TreatmentKnobs):
            faults.append("treatment must be a table of treatment knobs")
        if faults:
            raise ScenarioError("\n".join(faults))


def parse_scenario(text: str) -> Scenario:
    """Reads a scenario from JSON; parameters that it does not name keep their defaults.

    Raises:
        ScenarioError: the message lists every fault with the way out.

    >>> parse_scenario('{"beds": 4, "wire": {"late_share": 0}}').beds
    4
    >>> parse_scenario('{"wire": "off"}').wire == Wire.off()
    True
    """
    try:
        tree = json.loads(text)
    except json.JSONDecodeError as error:
        raise ScenarioError(f"not JSON: {error}") from error
    if not isinstance(tree, dict):
        raise ScenarioError('a scenario is a JSON object, such as {"beds": 8, "seed": 3}')
    faults = _unknown(tree, Scenario, "")
    wire: Wire | None = None
    tree_wire = tree.pop("wire", {})
    if tree_wire == "off":
        wire = Wire.off()
    elif isinstance(tree_wire, dict):
        faults += _unknown(tree_wire, Wire, "wire.")
        wire = _build(Wire, tree_wire, faults)
    else:
        faults.append('wire must be an object of wire knobs, or "off"')
    treatment: TreatmentKnobs | None = None
    tree_treatment = tree.pop("treatment", {})
    if isinstance(tree_treatment, dict):
        faults += _unknown(tree_treatment, TreatmentKnobs, "treatment.")
        treatment = _build(TreatmentKnobs, tree_treatment, faults)
    else:
        faults.append("treatment must be an object of treatment knobs")
    parts = {"wire": wire or Wire(), "treatment": treatment or TreatmentKnobs()}
    scenario = _build(Scenario, tree | parts, faults)
    if faults or scenario is None:
        raise ScenarioError("\n".join(faults))
    return scenario


def load_scenario(path: Path) -> Scenario:
    """Reads a scenario file (see :func:`parse_scenario`).

    Raises:
        ScenarioError: when the file cannot be read or does not hold a scenario.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ScenarioError(f"cannot read scenario {path}: {error}") from error
    try:
        return parse_scenario(text)
    except ScenarioError as error:
        lines = "".join(f"\n  {line}" for line in str(error).splitlines())
        raise ScenarioError(f"scenario {path}:{lines}") from error


def describe(scenario: Scenario) -> str:
    """Describes size, pace and faults of a scenario in a few lines.

    >>> print(describe(Scenario(beds=2, hours=24, wire=Wire.off())))
    2 beds for 24 h, seed 1, a monitor row per bed every 60 s (2 messages/min and laboratory)
    7.3 % of stays become septic, 5 % are readmissions, 3 % change bed
    wire: off
    """
    length = "until stopped" if scenario.hours is None else f"for {scenario.hours:g} h"
    per_minute = scenario.beds * 60 / scenario.vitals_every_s
    if scenario.wire == Wire.off():
        wire = "off"
    else:
        wire = ", ".join(
            f"{knob.name} {getattr(scenario.wire, knob.name):g}" for knob in fields(Wire)
        )
    return (
        f"{scenario.beds} beds {length}, seed {scenario.seed}, a monitor row per bed every "
        f"{scenario.vitals_every_s:g} s ({per_minute:g} messages/min and laboratory)\n"
        f"{100 * scenario.sepsis_share:.3g} % of stays become septic, "
        f"{100 * scenario.readmission_share:.3g} % are readmissions, "
        f"{100 * scenario.transfer_share:.3g} % change bed\n"
        f"wire: {wire}"
    )


_Knobs = TypeVar("_Knobs", Wire, TreatmentKnobs, Scenario)


def _build(kind: type[_Knobs], tree: dict[str, Any], faults: list[str]) -> _Knobs | None:
    """Builds ``kind`` from the known keys of ``tree``; adds errors to ``faults``."""
    known = {knob.name for knob in fields(kind)}
    try:
        return kind(**{name: value for name, value in tree.items() if name in known})
    except ScenarioError as error:
        faults += str(error).splitlines()
        return None


def _unknown(
    tree: dict[str, Any], kind: type[Wire | TreatmentKnobs | Scenario], prefix: str
) -> list[str]:
    names = [knob.name for knob in fields(kind)]
    faults = []
    for name in tree:
        if name not in names:
            near = get_close_matches(name, names, n=1)
            hint = f"did you mean {prefix}{near[0]}?" if near else "known: " + ", ".join(names)
            faults.append(f"{prefix}{name} is not a knob; {hint}")
    return faults
