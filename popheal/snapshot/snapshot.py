"""A snapshot: an organisation as it is, as a scenario of the simulator."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from functools import partial
from textwrap import wrap
from typing import Any, Final

from attrs import field, frozen

from popheal.backends.simulated import Scenario, build_scenario
from popheal.backends.simulated.faults import POP_ASPECTS
from popheal.engine.adrive import adrive
from popheal.engine.context import HealingContext
from popheal.engine.drive import drive
from popheal.errors import BackendError
from popheal.exchange.backend import AsyncBackend, Backend
from popheal.policy.policy import Policy
from popheal.snapshot.compare import differences
from popheal.snapshot.describe import describe
from popheal.snapshot.description import Description, Tables, cleaned
from popheal.snapshot.look import Progress, look_at, unseen
from popheal.snapshot.seen import Seen, kinds_on
from popheal.snapshot.toml_text import to_toml
from popheal.snapshot.troubles import add_troubles
from popheal.util.clock import Clock, SteadyClock, SystemClock
from popheal.util.text import moment, one_line

#: The order in which a scenario is read best.
_ORDER: Final = (
    "title",
    "description",
    "alert",
    "organisation",
    "servers",
    "dags",
    "databases",
    "faults",
    "rows",
    "probes",
    "calls",
    "recovery_actions",
)

#: What no look shows, by table: the simulation's own values stand for it, until somebody who
#: knows better writes the key.
UNSEEN: Final[Mapping[str, tuple[str, ...]]] = {
    "organisation": ("deep_needs_active_database", "log"),
    "servers": (
        "reboot",
        "reboot_seconds",
        "update_seconds",
        "shutdown_scheduled",
        "proxy_offline_after",
        "deep_needs_active_database",
    ),
    "services": ("on_restart", "boots_after", "starts_after_boot"),
    "copies": ("copy_queue_growth",),
    "dags": ("rebalances", "move_suppression"),
}
_LONGEST: Final = 400
#: Columns of what is said at the head of the file.
_WIDTH: Final = 90


@frozen(kw_only=True)
class Snapshot:
    """An organisation as it was seen.

    Attributes:
        tables: The tables of a scenario, as ``tomllib`` gives them.
        unread: What could not be read, or is not in it, a sentence each.
        differing: What it shows otherwise than it was seen, likewise.
        comments: What is said in the file, by the path of a table.
    """

    tables: Mapping[str, Any]
    unread: tuple[str, ...] = ()
    differing: tuple[str, ...] = ()
    comments: Mapping[tuple[str, ...], Sequence[str]] = field(factory=dict, repr=False)

    def to_toml(self) -> str:
        """The file of the scenario, which ``popheal rehearse`` plays. UTF-8, LF."""
        return to_toml(self.tables, self.comments)

    def scenario(self, clock: Clock | None = None) -> Scenario:
        """The simulated organisation, ready to be played once."""
        return build_scenario(self.tables, name="snapshot", source="snapshot", clock=clock)


def take_snapshot(
    backend: Backend,
    server: str,
    *,
    policy: Policy | None = None,
    clock: Clock | None = None,
    progress: Progress = unseen,
) -> Snapshot:
    """Look at a whole organisation, and describe it as a scenario. Changes nothing.

    Probes of monitors that are not well are rerun, as triage does.

    Args:
        backend: What reaches the organisation.
        server: One of its servers, to be asked for the others.
        policy: How often a probe is rerun, and with which pauses.
        clock: Time; by default the backend's own, or the wall clock.
        progress: Told before each server: how many are over, how many there are, and which it is.

    Raises:
        BackendError: The servers can't be listed. What can't be read of one of them is noted in
            :attr:`Snapshot.unread`.
        UnknownName: The organisation has no such server.
    """
    context = _context(backend, server, policy, clock)
    return _described(drive(partial(look_at, context, server, progress), backend, context))


async def atake_snapshot(
    backend: AsyncBackend | Backend,
    server: str,
    *,
    policy: Policy | None = None,
    clock: Clock | None = None,
    progress: Progress = unseen,
) -> Snapshot:
    """Like :func:`take_snapshot`, without blocking the event loop."""
    context = _context(backend, server, policy, clock)
    return _described(await adrive(partial(look_at, context, server, progress), backend, context))


def _context(
    backend: AsyncBackend | Backend, server: str, policy: Policy | None, clock: Clock | None
) -> HealingContext:
    own: Clock | None = getattr(backend, "clock", None)
    return HealingContext(
        policy=policy or Policy(),
        clock=SteadyClock(clock or own or SystemClock()),
        organisation=backend.organisation,
        server=server,
    )


def _described(seen: Seen) -> Snapshot:
    """Describe what was seen, and look at what the description shows."""
    it = describe(seen)
    it.tables = {
        "title": f"{_name(it)} as it was seen at {moment(seen.at)}",
        "alert": _alert(seen),
        **it.tables,
    }
    add_troubles(it, _shown(it))
    it.tables = {key: it.tables[key] for key in _ORDER if it.tables.get(key)}
    unread = _unread(it)
    differing = [one_line(one, _LONGEST) for one in differences(seen, _shown(it))]
    return Snapshot(
        tables=it.tables,
        unread=tuple(unread),
        differing=tuple(differing),
        comments={**it.notes, (): _head(seen, unread, differing)},
    )


def _shown(it: Description) -> Seen:
    """What the same looks show of the description."""
    it.tables = cleaned(it.tables)
    scenario = build_scenario(tomllib.loads(to_toml(it.tables)), source="the snapshot")
    server = it.seen.servers[0].fqdn
    context = _context(scenario.backend, server, None, None)
    return drive(partial(look_at, context, server), scenario.backend, context)


def _name(it: Description) -> str:
    return str(it.tables["organisation"].get("domain") or it.seen.servers[0].fqdn)


def _alert(seen: Seen) -> Tables:
    """What is alerting now; else the first server, on which nothing is wrong then."""
    for info in seen.servers:
        rows = seen.monitors(info.fqdn)
        for kind in kinds_on(info):
            row = rows.get(kind.name.casefold())
            ill = row is not None and row.alert_value.casefold() == "unhealthy"
            if ill and kind.aspect in POP_ASPECTS:
                return {"server": info.name, "health_set": kind.health_set, "monitor": kind.name}
    return {"server": seen.servers[0].name, "health_set": "POP"}


# --- what is said of it --------------------------------------------------------------------------


def _unread(it: Description) -> list[str]:
    """What could not be looked at, a sentence each."""
    seen = it.seen
    found = [f"{server} is left out: {why}" for server, why in seen.left_out.items()]
    failed: dict[tuple[str, str], list[str]] = {}
    for asked, answer in seen.answers.items():
        if isinstance(answer, BackendError):
            failed.setdefault((asked.server, answer.cause), []).append(asked.method)
    for (server, cause), methods in failed.items():
        looks = ", ".join(dict.fromkeys(methods))
        found.append(f"{looks} of {server}: {cause}")
    found += [text for path, texts in it.notes.items() if path != ("faults",) for text in texts]
    return [one_line(one, _LONGEST) for one in dict.fromkeys(found)]


def _head(seen: Seen, unread: Sequence[str], differing: Sequence[str]) -> list[str]:
    """What stands at the head of the file."""
    lines = [
        f"The organisation as popheal saw it at {moment(seen.at)}: a scenario of its simulator.",
        "Every key is on the page about scenarios. What is as usual is left out.",
    ]
    said = {
        "No look shows the following, so the simulator's own values stand for it:": [
            f"{what}: {', '.join(keys)}" for what, keys in UNSEEN.items()
        ],
        "What could not be read:": unread,
        "What the simulator shows otherwise:": differing,
    }
    for heading, sentences in said.items():
        if sentences:
            lines += ["", heading]
        for one in sentences:
            lines += wrap(one, _WIDTH, initial_indent="- ", subsequent_indent="  ")
    return lines
