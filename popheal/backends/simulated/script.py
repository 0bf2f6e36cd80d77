"""From the tables of a scenario to what goes wrong in it, and what others do meanwhile."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from attrs import frozen

from popheal.backends.simulated.call_faults import BrokenCall
from popheal.backends.simulated.events import Event, schedule
from popheal.backends.simulated.faults import CURES, Cure, Fault
from popheal.backends.simulated.model import Server
from popheal.backends.simulated.monitoring import RowOverride
from popheal.backends.simulated.organisation import Organisation
from popheal.backends.simulated.probes import ProbeScript
from popheal.backends.simulated.recovery_actions import EXPECTED
from popheal.errors import InvalidValue
from popheal.util.schema import Key, Path, Reader, Schema, one_of, shown


@frozen(kw_only=True)
class RecoveryScript:
    """A recovery action that is noted, and does nothing.

    Attributes:
        begins: Seconds from the start at which it begins; 0 if it was going on before.
        there_for: Seconds for which it had been going on then.
        expected: Seconds after its own start at which it should be over.
        ends: And at which it is, with ``result``; None for never.
    """

    server: Server
    action: str
    resource: str = ""
    requester: str = ""
    begins: float = 0.0
    there_for: float | None = None
    expected: float = EXPECTED
    ends: float | None = None
    result: str = "Succeeded"
    throttled: bool = False

    def __attrs_post_init__(self) -> None:
        if self.begins and self.there_for:
            raise _wrong("there_for", "and 'begins' don't fit", "Give at most one of them.")
        if self.throttled and self.ends is not None:
            right = "Leave it out if it is throttled."
            raise _wrong("ends", "is the end of what never begins", right)
        if not self.result:
            right = 'Give one, like "Failed"; it counts if there is an end.'
            raise _wrong("result", "is empty", right)


def _wrong(key: str, seen: str, right: str) -> InvalidValue:
    return InvalidValue(source="RecoveryScript", path=(key,), seen=seen, next_step=right)


#: The tables about it.
SCRIPTS: Schema = {
    "faults": Key(kind=list[Fault], unsaid=()),
    "rows": Key(kind=list[RowOverride], unsaid=()),
    "probes": Key(kind=list[ProbeScript], unsaid=()),
    "calls": Key(kind=list[BrokenCall], unsaid=()),
    "recovery_actions": Key(kind=list[RecoveryScript], unsaid=()),
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
    for event in scripts["events"]:
        schedule(organisation, event)


def _recovery_action(organisation: Organisation, given: RecoveryScript) -> None:
    world, recovering = organisation.world, organisation.recovering
    ago = given.there_for
    if ago is None:
        ago = 0 if given.begins else 60

    def begin() -> None:
        if not given.server.up and given.begins:
            return  # Nobody is there to do it.
        deed = recovering.begin(
            given.server,
            given.action,
            given.resource,
            given.requester,
            expected=given.expected,
            ago=ago,
            throttled=given.throttled,
            scripted=True,
        )
        if given.ends is not None and given.ends > ago:
            world.after(given.ends - ago, lambda: recovering.end(deed, given.result))
        elif given.ends is not None:
            ended = deed.started + timedelta(seconds=given.ends)
            recovering.end(deed, given.result, at=ended)

    if given.begins:
        world.after(given.begins, begin)
    else:
        begin()
