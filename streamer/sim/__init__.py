"""A simulated intensive care ward: believable patients, an unreliable wire, known truth.

``scenario`` holds the knobs. A stay is decided when its patient arrives: ``course`` (how long,
septic or not) drives ``physiology``, ``treatment`` and ``labs``; ``census`` fills the beds. Then
``monitor`` reads the hidden vitals, ``wire`` and ``outage`` corrupt what is sent, ``bedside``
words it as events, and ``ward`` puts it all in order of time. No sockets, no clock.
"""

from streamer.sim.message import Message
from streamer.sim.scenario import (
    Scenario,
    ScenarioError,
    Wire,
    describe,
    load_scenario,
    parse_scenario,
)
from streamer.sim.ward import ward

__all__ = [
    "Message",
    "Scenario",
    "ScenarioError",
    "Wire",
    "describe",
    "load_scenario",
    "parse_scenario",
    "ward",
]
