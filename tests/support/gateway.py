"""A watch whose healings a fleet carries out, in an organisation of its own, with its worker."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
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


def over_fleet(fleet, name="", address=""):
    """Behind a service: a watch that has a fleet heal, and a worker of the site.

    Args:
        fleet: The fleet.
        name: Of the organisation; by default one that no other test has.
        address: By which the watch reaches the fleet, if it goes another way.
    """

    @asynccontextmanager
    async def behind(served):
        from temporalio.client import Client

        from popheal.gateway.fleet_desk import FleetDesk
        from popheal.temporal.converter import DATA_CONVERTER
        from popheal.watch.loop import Watch

        backend = named(served.simulation, name)
        carrier = await carrier_of(fleet, backend.organisation, address=address)
        watch = Watch(
            (),
            backend,
            carrier=carrier,
            policy=POLICY,
            clock=served.clock,
            observers=[served.events.append],
            control=served.control,
        )
        here = Here(await Client.connect(fleet.address, data_converter=DATA_CONVERTER))
        async with site_worker_of(here, backend.organisation, backend, at_once=4):
            yield watch, FleetDesk(watch, carrier.records)

    return behind


class Here:
    """As much of a fleet as a site's worker needs: a client of this event loop."""

    def __init__(self, client):
        self.client = client


class Link:
    """A way to a fleet's server that can be cut; all in the fleet's event loop.

    Attributes:
        address: Where it begins.
    """

    def __init__(self, fleet):
        self._host, _, self._port = fleet.address.partition(":")
        self.address = "127.0.0.1:0"
        self._open = []

    async def mend(self):
        """Have it lead there, from the same address as before."""
        port = int(self.address.rpartition(":")[2])
        self._server = await asyncio.start_server(self._connect, "127.0.0.1", port)
        self.address = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def cut(self):
        """Have it lead nowhere."""
        self._server.close()
        for one in self._open:
            one.close()
        self._open.clear()

    async def _connect(self, reader, writer):
        there, to_there = await asyncio.open_connection(self._host, int(self._port))
        self._open += [writer, to_there]
        await asyncio.gather(_pump(reader, to_there), _pump(there, writer))


async def _pump(reader, writer):
    with suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()
