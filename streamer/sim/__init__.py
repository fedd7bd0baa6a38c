"""A simulated intensive care ward: realistic patients, an unreliable network, known outcomes.

``scenario`` has the parameters. A stay is drawn as a whole when its patient arrives: ``course``
(length, septic or not) drives ``physiology``, ``treatment`` and ``labs``; ``census`` fills the
beds. Then ``monitor`` samples the hidden vitals, ``wire`` and ``outage`` corrupt the messages,
``bedside`` writes them as events, and ``ward`` sorts them by time. No sockets, no clock.
"""

from streamer.sim.knobs import ScenarioError
from streamer.sim.message import Message
from streamer.sim.scenario import (
    Scenario,
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
