"""A fleet for tests: Temporal's own server, workers in this process, and workers to be killed.

Of the engine, and of each site, two workers are at work: what one has begun the other goes on with.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sysconfig
import threading
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from copy import copy
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar
from unittest.mock import patch

from attrs import field, frozen

from popheal.backends.simulated import load_scenario
from popheal.exchange.backend import EFFECTS
from popheal.policy.policy import Policy
from popheal.util.serialize import to_jsonable
from tests.support.healing import Watched, alert_of
from tests.support.lab_process import Pipe, Way

T = TypeVar("T")

#: So many events are a long history here: a custodian begins a new one then.
LONG_HISTORY = 40
#: So long is no history of a healing, unless a test wants it to begin a new one.
NEVER_LONG = 1_000_000
#: So many events are, with ``--continued``: then one is begun about as often as it can be.
SHORT = 25
_SETTINGS = (
    f"limit.historyCount.suggestContinueAsNew={LONG_HISTORY}",
    # By default a shard hands out twenty tasks a second, so ten activities, and there is one shard.
    "history.transferProcessorMaxPollRPS=1000",
    "history.timerProcessorMaxPollRPS=1000",
    # What is deleted is so once these have said how far they are, by default every half minute.
    'history.transferProcessorUpdateAckInterval="200ms"',
    'history.visibilityProcessorUpdateAckInterval="200ms"',
)
#: So many workers of the engine, and of each site.
WORKERS = 2
#: A namespace for those who encrypt; it lacks a search attribute as well.
SECRETIVE = "secretive"
#: A healing of a test takes no longer than this, on a machine that does much else.
PATIENCE = 120
#: So long does Temporal wait for a worker of the engine that is dead: ten seconds by default.
_SOON = timedelta(seconds=1)


def server_program() -> str | None:
    """The program that is Temporal's server, and may not be there."""
    beside = sysconfig.get_path("scripts")
    return shutil.which("temporal", path=f"{beside}{os.pathsep}{os.environ.get('PATH', '')}")


class Fleet:
    """A server, and workers that carry healings out. Everything is awaited in one thread.

    Args:
        program: The server's program.
        file: Where it keeps its data; by default in memory.
        engine: Whether its workers are in this process; otherwise start :func:`engine_at`.
        options: What else the workers take.

    Attributes:
        client: Connected to the server.
        address: Where the server is.
    """

    def __init__(
        self, program: str, *, file: Path | None = None, engine: bool = True, **options: Any
    ) -> None:
        self._options = {"sticky_queue_schedule_to_start_timeout": _SOON, **options}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fleet", daemon=True)
        self._thread.start()
        self._program, self._file, self._engine = program, file, engine
        self._workers: list[asyncio.Task[None]] = []
        self.run(self._start())

    def run(self, awaited: Awaitable[T], within: float = PATIENCE) -> T:
        """Wait for something in the fleet's thread."""

        async def bounded() -> T:
            return await asyncio.wait_for(awaited, within)

        return asyncio.run_coroutine_threadsafe(bounded(), self._loop).result()

    async def _start(self) -> None:

        from popheal.temporal.converter import DATA_CONVERTER

        self._server = await self._serve()
        self.address = self._server.client.service_client.config.target_host
        await self._forget_attribute()
        await self._work("default", DATA_CONVERTER)

    async def _serve(self, **options: Any) -> Any:
        from temporalio.testing import WorkflowEnvironment

        from popheal.temporal.listing import ATTRIBUTES

        return await WorkflowEnvironment.start_local(
            dev_server_existing_path=self._program,
            dev_server_log_level="error",
            search_attributes=ATTRIBUTES,
            dev_server_extra_args=[
                *(one for said in _SETTINGS for one in ("--dynamic-config-value", said)),
                *("--namespace", SECRETIVE),
            ],
            dev_server_database_filename=self._file and str(self._file),
            **options,
        )

    async def restart_server(self) -> None:
        """Kill the server, and start it on what it has in its file."""
        await self._server.shutdown()
        self._server = await self._serve(port=int(self.address.rpartition(":")[2]))

    async def _forget_attribute(self) -> None:
        """Have one namespace without all of the search attributes."""
        from temporalio.api.operatorservice.v1 import RemoveSearchAttributesRequest

        from popheal.temporal.listing import RETRY_AT

        request = RemoveSearchAttributesRequest(
            namespace=SECRETIVE, search_attributes=[RETRY_AT.name]
        )
        await self._server.client.operator_service.remove_search_attributes(request)

    async def _work(self, namespace: str, converter: Any) -> None:
        from temporalio.client import Client

        from popheal.temporal.operations import make_current
        from popheal.temporal.worker import engine_worker

        self._workers = []
        self.client = await Client.connect(
            self.address, namespace=namespace, data_converter=converter
        )
        if self._engine:
            for one in await connected(self.client, WORKERS):
                work = engine_worker(one, **self._options).run()
                self._workers.append(asyncio.create_task(work))
            await make_current(self.client)

    async def _leave(self) -> None:
        for one in self._workers:
            one.cancel()
        for one in self._workers:
            with suppress(asyncio.CancelledError):
                await one

    @contextmanager
    def secretive(self, converter: Any) -> Iterator[Fleet]:
        """Another fleet by the same server, whose payloads are encrypted, as long as needed."""
        other = copy(self)
        self.run(other._work(SECRETIVE, converter))
        try:
            yield other
        finally:
            self.run(other._leave())

    def close(self) -> None:
        """End all of it."""

        async def end() -> None:
            await self._leave()
            await self._server.shutdown()

        self.run(end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def begin(self, alert: Any, organisation: str, site: str, **more: Any) -> Any:
        """Begin a healing whose time is simulated; returns its handle."""
        from popheal.temporal.messages import HealingOrder, Pace
        from popheal.temporal.operations import begin_healing

        pace = {"speed": 300.0, "simulated": True, "long": NEVER_LONG, **more.pop("pace", {})}
        order = HealingOrder(
            alert=to_jsonable(alert),
            policy=more.pop("policy", Policy()).to_json(),
            organisation=organisation,
            by="ann on mail1",
            site=site,
            pace=Pace(**pace),
            **more,
        )
        return await begin_healing(self.client, order, task_timeout=_SOON)


@asynccontextmanager
async def site_worker_of(
    fleet: Fleet,
    site: str,
    backend: Any,
    *,
    simulated: bool = True,
    at_site: Mapping[str, Any] | None = None,
    workers: int = WORKERS,
    **options: Any,
) -> AsyncIterator[None]:
    """Two workers of a site in this process, or as many as wanted, on one backend."""
    from popheal.temporal.activities import BackendPool, SiteActivities
    from popheal.temporal.worker import site_worker

    clock = backend.clock if simulated else None
    pool = BackendPool(lambda: backend)
    activities = SiteActivities(pool, clock=clock, **(at_site or {}))
    grace = {"graceful_shutdown_timeout": timedelta(seconds=1), "at_once": 1}
    own = {**grace, **options}
    async with AsyncExitStack() as stack:
        for client in await connected(fleet.client, workers):
            await stack.enter_async_context(site_worker(client, site, activities, **own))
        yield


async def connected(client: Any, times: int) -> list[Any]:
    """Connections like this one, which is the first: each takes one worker of a kind."""
    from temporalio.client import Client

    address = client.service_client.config.target_host
    more = {"namespace": client.namespace, "data_converter": client.data_converter}
    return [client, *[await Client.connect(address, **more) for _ in range(times - 1)]]


async def healed(
    fleet: Fleet,
    scenario: str,
    kind: type[Watched] = Watched,
    at_site: Mapping[str, Any] | None = None,
    **more: Any,
) -> tuple[Any, Any, Any]:
    """A scenario healed in this process: its result, its handle, and its organisation."""
    played = load_scenario(scenario)
    backend = kind(played.organisation)
    async with site_worker_of(fleet, scenario, backend, at_site=at_site):
        handle = await fleet.begin(alert_of(played), backend.organisation, scenario, **more)
        return await handle.result(), handle, played.organisation


# --- workers in processes of their own -----------------------------------------------------------


@frozen
class Gate:
    """Where a worker stops, tells whoever started it, and waits for a word.

    Attributes:
        pipe: To who has started it.
        nth: At which effect; 0 for none.
        when: ``asked``: before it asks its custodian; ``granted``: before the command is given,
            when the latch is taken; ``done``: when it has been given, and nobody has been told.
            Of the engine ``asked``: before it has the effect commanded; ``done``: when it was told.
    """

    pipe: Pipe | None = None
    nth: int = 0
    when: str = ""
    _seen: Counter[str] = field(factory=Counter, init=False)

    def pass_by(self, when: str) -> None:
        """Stop here, if it is here."""
        self._seen[when] += 1
        if self.pipe and when == self.when and self._seen[when] == self.nth:
            self.pipe.send(when)
            self.pipe.recv()


class Gated:
    """A backend of an organisation of its own, with a gate at its effects."""

    def __init__(self, backend: Any, organisation: str, gate: Gate) -> None:
        self.organisation = organisation
        self._backend, self._gate = backend, gate

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._backend, name)
        if name not in EFFECTS:
            return method

        def effect(*args: Any) -> Any:
            self._gate.pass_by("granted")
            try:
                return method(*args)
            finally:  # the server may refuse it
                self._gate.pass_by("done")

        return effect


def work_at(address: str, site: str, way: Way, gate: Gate = Gate()) -> None:
    """A process that is a worker of a site."""
    asyncio.run(_work_at(address, site, way, gate))


async def _work_at(address: str, site: str, way: Way, gate: Gate) -> None:
    from temporalio.client import Client

    from popheal.temporal import activities
    from popheal.temporal.converter import DATA_CONVERTER
    from popheal.temporal.worker import site_worker
    from tests.support.lab_process import DistantClock

    async def asked(command: Any, *, begin: Any = activities._begin) -> None:
        await asyncio.to_thread(gate.pass_by, "asked")
        await begin(command)

    pool = activities.BackendPool(lambda: Gated(way.backend(), site, gate))
    client = await Client.connect(address, data_converter=DATA_CONVERTER)
    at_site = activities.SiteActivities(pool, clock=DistantClock(way.clock))
    with patch.object(activities, "_begin", asked):
        await site_worker(client, site, at_site, at_once=1).run()


def engine_at(address: str, gate: Gate = Gate()) -> None:
    """A process that carries healings out, and guards."""
    asyncio.run(_engine_at(address, gate))


async def _engine_at(address: str, gate: Gate) -> None:
    from temporalio import workflow
    from temporalio.client import Client

    from popheal.engine.requests import Effect
    from popheal.temporal import performer
    from popheal.temporal.converter import DATA_CONVERTER
    from popheal.temporal.operations import make_current
    from popheal.temporal.worker import engine_worker

    own = performer._OWN[Effect]

    async def effect(performing: Any, request: Any) -> None:
        if not workflow.unsafe.is_replaying():
            gate.pass_by("asked")
        try:
            await own(performing, request)
        finally:
            if not workflow.unsafe.is_replaying():
                gate.pass_by("done")

    client = await Client.connect(address, data_converter=DATA_CONVERTER)
    worker = engine_worker(client, sticky_queue_schedule_to_start_timeout=_SOON)
    with patch.dict(performer._OWN, {Effect: effect}):
        at_work = asyncio.create_task(worker.run())
        await make_current(client)
        await at_work
