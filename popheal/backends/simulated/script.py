"""From the tables of a scenario to what goes wrong in it, and what others do meanwhile."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from popheal.backends.simulated.call_faults import BrokenCall
from popheal.backends.simulated.events import Event, schedule
from popheal.backends.simulated.faults import CURES, Cure, Fault
from popheal.backends.simulated.monitoring import RowOverride
from popheal.backends.simulated.organisation import Organisation
from popheal.backends.simulated.probes import ProbeScript
from popheal.backends.simulated.recovery_actions import Recovery
from popheal.backends.simulated.responders import watch_front_ends
from popheal.util.schema import Key, Path, Reader, Schema, one_of, shown

#: The tables about it.
SCRIPTS: Schema = {
    "faults": Key(kind=list[Fault], unsaid=()),
    "rows": Key(kind=list[RowOverride], unsaid=()),
    "probes": Key(kind=list[ProbeScript], unsaid=()),
    "calls": Key(kind=list[BrokenCall], unsaid=()),
    "recovery_actions": Key(kind=list[Recovery], unsaid=()),
    "events": Key(kind=list[Event], unsaid=()),
}


def read_cure(reader: Reader, path: Path, value: Any) -> Cure:
    """A cure in one word, or as a table."""
    if isinstance(value, Mapping):
        return reader.record(Cure, path, value)
    if not isinstance(value, str):
        right = f"Give one of {', '.join(CURES)}, or a table like {{ restarts = 2, reboots = 1 }}."
        reader.document.wrong(path, f"is {shown(value)}", right)
    return CURES[one_of(*CURES).taken(reader, path, value)]


def follow(organisation: Organisation, scripts: Mapping[str, Any]) -> None:
    """Set the organisation going, with everything that is scripted."""
    organisation.monitoring.overrides += scripts["rows"]
    organisation.probing.scripts += scripts["probes"]
    organisation.broken_calls.script += scripts["calls"]
    for action in scripts["recovery_actions"]:
        _recovery_action(organisation, action)
    for number, fault in enumerate(scripts["faults"], 1):
        fault.name = fault.name or f"fault {number}"
        organisation.add_fault(fault)
    organisation.begin()
    watch_front_ends(organisation)
    for event in scripts["events"]:
        schedule(organisation, event)


def _recovery_action(organisation: Organisation, given: Recovery) -> None:
    world, recovering = organisation.world, organisation.recovering
    ago = given.there_for
    if ago is None:
        ago = 0 if given.begins else 60

    def begin() -> None:
        if not given.server.up and given.begins:
            return  # Nobody is there to do it.
        deed = recovering.begin(given, ago=ago, scripted=True)
        if given.ends is not None and given.ends > ago:
            world.after(given.ends - ago, lambda: recovering.end(deed, given.result))
        elif given.ends is not None:
            ended = deed.started + timedelta(seconds=given.ends)
            recovering.end(deed, given.result, at=ended)

    if given.begins:
        world.after(given.begins, begin)
    else:
        begin()
