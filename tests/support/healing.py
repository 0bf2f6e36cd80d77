"""Heals a simulated organisation, and gathers what its properties are checked on."""

from __future__ import annotations

import json
from functools import cache

from popheal import Alert, Journal, heal
from popheal.backends.simulated import SimulatedBackend, load_scenario
from popheal.backends.simulated import history as h
from tests.support.properties import COMMAND_TIME, Case, SlownessShown


def alert_of(scenario) -> Alert:
    """The scenario's alert."""
    return Alert(
        server=scenario.server,
        health_set=scenario.health_set,
        monitor=scenario.monitor,
        text=scenario.text,
    )


class Watched(SimulatedBackend):
    """Notes in the organisation's history what its answers about command times said."""

    def server_health(self, server):
        rows = super().server_health(server)
        with self.simulation.present() as world:
            for row in rows:
                if row.monitor == COMMAND_TIME and row.alert_value == "Unhealthy":
                    asked = world.find(row.server)
                    name = asked.name if asked else row.server
                    world.record(SlownessShown, name, h.POPHEAL)
        return rows


def healed(scenario, **options) -> Case:
    """Heal it in process, on its virtual clock."""
    organisation = scenario.organisation
    with organisation.present() as world:
        logging = {one.name: one.protocol_log_enabled for one in world.servers}
        began = world.now
    report = heal(alert_of(scenario), Watched(organisation), journal=Journal(), **options)
    with organisation.present() as world:
        return Case(
            report=report,
            history=list(organisation.history),
            logging_before=logging,
            logging_after={one.name: one.protocol_log_enabled for one in world.servers},
            disabled_after={one.name: one.activation_disabled for one in world.servers},
            calls=len(organisation.history.of(h.Called)),
            lasted=world.now - began,
        )


@cache
def shipped(name: str) -> Case:
    """A shipped scenario, healed as it stands; played once for all tests, so only to be read."""
    return healed(load_scenario(name))


def restarted(history):
    """The services that popheal restarted, each after its server, in order."""
    restarts = [one for one in history if isinstance(one, h.ServiceRestarted)]
    return tuple(f"{one.server} {one.service}" for one in restarts if one.actor == h.POPHEAL)


def unsaid(expected, report):
    """What a report should say, and does not."""
    said = json.dumps(report.to_json(), ensure_ascii=False).casefold()
    return [text for text in expected.says if text.casefold() not in said]
