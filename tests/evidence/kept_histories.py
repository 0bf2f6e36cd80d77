"""Histories of healings and of a custodian, kept to be replayed by later code.

``python -m tests.evidence.on_temporal --record`` makes those of healings anew; that of a custodian
only if there is none. What a replay of them means stands in tests/temporal/test_kept_histories.py.
Those of healings are packed together, as they say much the same.
"""

from __future__ import annotations

import asyncio
import base64
import json
import lzma
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch
from uuid import uuid4

from attrs import evolve

from popheal.backends.simulated import load_scenario
from popheal.errors import UnknownName
from popheal.policy.policy import Consent, Policy
from popheal.tables.actions import Impact
from popheal.tables.timing import Timing
from popheal.util.clock import SystemClock
from tests.evidence.crashes import covering
from tests.evidence.disturbed import disturbed
from tests.support.fleet import Fleet, healed, site_worker_of
from tests.support.healing import Watched, alert_of
from tests.support.paths import ROOT
from tests.support.waiting import WaitingHealing

FOLDER: Final = ROOT / "tests" / "samples" / "histories"
#: JSON lines, one a history.
_HEALINGS: Final = "healings.jsonl.xz"
_CUSTODIAN: Final = "custodian.jsonl.xz"
_TEXT: Final = "text"

#: Beside one scenario for each path: its group's custodian is kept, and it is continued as new.
_REBOOTED: Final = "mailbox-healed-by-reboot"
#: Its site's worker is killed at its effect.
_RESTARTED: Final = "mailbox-healed-by-restart"
#: Terminated after its second effect, and settled.
_LOGGED: Final = "client-access-healed-by-logging-restart"
_ACTIVATED: Final = "pop-proxy-inactive"
#: After so many events that one begins a new history.
_SHORT: Final = 100
_SPEED: Final = 60.0


@cache
def _found() -> dict[str, str]:
    """By name, the lines of all that are kept."""
    found = {}
    for file in (_HEALINGS, _CUSTODIAN):
        for line in lzma.decompress((FOLDER / file).read_bytes()).decode().splitlines():
            name, history = line.split("\t", 1)
            found[name] = history
    return found


def kept() -> list[str]:
    """The names of the histories that are kept."""
    return sorted(_found())


def read(name: str) -> Any:
    """A history that is kept."""
    from temporalio.client import WorkflowHistory

    found = json.loads(_found()[name], object_hook=_packed)
    return WorkflowHistory.from_json(found.pop("workflow_id"), found)


def builds_of(history: Any) -> set[str]:
    """The builds of the workers that have carried a workflow on."""
    name = "workflow_task_completed_event_attributes"
    found = (getattr(one, name) for one in history.events if one.HasField(name))
    return {one.deployment_version.build_id for one in found}


def record(fleet: Fleet, folder: Path = FOLDER) -> Iterator[str]:
    """Make each of them anew; tells what was written."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for name, history in _healings(fleet):
        lines.append(_line(name, history))
        yield f"{name}: {len(history.events)} events"
    yield _write(folder / _HEALINGS, lines)
    if not (folder / _CUSTODIAN).exists():
        _, handle, _ = fleet.run(healed(fleet, _REBOOTED))
        custodian = fleet.run(_custodian_of(fleet, fleet.run(handle.fetch_history())))
        yield _write(folder / _CUSTODIAN, [_line("custodian", custodian)])


def _line(name: str, history: Any) -> str:
    told = json.loads(history.to_json(), object_hook=_without_machine)
    said = {"workflow_id": history.workflow_id, **told}
    return f"{name}\t{json.dumps(said, separators=(',', ':'))}"


def _write(path: Path, lines: list[str]) -> str:
    # As well as it can be: what is alike lies megabytes apart.
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME}]
    path.write_bytes(lzma.compress("\n".join(lines).encode(), filters=filters))
    return f"{path.name}: {path.stat().st_size} bytes"


def _without_machine(said: dict[str, Any]) -> dict[str, Any]:
    """Where it was recorded matters to nobody: names of processes and of files."""
    said.pop("identity", None)
    if said.get("kind") == "TASK_QUEUE_KIND_STICKY":
        said["name"] = "sticky"
    if hidden := said.get("encodedAttributes"):
        told = json.loads(hidden["data"][_TEXT])  # what lies deeper comes first
        hidden["data"][_TEXT] = json.dumps({**told, "stack_trace": ""})
    return _unpacked(said)


def _unpacked(said: dict[str, Any]) -> dict[str, Any]:
    """A payload as text: in base 64 what is alike does not look so, and is large."""
    if "metadata" in said and isinstance(said.get("data"), str):
        return {**said, "data": {_TEXT: base64.b64decode(said["data"]).decode()}}
    return said


def _packed(said: dict[str, Any]) -> dict[str, Any]:
    """As it was."""
    if "metadata" in said and isinstance(said.get("data"), dict):
        return {**said, "data": base64.b64encode(said["data"][_TEXT].encode()).decode()}
    return said


def _healings(fleet: Fleet) -> Iterator[tuple[str, Any]]:
    for name in (_REBOOTED, *covering()):
        with suppress(UnknownName):  # which is what a scenario may end with
            yield name, fleet.run(_history_of(fleet, name))
    policy = Policy(pop_proxy=Consent.ALLOW)
    yield "pop-proxy-activated", fleet.run(_history_of(fleet, _ACTIVATED, policy=policy))
    (history,) = disturbed(fleet, _RESTARTED, 1, "granted", "site-killed").histories
    yield "interrupted", history
    yield "approved-and-stopped", fleet.run(_approved_and_stopped(fleet))
    yield "settled", fleet.run(_settled(fleet))
    for number, one in enumerate(fleet.run(_continued(fleet)), 1):
        yield f"continued-{number}", one


async def _history_of(fleet: Fleet, scenario: str, **more: Any) -> Any:
    _, handle, _ = await healed(fleet, scenario, **more)
    return await handle.fetch_history()


async def _continued(fleet: Fleet) -> list[Any]:
    from popheal.temporal.healing_history import histories_of

    _, handle, _ = await healed(fleet, _REBOOTED, pace={"long": _SHORT})
    return await histories_of(fleet.client, handle.id)


async def _settled(fleet: Fleet) -> Any:
    with patch("popheal.temporal.performer._TAKEN_UP_WITHIN", 1.0):
        async with WaitingHealing(fleet, _LOGGED, 2) as healing:
            await healing.terminate()
            await healing.settle()
            return await healing.newest().fetch_history()


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
