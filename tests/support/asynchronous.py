"""The simulated organisation as an asynchronous backend: each call takes its time, in no thread.

So what several tasks ask of it at the same time comes in the same order each time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from popheal.backends.simulated import SimulatedBackend
from popheal.backends.simulated.organisation import Organisation
from popheal.exchange.backend import EFFECTS, LOOKS
from popheal.exchange.models import ProbeResult


class AsyncSimulation:
    """Asks a simulated organisation on a :class:`~tests.support.virtual_time.ParallelClock`.

    Args:
        simulation: The organisation. Calls that are scripted to break do not, if they wait.
        seconds: What each call takes on its way.
        entrances: By how many servers the organisation is asked.
    """

    def __init__(self, simulation: Organisation, *, seconds: float, entrances: int = 1) -> None:
        self.simulation, self.clock = simulation, simulation.clock
        self.simulated, self._seconds = SimulatedBackend(simulation), seconds
        self.entrances = tuple(f"entrance{number}" for number in range(entrances))

    @property
    def organisation(self) -> str:
        return self.simulation.name

    async def invoke_probe(self, server: str, probe: str) -> ProbeResult:
        await self.clock.asleep(self._seconds)
        running = self.simulation.begin_probe(server, probe)
        await self._until(running.due)
        return self.simulation.finish_probe(running)

    async def restart_service(self, server: str, service: str) -> None:
        await self._finish(self.simulation.begin_restart, server, service)

    async def start_service(self, server: str, service: str) -> None:
        await self._finish(self.simulation.begin_start, server, service)

    async def _finish(self, begin: Callable[..., Any], server: str, service: str) -> None:
        await self.clock.asleep(self._seconds)
        if pending := begin(server, service):
            await self._until(pending.due)
            with self.simulation.present():
                pending.check()

    async def _until(self, due: Any) -> None:
        await self.clock.asleep((due - self.clock.now()).total_seconds())


def _as_it_is(name: str) -> Any:
    async def method(self: Any, *args: Any) -> Any:
        await self.clock.asleep(self._seconds)
        return getattr(self.simulated, name)(*args)

    method.__name__ = name
    return method


for _name in (*LOOKS, *EFFECTS):
    if _name not in vars(AsyncSimulation):
        setattr(AsyncSimulation, _name, _as_it_is(_name))
