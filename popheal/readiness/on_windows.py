"""What is looked at on a server's own Windows: each look as the backend has it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from popheal.engine.requests import call
from popheal.errors import CommandFailed
from popheal.exchange.backend import Backend
from popheal.exchange.interpret import find_service, is_running, is_switched_off
from popheal.exchange.models import HostStatus, ServiceStatus
from popheal.healthsets.pop.catalog import HEALTH_MANAGER, services_of
from popheal.readiness.subject import Answer, Subject, bad, good, untold
from popheal.tables.actions import BY_ROLE
from popheal.util.text import moment, span

#: Seconds by which clocks may differ. Kerberos takes five minutes; a domain's are within one.
_CLOCKS_AGREE: Final = 60.0
_LOOKED_BACK: Final = timedelta(hours=1)
_HOUR: Final = 3600


async def boot(subject: Subject) -> Sequence[Answer]:
    host = await _host(subject)
    up = max(timedelta(), host.local_time - host.boot_time)
    since = subject.context.clock.now() - up
    return [good(f"up for {span(up.total_seconds())}, since {moment(since)}")]


async def clock(subject: Subject) -> Sequence[Answer]:
    host = await _host(subject)
    ahead = (host.local_time - subject.context.clock.now()).total_seconds()
    if abs(ahead) <= _CLOCKS_AGREE:
        return [good("as this machine's, within a minute")]
    differs = f"{span(abs(ahead))} {'ahead of' if ahead > 0 else 'behind'} this machine's"
    return [
        bad(
            differs,
            "Kerberos refuses clocks that are more than five minutes apart, and times of the two "
            "machines can't be compared",
            "See which of the two is wrong (w32tm /query /status there), and set it by the time "
            "service of the domain.",
        )
    ]


async def zone(subject: Subject) -> Sequence[Answer]:
    offset = (await _host(subject)).utc_offset
    if offset is None:
        return [
            untold(
                "",
                "the server did not tell its time zone, so times without one can't be read",
                "See on the server what [System.TimeZoneInfo]::Local says.",
            )
        ]
    sign, minutes = ("-" if offset < 0 else "+"), round(abs(offset) / 60)
    return [good(f"UTC{sign}{minutes // 60:02}:{minutes % 60:02}")]


async def maintenance(subject: Subject) -> Sequence[Answer]:
    host = await _host(subject)
    if host.setup_running:
        return [
            bad(
                "Exchange Setup is running",
                "somebody is patching the server, so popheal leaves it alone",
                "Let Setup finish.",
            )
        ]
    if not host.reboot_pending:
        return [good("no Exchange Setup, no restart pending")]
    seen = "Windows has a restart pending"
    if not subject.policy.heed_pending_restart:
        return [good(f"{seen}: a restart takes longer, as it configures updates")]
    return [
        bad(
            seen,
            "the policy lets no server be restarted then (heed_pending_restart)",
            "Restart the server in a maintenance, or take heed_pending_restart back.",
        )
    ]


async def services(subject: Subject) -> Sequence[Answer]:
    await _services(subject)
    return [good("can be read")]


async def pop_services(subject: Subject) -> Sequence[Answer]:
    names, seen = await _services(subject)
    return [_pop_service(name, find_service(name, seen)) for name in names]


async def health_manager(subject: Subject) -> Sequence[Answer]:
    _, seen = await _services(subject)
    found = find_service(HEALTH_MANAGER, seen)
    if found is None:
        return [
            bad(
                "not there",
                f"the server has no service {HEALTH_MANAGER}, which evaluates every monitor",
                "See whether Exchange is installed completely (Get-Service MSExchange*).",
            )
        ]
    if is_running(found):
        return [good(_described(found))]
    return [
        bad(
            _described(found),
            "while it does not run no monitor is evaluated and no probe is run",
            f"Start it: Start-Service {HEALTH_MANAGER}. If it does not stay up, see the event log.",
        )
    ]


async def event_logs(subject: Subject) -> Sequence[Answer]:
    if not subject.policy.heed_managed_availability:
        return [good("not read (policy: heed_managed_availability)")]
    now = (await _host(subject)).local_time
    actions = await call(Backend.recovery_actions, subject.server, now - _LOOKED_BACK)
    return [good(f"readable, {len(actions)} recovery actions within the hour")]


async def pop_log(subject: Subject) -> Sequence[Answer]:
    settings = await call(Backend.pop_settings, subject.server)
    now = (await _host(subject)).local_time
    try:
        found = await call(
            Backend.pop_logs, subject.server, settings.log_location, now - _LOOKED_BACK, now
        )
    except CommandFailed as error:
        if settings.protocol_log_enabled:
            raise
        # Most often the folder is not made before something is logged.
        return [good(f"not there yet, and logging is off: {error.cause}")]
    return [good(f"readable, {len(found)} files of the last hour")]


# --- shared --------------------------------------------------------------------------------------


async def _host(subject: Subject) -> HostStatus:
    host: HostStatus = await call(Backend.host_status, subject.server)
    return host


async def _services(subject: Subject) -> tuple[tuple[str, ...], Sequence[ServiceStatus]]:
    """The names of the POP3 services of the server's roles; these services, and one more."""
    names = services_of(BY_ROLE, subject.info) if subject.info else ()
    return names, await call(Backend.services, subject.server, (*names, HEALTH_MANAGER))


def _pop_service(name: str, found: ServiceStatus | None) -> Answer:
    if found is None:
        return bad(
            "not there",
            f"the server has no service {name}, though its roles have it",
            f"See whether Exchange is installed completely: Get-Service {name}.",
            name,
        )
    if is_running(found):
        return good(_described(found), name)
    if is_switched_off(found):
        return bad(
            _described(found),
            "POP is off there, and popheal never turns it on",
            f"If POP is to be used there: Set-Service {name} -StartupType Automatic; Start-Service "
            f"{name}. If not, leave the server out of what is watched.",
            name,
        )
    return bad(
        _described(found),
        "it is set to start by itself, and does not run",
        f"See the event log for why, and: Start-Service {name}.",
        name,
    )


def _described(service: ServiceStatus) -> str:
    return f"{service.state}, {service.start_type}"
