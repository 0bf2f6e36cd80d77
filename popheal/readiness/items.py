"""What is looked at: the table of items, in the order in which they are looked at and shown.

An item without ``ask`` is answered by the backend, where that can tell what its ways are like
(:class:`~popheal.exchange.backend.Inspectable`). All the others are looks that every backend has.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from functools import partial
from types import MappingProxyType
from typing import Final

from attrs import field, frozen

from popheal.readiness import on_group, on_pop, on_windows
from popheal.readiness.subject import Ask


class Section(Enum):
    """Part of what is shown, by its heading."""

    HERE = "This machine"
    WAYS = "Ways in"
    RIGHTS = "Rights"
    WINDOWS = "Windows"
    POP = "POP and Managed Availability"
    GROUP = "Databases and group"


@frozen(kw_only=True)
class Item:
    """One thing to look at.

    Attributes:
        key: Its name in JSON.
        title: For people, a few words.
        means: When it is well, for the documentation.
        needs: The items that have to be well before it can be looked at.
        uses: The methods of the backend that it calls, about the server itself.
        ask: Looks; None where the backend's inspection has the answer.
    """

    key: str
    section: Section
    title: str
    means: str
    needs: tuple[str, ...] = ()
    uses: tuple[str, ...] = ()
    ask: Ask | None = field(default=None, repr=False)


_here = partial(Item, section=Section.HERE)
_way = partial(Item, section=Section.WAYS)
_right = partial(Item, section=Section.RIGHTS)
_windows = partial(Item, section=Section.WINDOWS)
_pop = partial(Item, section=Section.POP)
_group = partial(Item, section=Section.GROUP)

_OF_GROUP: Final = ("mailbox_server", "dag")
_COPIES: Final = ("databases", "database_copies", "copies_of")

ITEMS: Final = (
    _here(
        key="journal",
        title="Journal",
        means="a healing can be written down: the file can be written, or be made where it is to "
        "be; nobody else can write there, and it lies on no network file system",
    ),
    _here(
        key="at_work",
        title="Who else has it",
        means="no healing waits to be resumed because its process has died. Which processes watch "
        "with this journal, or heal with it, is told",
    ),
    _here(
        key="notified",
        title="Who is told",
        means="the addresses of `[notify]` are understood. How many there are, and which handovers "
        "they get, is told",
    ),
    # --- ways in ---------------------------------------------------------------------------------
    _way(key="name", title="Name", means="the name leads to an address"),
    _way(key="tcp", title="Port", means="a connection to the port is accepted in time"),
    _way(
        key="tls",
        title="Certificate",
        means="with `ssl`: the certificate is for the server's name, from an authority that is "
        "trusted here, and lasts for two weeks yet. Without `ssl`: no password would be sent in "
        "clear text",
    ),
    _way(
        key="http",
        title="Endpoint",
        means="something answers at the path, and sends nobody elsewhere",
    ),
    _way(
        key="offers",
        title="Logons offered",
        means="the way to log on that is configured is among those that the server offers",
    ),
    _way(
        key="ticket",
        title="Kerberos ticket",
        means="there is one where one is needed; it lasts for the longest healing, or renews "
        "itself",
        uses=("server_info",),
        ask=on_pop.ticket,
    ),
    _way(key="logon", title="Logon", means="the account is let in"),
    _way(
        key="session",
        title="Session",
        means="PowerShell starts there, in the session configuration that is named",
    ),
    _way(key="answer_time", title="Time to answer", means="a session opens and answers in time"),
    _way(
        key="language",
        title="Language mode",
        means="the server's own endpoint runs scripts: FullLanguage",
    ),
    _way(key="powershell", title="PowerShell", means="its version is 3 or later"),
    _way(
        key="host",
        title="Right server",
        means="the machine that is reached has the name that was meant",
    ),
    # --- rights ----------------------------------------------------------------------------------
    _right(
        key="cmdlet",
        title="Cmdlet",
        means="the account's roles have it, with every parameter that the policy can need",
    ),
    _right(
        key="condition",
        title="Condition of a script",
        means="what popheal's scripts ask of the account and of Windows is so",
    ),
    # --- Windows ---------------------------------------------------------------------------------
    _windows(
        key="boot",
        title="Boot time",
        means="the server tells when it booted",
        uses=("host_status",),
        ask=on_windows.boot,
    ),
    _windows(
        key="clock",
        title="Clock",
        means="it agrees with this machine's within a minute",
        needs=("boot",),
        uses=("host_status",),
        ask=on_windows.clock,
    ),
    _windows(
        key="zone",
        title="Time zone",
        means="the server tells it",
        needs=("boot",),
        uses=("host_status",),
        ask=on_windows.zone,
    ),
    _windows(
        key="maintenance",
        title="Maintenance",
        means="Exchange Setup does not run; and no restart is pending, where the policy heeds that",
        needs=("boot",),
        uses=("host_status",),
        ask=on_windows.maintenance,
    ),
    _pop(
        key="server",
        title="Known to Exchange",
        means="Exchange knows the server, and says which roles it has",
        uses=("server_info",),
        ask=on_pop.server,
    ),
    _windows(
        key="services",
        title="Services",
        means="their state can be read",
        needs=("server",),
        uses=("services",),
        ask=on_windows.services,
    ),
    _windows(
        key="pop_service",
        title="POP3 service",
        means="the services of its roles run",
        needs=("services",),
        uses=("services",),
        ask=on_windows.pop_services,
    ),
    _windows(
        key="health_manager",
        title="Health Manager",
        means="it runs: it evaluates all monitors",
        needs=("services",),
        uses=("services",),
        ask=on_windows.health_manager,
    ),
    _windows(
        key="event_logs",
        title="Recovery actions",
        means="what Managed Availability does by itself can be read, in both event logs",
        needs=("boot",),
        uses=("recovery_actions", "host_status"),
        ask=on_windows.event_logs,
    ),
    # --- POP -------------------------------------------------------------------------------------
    _pop(
        key="servers",
        title="All servers",
        means="the row of each server of the organisation can be read",
        uses=("all_servers",),
        ask=on_pop.servers,
    ),
    _pop(
        key="rows",
        title="Health rows",
        means="Get-ServerHealth has rows about POP on this server",
        needs=("server",),
        uses=("server_health",),
        ask=on_pop.rows,
    ),
    _pop(
        key="monitor",
        title="Monitor",
        means="each monitor of the catalogue that the server's roles have is there, is turned on, "
        "and was evaluated within the last half hour. What it says of POP is told, and not judged: "
        "that is for triage",
        needs=("rows", "health_manager", "boot"),
        uses=("server_health", "host_status"),
        ask=on_pop.monitors,
    ),
    _pop(
        key="times",
        title="Times of evaluation",
        means="they can be read; without a time zone, in the server's own",
        needs=("rows", "zone"),
        uses=("server_health", "host_status"),
        ask=on_pop.times,
    ),
    _pop(
        key="probe",
        title="Probe",
        means="it is listed there, so it can be run by hand. It is not run",
        needs=("server",),
        uses=("monitoring_items",),
        ask=on_pop.probes,
    ),
    _pop(
        key="component",
        title="Components",
        means="PopProxy, and what else matters, is active",
        needs=("server",),
        uses=("component_states",),
        ask=on_pop.components,
    ),
    _pop(
        key="settings",
        title="POP settings",
        means="they can be read",
        needs=("server",),
        uses=("pop_settings",),
        ask=on_pop.settings,
    ),
    _pop(
        key="loopback",
        title="Bindings",
        means="POP3 listens where the front end's own probe connects to",
        needs=("settings",),
        uses=("pop_settings",),
        ask=on_pop.loopback,
    ),
    _windows(
        key="pop_log",
        title="POP3 log",
        means="its folder can be read; or it is not there yet, while logging is off",
        needs=("settings", "boot"),
        uses=("pop_logs", "pop_settings", "host_status"),
        ask=on_windows.pop_log,
    ),
    # --- databases and group ---------------------------------------------------------------------
    _group(
        key="activation",
        title="Activation",
        means="nobody has drained the server",
        needs=("server",),
        uses=("mailbox_server",),
        ask=on_group.activation,
    ),
    _group(
        key="group",
        title="Group",
        means="it has the server as a member; or the server is in none",
        needs=("server",),
        uses=_OF_GROUP,
        ask=on_group.group,
    ),
    _group(
        key="member",
        title="Other member",
        means="it is up, in service, and its node in the cluster is known",
        needs=("group",),
        uses=_OF_GROUP,
        ask=on_group.members,
    ),
    _group(
        key="witness",
        title="Witness",
        means="where the number of members is even: it is in use, and can be reached",
        needs=("group",),
        uses=(*_OF_GROUP, "replication_health"),
        ask=on_group.witness,
    ),
    _group(
        key="replication",
        title="Replication",
        means="Test-ReplicationHealth passes",
        needs=("group",),
        uses=(*_OF_GROUP, "replication_health"),
        ask=on_group.replication,
    ),
    _group(
        key="copy",
        title="Database",
        means="enough healthy copies of it are elsewhere; or it never moves",
        needs=("server",),
        uses=_COPIES,
        ask=on_group.copies,
    ),
    _group(
        key="drain",
        title="Could be drained now",
        means="no gate holds a drain at this moment; asked only where all lines above are well",
        needs=("activation", "group", "member", "witness", "copy", "maintenance"),
        uses=(
            *_OF_GROUP,
            *_COPIES,
            "host_status",
            "all_servers",
            "monitoring_items",
            "server_info",
        ),
        ask=on_group.drain,
    ),
)

BY_KEY: Final = MappingProxyType({one.key: one for one in ITEMS})


def line_in_words(name: str) -> str:
    """A line as it is shown, by its ``name``, before which a server and a colon may stand."""
    server, _, own = name.rpartition(": ")
    key, _, about = own.partition(" ")
    title = BY_KEY[key].title if key in BY_KEY else key
    shown = f"{title} {about}".rstrip()
    return f"{shown} of {server}" if server else shown


def sections(keys: Iterable[str]) -> list[Section]:
    """The sections that these items belong to, in the order in which they are shown."""
    wanted = {BY_KEY[key].section for key in keys}
    return [one for one in Section if one in wanted]
