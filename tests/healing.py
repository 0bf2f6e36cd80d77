"""Heals a simulated organisation, and gathers what its properties are checked on."""

from __future__ import annotations

from popheal import Alert, Custody, heal
from popheal.backends.simulated import history as h
from tests.properties import COMMAND_TIME, Case


def alert_of(scenario) -> Alert:
    """The scenario's alert."""
    return Alert(
        server=scenario.server,
        health_set=scenario.health_set,
        monitor=scenario.monitor,
        text=scenario.text,
    )


def healed(scenario, **options) -> Case:
    """Heal it in process, on its virtual clock."""
    organisation = scenario.organisation
    with organisation.present() as world:
        logging = {one.name: one.protocol_log_enabled for one in world.servers}
        began = world.now
        slow = {
            one.name
            for one in world.servers
            if one.up
            for row in organisation.monitoring.rows(one)
            if row.monitor == COMMAND_TIME and row.alert_value == "Unhealthy"
        }
    report = heal(alert_of(scenario), scenario.backend, custody=Custody(), **options)
    with organisation.present() as world:
        return Case(
            report=report,
            history=list(organisation.history),
            logging_before=logging,
            logging_after={one.name: one.protocol_log_enabled for one in world.servers},
            disabled_after={one.name: one.activation_disabled for one in world.servers},
            slow_before=slow,
            calls=len(organisation.history.of(h.Called)),
            lasted=world.now - began,
        )
