"""Healings on Temporal over a lab, disturbed at an effect: what comes of them must be the same.

``python -m tests.evidence.disturbances`` goes through every effect of each scenario.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import takewhile
from multiprocessing.process import BaseProcess
from typing import Any, Final
from uuid import uuid4

from attrs import define, field, frozen

from popheal import Journal, Report, heal
from popheal.backends.simulated import history as h
from popheal.backends.simulated import load_scenario
from popheal.journal.entries import Kind
from tests.evidence.crashes import EXPLAINED, effect_of
from tests.support import properties
from tests.support.fleet import NEVER_LONG, Fleet, Gate, engine_at, work_at
from tests.support.healing import Watched, alert_of
from tests.support.lab_process import PATIENCE, PROCESSES, LabProcess, Pipe, end_of, start

_EVERY: Final = 0.05


def effects(history: Any) -> list[tuple[Any, ...]]:
    """What the organisation saw done to it by us; a reboot that it refused was not done."""
    ours = [
        one for one in history if isinstance(one, properties.EFFECTS) and one.actor == h.POPHEAL
    ]
    return [effect_of(one) for one in ours if getattr(one, "accepted", True)]


#: Where the last look, at the site, forbids an effect: from then on a worker at the site has seen
#: one less than the engine, so who waits for the next ones would wait in vain.
_FORBIDDEN: Final = {"boot-time-moves-at-the-last-moment": "reboot"}


def effects_of(name: str) -> tuple[str, ...]:
    """The effects at which a healing can be disturbed: what is done, and what is set."""
    scenario, journal = load_scenario(name), Journal()
    heal(alert_of(scenario), Watched(scenario.organisation), journal=journal)
    intents = [line for line in journal.export() if line.get("kind") == Kind.INTENT.value]
    known = [f"{one['what']} {one['data'].get('value', '')}".strip() for one in intents]
    return tuple(takewhile(lambda one: one != _FORBIDDEN.get(name), known))


@define
class Scene:
    """A healing that waits at an effect, and who is at work on it.

    Attributes:
        fleet: The server.
        lab: The organisation.
        site: The name of the site, and of the organisation.
        pipe: To who waits at the gate.
        engines: The processes that carry it out, if that is not the fleet's own.
        handle: The healing, in whichever of its runs.
    """

    fleet: Fleet
    lab: LabProcess
    site: str
    pipe: Pipe
    handle: Any = None
    engines: list[BaseProcess] = field(factory=list)
    workers: list[BaseProcess] = field(factory=list)

    def pass_on(self) -> None:
        """Let who waits at the gate go on."""
        self.pipe.send("go on")

    def another_worker(self) -> None:
        """One more worker of the site."""
        way = self.lab.ways[len(self.workers)]
        self.workers.append(start(work_at, self.fleet.address, self.site, way))

    def another_engine(self) -> None:
        """One more worker of the engine."""
        self.engines.append(start(engine_at, self.fleet.address))

    def end(self) -> None:
        """End every process."""
        for process in (*self.workers, *self.engines):
            process.kill()
            end_of(process)

    # --- what the server says --------------------------------------------------------------------

    async def events(self) -> list[Any]:
        return list((await self.handle.fetch_history()).events)

    async def activity_id(self) -> str:
        return str((await last_effect(self.handle)).activity_id)

    async def timed_out(self, task: str) -> None:
        """Wait until a task was given up: ``activity_task``, ``workflow_task``."""
        name = f"{task}_timed_out_event_attributes"
        while not any(one.HasField(name) for one in await self.events()):  # noqa: ASYNC110 - a server tells nobody
            await asyncio.sleep(_EVERY)

    async def refused(self) -> bool:
        """Wait until an effect has failed, or the healing has ended."""
        names = (
            "activity_task_failed_event_attributes",
            "workflow_execution_completed_event_attributes",
        )
        while True:
            for event in await self.events():
                if (found := event.WhichOneof("attributes")) in names:
                    return found == names[0]
            await asyncio.sleep(_EVERY)

    async def attempt_failed(self) -> None:
        """Wait until an activity that is kept for later has no worker any more."""
        while any(  # noqa: ASYNC110 - likewise
            one.state == _AT_WORK
            for one in (await self.handle.describe()).raw_description.pending_activities
        ):
            await asyncio.sleep(_EVERY)

    async def still_pending(self) -> bool:
        """Whether the server keeps the effect."""
        kept = (await self.handle.describe()).raw_description.pending_activities
        return any(one.activity_type.name == "effect" for one in kept)

    async def about_activity(self, request: Any, call: str) -> None:
        """Have something done to the effect by one of Temporal's own buttons."""
        request.namespace = self.fleet.client.namespace
        request.execution.workflow_id = self.handle.id
        request.id = await self.activity_id()
        await getattr(self.fleet.client.workflow_service, call)(request)


#: ``PENDING_ACTIVITY_STATE_STARTED``.
_AT_WORK: Final = 2


async def last_effect(handle: Any) -> Any:
    """The effect that is at work: what its scheduling says."""
    name = "activity_task_scheduled_event_attributes"
    scheduled = [getattr(one, name) for one in (await handle.fetch_history()).events]
    return next(one for one in reversed(scheduled) if one.activity_type.name == "effect")


async def reset(fleet: Fleet, handle: Any) -> None:
    """Reset a healing to before the effect that is at work."""
    from temporalio.api.common.v1 import WorkflowExecution
    from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest

    effect = await last_effect(handle)
    request = ResetWorkflowExecutionRequest(
        namespace=fleet.client.namespace,
        workflow_execution=WorkflowExecution(workflow_id=handle.id),
        reason="a test",
        workflow_task_finish_event_id=effect.workflow_task_completed_event_id,
        request_id=uuid4().hex,
    )
    await fleet.client.workflow_service.reset_workflow_execution(request)


# --- what happens to it --------------------------------------------------------------------------


def _site_killed(scene: Scene) -> None:
    scene.workers[0].kill()
    scene.another_worker()


def _site_frozen(scene: Scene) -> None:
    """Past the time that an effect has; it wakes as another one is at work on the same."""
    with _frozen(scene.workers[0]):
        scene.another_worker()
        scene.fleet.run(scene.timed_out("activity_task"))
        scene.pass_on()


@contextlib.contextmanager
def _frozen(process: BaseProcess) -> Iterator[None]:
    assert process.pid
    os.kill(process.pid, signal.SIGSTOP)
    yield
    os.kill(process.pid, signal.SIGCONT)


def _engine_killed(scene: Scene) -> None:
    (engine,) = scene.engines
    engine.kill()
    end_of(engine)
    scene.another_engine()
    scene.pass_on()


def _engine_frozen(scene: Scene) -> None:
    """In the midst of a workflow task; it wakes as another one goes on from before it."""
    (engine,) = scene.engines
    with _frozen(engine):
        scene.another_engine()
        scene.fleet.run(scene.timed_out("workflow_task"))
        scene.pass_on()


def _server_killed(scene: Scene) -> None:
    scene.fleet.run(scene.fleet.restart_server())
    scene.pass_on()


def _activity_paused(scene: Scene) -> None:
    """Paused as it runs, which then fails: the server keeps it, and hands it out once more."""
    from temporalio.api.workflowservice.v1 import PauseActivityRequest, UnpauseActivityRequest

    scene.fleet.run(scene.about_activity(PauseActivityRequest(), "pause_activity"))
    _site_killed(scene)
    scene.fleet.run(scene.attempt_failed())
    if scene.fleet.run(scene.still_pending()):
        scene.fleet.run(scene.about_activity(UnpauseActivityRequest(), "unpause_activity"))


def _activity_reset(scene: Scene) -> None:
    """Its attempts are counted anew, so one more would be allowed."""
    from temporalio.api.workflowservice.v1 import ResetActivityRequest

    scene.fleet.run(scene.about_activity(ResetActivityRequest(), "reset_activity"))
    _site_killed(scene)


def _workflow_reset(scene: Scene) -> None:
    """To before the effect, as it is at work."""
    scene.fleet.run(reset(scene.fleet, scene.handle))
    scene.another_worker()
    if scene.fleet.run(scene.refused()):
        time.sleep(2.0)  # as long as the command takes, which must be seen, and not given again
    scene.pass_on()


@frozen
class How:
    """A way to disturb a healing.

    Attributes:
        disturb: Does it, when somebody waits at the gate.
        whens: Where: as for :class:`~tests.support.fleet.Gate`.
        engine: Whether the gate is in the engine.
        own: Whether the engine has to be a process of its own.
    """

    disturb: Callable[[Scene], None]
    whens: tuple[str, ...] = ("granted", "done")
    engine: bool = False
    own: bool = False


HOWS: Final[Mapping[str, How]] = {
    "site-killed": How(_site_killed, ("asked", "granted", "done")),
    "site-frozen": How(_site_frozen, ("asked", "granted", "done")),
    "engine-killed": How(_engine_killed, ("asked", "done"), engine=True, own=True),
    "engine-frozen": How(_engine_frozen, ("asked", "done"), engine=True, own=True),
    "engine-killed-meanwhile": How(_engine_killed, ("asked", "granted"), own=True),
    "server-killed": How(_server_killed, ("asked", "granted", "done"), own=True),
    "activity-paused": How(_activity_paused),
    "activity-reset": How(_activity_reset),
    "workflow-reset": How(_workflow_reset, ("asked", "granted", "done")),
}


# --- judged --------------------------------------------------------------------------------------


@frozen(kw_only=True)
class Disturbed:
    """What came of it.

    Attributes:
        wrong: What is not as without the disturbance, unless that is explained: see
            :data:`~tests.evidence.crashes.EXPLAINED`.
        histories: The healing's.
    """

    wrong: tuple[str, ...]
    histories: tuple[Any, ...]


def disturbed(
    fleet: Fleet, name: str, nth: int, when: str, how: str, *, long: int = NEVER_LONG
) -> Disturbed:
    """Disturb a healing of a scenario at an effect.

    Args:
        fleet: The server; for some ways one whose engine is a process of its own.
        name: The scenario.
        nth: Which effect.
        when: As for :class:`~tests.support.fleet.Gate`.
        how: One of :data:`HOWS`.
        long: After so many events a new history is begun.
    """
    from popheal.temporal.healing_history import histories_of

    way = HOWS[how]
    scenario = load_scenario(name)
    before = heal(alert_of(scenario), Watched(scenario.organisation), journal=Journal())
    site = f"{name}-{nth}-{when}-{uuid4().hex[:6]}"
    ours, theirs = PROCESSES.Pipe()
    gate = Gate(theirs, nth, when)
    with LabProcess(name, clients=2) as lab:
        scene = Scene(fleet, lab, site, ours)
        try:
            if way.own:
                gated = [gate] if way.engine else []
                scene.engines.append(start(engine_at, fleet.address, *gated))
            own = () if way.engine else (gate,)
            scene.workers.append(start(work_at, fleet.address, site, lab.ways[0], *own))
            scene.handle = fleet.run(_begin(fleet, scenario, site, long))
            if not ours.poll(PATIENCE):
                raise TimeoutError(f"{name} comes to no effect {nth}")
            ours.recv()
            way.disturb(scene)
            result = fleet.run(scene.handle.result())
            evidence = lab.evidence()
            histories = fleet.run(histories_of(fleet.client, scene.handle.id))
        finally:
            scene.end()
        password = lab.ways[0].password.encode()
    report = Report.from_json(result.report)
    wrong = [
        *properties.violations(evidence.case(report)),
        *_against_histories(fleet, histories, password),
    ]
    if (name, report.verdict.value) not in EXPLAINED:
        wrong += _done_otherwise(effects(scenario.organisation.history), effects(evidence.history))
        if report.verdict is not before.verdict:
            wrong.append(f"verdict {report.verdict.value}, not {before.verdict.value}")
    return Disturbed(wrong=tuple(wrong), histories=tuple(histories))


async def _begin(fleet: Fleet, scenario: Any, site: str, long: int) -> Any:
    """Begin a healing; its handle, which means its newest run."""
    from popheal.temporal.healing_workflow import Healing

    begun = await fleet.begin(alert_of(scenario), site, site, pace={"long": long})
    return fleet.client.get_workflow_handle_for(Healing.run, begun.id)


def _done_otherwise(wanted: list[Any], seen: list[Any]) -> Iterator[str]:
    if seen != wanted:
        yield f"other effects: {seen}, not {wanted}"


def _against_histories(fleet: Fleet, histories: list[Any], password: bytes) -> Iterator[str]:
    from popheal.temporal.healing_history import misfits

    for one in fleet.run(misfits(histories)):
        if "it was reset" not in one:
            yield one
    written = b"".join(one.to_json().encode() for one in histories)
    if password in written or base64.b64encode(password)[:-4] in written:
        yield "the password is in the history"
