"""Histories of healings and of a custodian, kept to be replayed by later code.

``python -m tests.evidence.on_temporal --record`` makes them; what a replay of them means stands
in tests/temporal/test_kept_histories.py.
"""

from __future__ import annotations

import asyncio
import base64
import json
import lzma
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from attrs import evolve

from popheal.backends.simulated import load_scenario
from popheal.policy.policy import Policy
from popheal.tables.actions import Impact
from popheal.tables.timing import Timing
from popheal.util.clock import SystemClock
from tests.evidence.disturbed import disturbed
from tests.support.fleet import Fleet, healed, site_worker_of
from tests.support.healing import Watched, alert_of
from tests.support.paths import ROOT

FOLDER: Final = ROOT / "tests" / "samples" / "histories"
_ENDING: Final = ".json.xz"

#: The shortest recovery of each procedure, and the longest of the one that drains and reboots.
_SCENARIOS: Final = (
    "mailbox-healed-by-reboot",
    "client-access-healed-by-logging-restart",
    "proxy-healed-by-restart",
    "command-time-healed-by-restart",
)
#: Its group's custodian is kept, too.
_GUARDED: Final = _SCENARIOS[0]
#: Its site's worker is killed at its effect.
_RESTARTED: Final = "mailbox-healed-by-restart"
_SPEED: Final = 60.0


def kept() -> list[str]:
    """The names of the histories that are kept."""
    return sorted(path.name.removesuffix(_ENDING) for path in FOLDER.glob(f"*{_ENDING}"))


def read(name: str) -> Any:
    """A history that is kept."""
    from temporalio.client import WorkflowHistory

    found = json.loads(lzma.decompress((FOLDER / f"{name}{_ENDING}").read_bytes()))
    return WorkflowHistory.from_json(found.pop("workflow_id"), found)


def builds_of(history: Any) -> set[str]:
    """The builds of the workers that have carried a workflow on."""
    name = "workflow_task_completed_event_attributes"
    found = (getattr(one, name) for one in history.events if one.HasField(name))
    return {one.deployment_version.build_id for one in found}


def record(fleet: Fleet, folder: Path = FOLDER) -> Iterator[str]:
    """Make each of them anew; tells what was written."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, history in _histories(fleet):
        told = json.loads(history.to_json(), object_hook=_without_machine)
        said = {"workflow_id": history.workflow_id, **told}
        packed = lzma.compress(json.dumps(said, separators=(",", ":")).encode())
        (folder / f"{name}{_ENDING}").write_bytes(packed)
        yield f"{name}: {len(history.events)} events, {len(packed)} bytes"


def _without_machine(said: dict[str, Any]) -> dict[str, Any]:
    """Where it was recorded matters to nobody: names of processes and of files."""
    said.pop("identity", None)
    if said.get("kind") == "TASK_QUEUE_KIND_STICKY":
        said["name"] = "sticky"
    if hidden := said.get("encodedAttributes"):
        told = {**json.loads(base64.b64decode(hidden["data"])), "stack_trace": ""}
        hidden["data"] = base64.b64encode(json.dumps(told).encode()).decode()
    return said


def _histories(fleet: Fleet) -> Iterator[tuple[str, Any]]:
    for name in _SCENARIOS:
        _, handle, _ = fleet.run(healed(fleet, name))
        history = fleet.run(handle.fetch_history())
        yield name, history
        if name == _GUARDED:
            yield "custodian", fleet.run(_custodian_of(fleet, history))
    (history,) = disturbed(fleet, _RESTARTED, 1, "granted", "site-killed").histories
    yield "interrupted", history
    yield "approved-and-stopped", fleet.run(_approved_and_stopped(fleet))


async def _custodian_of(fleet: Fleet, history: Any) -> Any:
    """The history of who guards the group of a healing, up to where it begins a new one."""
    from popheal.temporal.converter import DATA_CONVERTER

    asked = set()
    for event in history.events:
        said = event.activity_task_scheduled_event_attributes
        if said.activity_type.name == "claim":
            (order,) = await DATA_CONVERTER.decode(said.input.payloads)
            asked.add(order["custodian"])
    (custodian,) = (one for one in asked if "/dag/" in one)
    found = await fleet.client.get_workflow_handle(custodian).describe()
    first = fleet.client.get_workflow_handle(custodian, run_id=found.raw_info.first_run_id)
    return await first.fetch_history()


async def _approved_and_stopped(fleet: Fleet) -> Any:
    """In real time: it asks, somebody says yes, and stops it as it waits; with a timer, a poll."""
    from popheal.temporal.healing_workflow import Healing
    from popheal.temporal.messages import Decision

    scenario = "command-time-healed-by-restart"
    played = load_scenario(scenario, SystemClock(_SPEED))
    backend = Watched(played.organisation)
    site = f"{scenario}-{uuid4().hex[:6]}"
    policy = Policy(timing=Timing(settle=86_400), approval_from=Impact.CHANGE)
    bob = Decision(who="bob on mail1", why="maintenance")
    async with site_worker_of(fleet, site, backend, simulated=False, at_once=2):
        pace = {"simulated": False, "speed": _SPEED}
        alert = alert_of(played)
        handle = await fleet.begin(alert, backend.organisation, site, policy=policy, pace=pace)
        told = await _until(handle, lambda told: bool(told.asked))
        await handle.execute_update(Healing.answer, evolve(bob, plan=told.asked[0].plan))
        await _until(handle, lambda told: "waiting" in told.state)
        await handle.execute_update(Healing.stop, bob)
        await handle.result()
    return await handle.fetch_history()


async def _until(handle: Any, is_so: Callable[[Any], bool]) -> Any:
    from popheal.temporal.healing_workflow import Healing

    told = await handle.query(Healing.progress)
    while not is_so(told):
        await asyncio.sleep(0.1)
        told = await handle.query(Healing.progress)
    return told
