"""An outage of a fleet, drawn by a seed: which groups there are, and what befalls them.

What a group is like and what happens there is drawn from the seed and its own number, so it is
the same beside any other groups, and alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

from attrs import frozen

from popheal.backends.simulated.build import build
from popheal.backends.simulated.model import BACK_END, FRONT_END
from popheal.backends.simulated.organisation import Organisation
from popheal.util.toml import TomlFile
from tests.support.virtual_time import ParallelClock

#: Seconds from the start of the simulation to that of the outage, and over which it spreads.
OUTAGE, SPREAD = 300.0, 600.0
#: Groups that are hit, and of these those that are hit as a whole.
HIT, WHOLE = 0.4, 0.05
#: Members of a hit group that are hit, at most.
PART = 0.4

#: What fails on a server that is hit, and how often.
FAILS = {("deep",): 55, ("self",): 15, ("proxy",): 20, ("ctp",): 10}
#: What cures it, and how often: "never" is a person's.
CURES = {"restart": 60, "reboot": 32, "never": 8}
#: How often Managed Availability acts on a server that is hit by itself, and how.
ACTS = {"": 70, "restart_service": 20, "reboot": 10}


@frozen(kw_only=True)
class Group:
    """A database availability group in a site of its own, and what befalls it.

    Attributes:
        first: The number of its first member among all servers.
        faults: As the tables of a scenario; likewise the events.
    """

    name: str
    first: int
    members: tuple[str, ...]
    faults: tuple[dict[str, Any], ...]
    events: tuple[dict[str, Any], ...]

    @property
    def hit(self) -> tuple[str, ...]:
        """The members with a fault of their own."""
        return tuple(one["server"] for one in self.faults)


def draw(seed: int, groups: int) -> list[Group]:
    """The fleet and its outage."""
    drawn: list[Group] = []
    for number in range(groups):
        first = drawn[-1].first + len(drawn[-1].members) if drawn else 0
        drawn.append(_group(number, first, Random(f"{seed}/{number}")))
    return drawn


def _group(number: int, first: int, chance: Random) -> Group:
    name = f"G{number:03d}"
    size = chance.randint(4, 16)
    members = tuple(f"{name}M{member:02d}" for member in range(size))
    faults, events = [], []
    if chance.random() < HIT:
        most = max(1, int(PART * size))
        hit = size if chance.random() < WHOLE else chance.randint(1, most)
        for server in chance.sample(members, hit):
            fault = _fault(server, chance)
            faults.append(fault)
            events += _acts(fault, chance)
    return Group(
        name=name, first=first, members=members, faults=tuple(faults), events=tuple(events)
    )


def _fault(server: str, chance: Random) -> dict[str, Any]:
    fails = _one_of(FAILS, chance)
    cure = _one_of(CURES, chance)
    begins = OUTAGE + chance.randint(0, int(SPREAD))
    return {"server": server, "fails": list(fails), "cure": cure, "begins": float(begins)}


def _acts(fault: dict[str, Any], chance: Random) -> list[dict[str, Any]]:
    """What Managed Availability does about it by itself."""
    do = _one_of(ACTS, chance)
    after = chance.randint(60, 900)
    if not do:
        return []
    event = {"do": do, "server": fault["server"], "actor": "managed_availability"}
    event["at"] = fault["begins"] + after
    if do == "restart_service":
        front_end = set(fault["fails"]) & {"proxy", "ctp"}
        event["service"] = FRONT_END if front_end else BACK_END
    return [event]


def _one_of(weights: dict[Any, int], chance: Random) -> Any:
    return chance.choices(list(weights), list(weights.values()))[0]


def organisation_of(groups: Sequence[Group]) -> Organisation:
    """The simulated organisation of some of the groups, from its start."""
    organisation = Organisation(ParallelClock(), name="fleet")
    organisation.monitoring.first = groups[0].first
    content = {
        "organisation": {"version": "2019"},
        "servers": {one: {"site": group.name} for group in groups for one in group.members},
        "databases": {
            f"DB-{one}": {
                "copies": [group.members[(number + step) % len(group.members)] for step in range(3)]
            }
            for group in groups
            for number, one in enumerate(group.members)
        },
        "dags": {group.name: {"members": list(group.members)} for group in groups},
        "faults": [one for group in groups for one in group.faults],
        "events": [one for group in groups for one in group.events],
    }
    build(organisation, TomlFile(name="fleet", content=content), {})
    return organisation
