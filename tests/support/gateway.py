"""A watch whose healings a fleet carries out, in an organisation of its own, with its worker."""

from __future__ import annotations

from contextlib import asynccontextmanager
from uuid import uuid4

from popheal.backends.simulated import SimulatedBackend
from tests.support.fleet import _SOON, site_worker_of
from tests.support.served import POLICY, SPEED


class Named(SimulatedBackend):
    """A simulated organisation by a name that no other test has."""

    organisation = ""


def named(simulation, name=""):
    """A backend of it."""
    backend = Named(simulation)
    backend.organisation = name or uuid4().hex
    return backend


async def carrier_of(fleet, organisation, policy=POLICY, address=""):
    """Who has a fleet carry healings out; its clients are those of this event loop."""
    from temporalio.client import Client

    from popheal.gateway.fleet_carrier import FleetCarrier
    from popheal.gateway.fleet_records import FleetRecords
    from popheal.temporal.converter import DATA_CONVERTER
    from popheal.temporal.messages import HealingOrder, Pace

    client = await Client.connect(address or fleet.address, data_converter=DATA_CONVERTER)
    order = HealingOrder(
        alert={},
        policy=policy.to_json(),
        organisation=organisation,
        by="gateway on mail1",
        site=organisation,
        pace=Pace(speed=SPEED, simulated=True),
    )
    records = FleetRecords(client, organisation)
    return FleetCarrier(records=records, order=order, options={"task_timeout": _SOON})


def over_fleet(fleet, name=""):
    """Behind a service: a watch that has a fleet heal, and a worker of the site."""

    @asynccontextmanager
    async def behind(served):
        from popheal.gateway.fleet_desk import FleetDesk
        from popheal.watch.loop import Watch

        backend = named(served.simulation, name)
        carrier = await carrier_of(fleet, backend.organisation)
        watch = Watch(
            (),
            backend,
            carrier=carrier,
            policy=POLICY,
            clock=served.clock,
            observers=[served.events.append],
            control=served.control,
        )
        here = Here(carrier.records.client)
        async with site_worker_of(here, backend.organisation, backend, at_once=4):
            yield watch, FleetDesk(watch, carrier.records)

    return behind


class Here:
    """As much of a fleet as a site's worker needs: a client of this event loop."""

    def __init__(self, client):
        self.client = client
