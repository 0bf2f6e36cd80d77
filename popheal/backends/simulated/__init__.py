"""A simulated Exchange organisation: to rehearse on, to test policies with, to prove against.

>>> from popheal.backends.simulated import load_scenario
>>> scenario = load_scenario("mailbox-healed-by-reboot")
>>> backend = scenario.backend
"""

from popheal.backends.simulated.backend import SimulatedBackend
from popheal.backends.simulated.history import Happening, History
from popheal.backends.simulated.organisation import Organisation
from popheal.backends.simulated.random_scenarios import random_organisation, random_tables
from popheal.backends.simulated.scenario import (
    DEFAULT_SCENARIO,
    Expected,
    Scenario,
    build_scenario,
    load_scenario,
    scenario_names,
)

__all__ = [
    "DEFAULT_SCENARIO",
    "Expected",
    "Happening",
    "History",
    "Organisation",
    "Scenario",
    "SimulatedBackend",
    "build_scenario",
    "load_scenario",
    "random_organisation",
    "random_tables",
    "scenario_names",
]
