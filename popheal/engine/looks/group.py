"""Looking at a database availability group: its members, and whether they are in service.

What is asked about a member is asked with that member as the server, so that no backend takes the
way through the server under repair to answer it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from attrs import evolve, frozen

from popheal.engine.looks.copies import Layout, count_active
from popheal.engine.requests import call, look, open_ahead
from popheal.errors import Unreadable
from popheal.exchange.backend import Backend
from popheal.exchange.interpret import find_service, is_blocked, is_running, why_out_of_service
from popheal.exchange.models import (
    Dag,
    HostStatus,
    MailboxServer,
    ReplicationCheck,
    ServerInfo,
    ServiceStatus,
)
from popheal.exchange.names import same_server
from popheal.exchange.redundancy import is_among
from popheal.healthsets.pop.catalog import POP3_BACK_END

#: Where a database is active, these have to run, or its mailboxes can't be read by POP3.
_SERVING: Final = ("MSExchangeIS", POP3_BACK_END)


@frozen(kw_only=True)
class Member:
    """Another member of the group.

    Attributes:
        server: Its name, as the group lists it.
        up: Whether the group counts it as operational. If not, it was asked nothing that only
            the server itself could answer: ``host`` is None, and ``checks`` is empty.
        site: Its site; None if not told.
        mailbox: What may be activated there.
        host: Its operating system, and its node in the cluster.
        out_of_service: Why it is out of service although it is up; empty if it isn't.
        checks: The rows of ``Test-ReplicationHealth`` about it.
        does_not_serve: Which of the services without which its mailboxes can't be read by POP3
            does not run there; empty if all do.
    """

    server: str
    up: bool
    site: str | None = None
    mailbox: MailboxServer
    host: HostStatus | None = None
    out_of_service: str = ""
    checks: tuple[ReplicationCheck, ...] = ()
    does_not_serve: str = ""

    @property
    def takes_no_more(self) -> bool:
        """Whether nothing is activated there by itself."""
        return is_blocked(self.mailbox) or self.mailbox.activation_disabled


@frozen(kw_only=True)
class Group:
    """A group as one of its members is about to leave it for a while.

    Attributes:
        dag: The group.
        site: The site of the server that is about to leave; None if not told.
        members: The others.
    """

    dag: Dag
    site: str | None
    members: tuple[Member, ...]

    def member(self, server: str) -> Member | None:
        """The other member of that name, if there is one."""
        return next((one for one in self.members if same_server(one.server, server)), None)

    @property
    def hosts(self) -> dict[str, HostStatus]:
        """The operating systems of the others that are up, by their names."""
        return {one.server: one.host for one in self.members if one.host}


@look
async def read_group(_context: Any, server: str, name: str, checked: bool) -> Group:
    """The group of a server, and its other members one by one.

    Args:
        server: The server that is about to leave.
        name: The group.
        checked: Whether each member's replication is to be tested too, which takes its time.

    Raises:
        BackendError: If any of it can't be told, or the answer isn't about the group.
    """
    dag: Dag = await call(Backend.dag, server, name)
    if dag.name.casefold() != name.casefold() or not is_among(server, dag.members):
        raise Unreadable(
            server=server,
            command="Get-DatabaseAvailabilityGroup",
            cause=f"the answer is not about {name}, or does not list the server as a member",
        )
    others = [one for one in dag.members if not same_server(one, server)]
    if up := [one for one in others if is_among(one, dag.operational)]:
        await open_ahead(up[0], up[1:])
    infos = await call(Backend.all_servers, server)
    members = [await _member(one, dag, infos, checked=checked) for one in others]
    return Group(dag=dag, site=_site_of(server, infos), members=tuple(members))


async def _member(member: str, dag: Dag, infos: Iterable[ServerInfo], *, checked: bool) -> Member:
    mailbox = await call(Backend.mailbox_server, member)
    site = _site_of(member, infos)
    if not is_among(member, dag.operational):
        return Member(server=member, up=False, site=site, mailbox=mailbox)
    host = await call(Backend.host_status, member)
    components = await call(Backend.component_states, member)
    if not host.cluster_node:
        raise Unreadable(
            server=member,
            command="Get-ClusterNode",
            cause="the state of its node in the cluster was not told, so it may be in maintenance",
            next_step="Let the account that popheal uses read the cluster on each member.",
        )
    services = await call(Backend.services, member, _SERVING)
    checks = await call(Backend.replication_health, member) if checked else ()
    return Member(
        server=member,
        up=True,
        site=site,
        mailbox=mailbox,
        host=host,
        out_of_service=why_out_of_service(components, host),
        checks=tuple(checks),
        does_not_serve=", ".join(_not_running(services)),
    )


def _not_running(services: Sequence[ServiceStatus]) -> Iterator[str]:
    for name in _SERVING:
        service = find_service(name, services)
        if service is None:
            yield f"{name} was not found"
        elif not is_running(service):
            yield f"{service.name} is {service.state} ({service.start_type})"


def _site_of(server: str, infos: Iterable[ServerInfo]) -> str | None:
    """The site of a server; None if it, or which of two servers is meant, can't be told."""
    sites = {one.site for one in infos if same_server(server, one.fqdn)}
    return next(iter(sites)) if len(sites) == 1 else None


async def with_active_counted(group: Group, layout: Layout) -> Layout:
    """The layout with what is active on those members that take only so many.

    Raises:
        BackendError: If it can't be told.
    """
    limited = [
        one.server
        for one in group.members
        if one.up and one.mailbox.maximum_active_databases is not None
    ]
    return evolve(layout, active_on={one: await count_active(one) for one in limited})
