"""What the policy has against an effect at this moment, and when it may have no more.

Asked before each effect that changes or disrupts anything; a reboot asks
:func:`check_disruption_limits` by itself, in ``actions/reboot.py``. Each check is a small look; the
table says which effects it is asked about. Putting back is never asked about.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from attrs import frozen

from popheal.engine.context import RunContext
from popheal.engine.looks.feasibility import NO_REBOOT
from popheal.engine.looks.managed_availability import (
    NOT_HEEDED,
    described,
    recent_actions,
    under_way,
)
from popheal.engine.plan import effects_in_reach, worst_of
from popheal.engine.requests import Count, Logic, logon_lasts, rights_missing
from popheal.errors import BackendError
from popheal.exchange.interpret import OVERDUE_AFTER, is_reboot, is_service_restart
from popheal.exchange.models import HostStatus, RecoveryAction
from popheal.exchange.names import same_server
from popheal.healthsets.pop.catalog import services_of
from popheal.journal.past_effects import Reboot
from popheal.policy.policy import Consent, Policy
from popheal.policy.windows import closes_within, is_open, next_opening
from popheal.reports.report import FindingKind
from popheal.tables.actions import (
    ACTIONS,
    ACTIVATE_COMPONENT,
    BY_ROLE,
    DRAIN,
    ENABLE_PROTOCOL_LOGGING,
    REBOOT,
    RECOVER_BACKENDS,
    RESTART_SERVICE,
    Action,
    Impact,
    for_each_action,
)
from popheal.tables.debts import DebtKind
from popheal.tables.table import Guard, Procedure
from popheal.util.text import moment

_HOUR: Final = timedelta(hours=1)
_DAY: Final = timedelta(days=1)
#: What was done and the boot that came of it are told by different clocks.
_CLOCKS_DIFFER: Final = timedelta(minutes=1)


@frozen
class Refusal:
    """Why an effect may not be done now.

    Attributes:
        reason: Names the setting of the policy that would have to change.
        retry_at: When the reason will have gone; None if time does not help, or nobody knows.
        next_step: What a person can do about it.
    """

    kind: FindingKind
    reason: str
    retry_at: datetime | None = None
    next_step: str = ""


Check = Callable[[RunContext, Action], Logic[Refusal | None]]


async def check_limits(work: RunContext, action: Action) -> Refusal | None:
    """The first thing that speaks against an action now; None if it may be carried out."""
    return await _first(CHECKS.get(action.name, ()), work, action)


async def check_disruption_limits(work: RunContext, host: HostStatus) -> Refusal | None:
    """The same for taking the server out of service; asked before anything is moved, too.

    Args:
        work: The run.
        host: The server as it was seen just now: its last boot counts, whoever made it.
    """
    boot = host.boot_time - timedelta(seconds=work.memory.skew)
    window = _window if _restart_is_next(work) else _lasting_window
    checks = (_impact, window, partial(_reboots, boot=boot), _group_pause)
    return await _first(checks, work, REBOOT)


async def check_group_pause(work: RunContext, hosts: Mapping[str, HostStatus]) -> Refusal | None:
    """Whether another member of the group has booted too recently, whoever restarted it.

    Args:
        work: The run.
        hosts: The other members as they were seen just now, by name.
    """
    return await _first((partial(_boots_in_group, hosts=hosts),), work, REBOOT)


async def check_rights(work: RunContext) -> Refusal | None:
    """Whether the account may do what the run could come to; asked before its first effect."""
    effects = effects_in_reach([work.run.procedure], work.session.policy, [_role(work)])
    try:
        missing = await rights_missing(work.server, effects) if effects else ()
    except BackendError:
        return None  # then each command will tell
    if not missing:
        return None
    return Refusal(
        FindingKind.NOT_AUTHORISED,
        f"the account that popheal uses lacks what this may need: {', '.join(missing)}",
        next_step="Give it a management role in Exchange that has that, or lower highest_impact "
        "in the policy.",
    )


def _role(work: RunContext) -> frozenset[Guard]:
    return frozenset({Guard.MAILBOX_ROLE}) if work.info.mailbox_role else frozenset()


async def check_logon(work: RunContext) -> Refusal | None:
    """Whether what popheal logs on with outlasts the run: else a server could be left half-way.

    Asked before the first effect of a run.
    """
    session = work.session
    try:
        left = await logon_lasts(work.server)
    except BackendError as error:
        return Refusal(FindingKind.NOT_AUTHORISED, str(error))
    if left is None:
        return None
    needed = seconds_needed(work.run.procedure, _role(work), session.policy)
    if left.total_seconds() >= needed:
        return None
    now = session.clock.now()
    return Refusal(
        FindingKind.NOT_AUTHORISED,
        f"what popheal logs on with expires at {moment(now + left)}, and this could take until "
        f"{moment(now + timedelta(seconds=needed))}; without a logon a server would be left "
        "half-way",
        next_step="Get a new ticket (kinit), or let a keytab renew it by itself: "
        "KRB5_CLIENT_KTNAME=FILE:/path/to/keytab.",
    )


def seconds_needed(table: Procedure, role: frozenset[Guard], policy: Policy) -> float:
    """How long what popheal logs on with has to last for a run to be begun."""
    timing = policy.timing
    needed = worst_of(table, role, timing).seconds + timing.command_timeout
    return needed + (timing.approval_deadline if policy.needs_approval(Impact.DISRUPT) else 0)


async def _first(checks: Iterable[Check], work: RunContext, action: Action) -> Refusal | None:
    for check in checks:
        refusal = await check(work, action)
        if refusal:
            work.session.retry_at = refusal.retry_at
            return refusal
    return None


async def _impact(work: RunContext, action: Action) -> Refusal | None:
    if work.session.policy.allows(action.impact):
        return None
    limit = work.session.policy.highest_impact.value
    return Refusal(
        FindingKind.POLICY,
        f"the policy allows nothing beyond '{limit}' (highest_impact)",
    )


async def _window(work: RunContext, action: Action) -> Refusal | None:
    policy, now = work.session.policy, work.session.wall_now
    if not policy.needs_window(action.impact) or is_open(policy.windows, now):
        return None
    return Refusal(
        FindingKind.WINDOW,
        "no maintenance window is open (policy: windows)",
        next_opening(policy.windows, now),
    )


def _restart_is_next(work: RunContext) -> bool:
    """Whether no database has to leave the server before: there are none, or they have left."""
    drained = work.run.owed(DebtKind.ACTIVATION_DISABLED) is not None
    return drained or not work.info.mailbox_role


async def _lasting_window(work: RunContext, action: Action) -> Refusal | None:
    """Before a drain: one that is open until the databases must have left.

    Else it could close meanwhile, and the server would be left drained until the next one opens.
    """
    refusal = await _window(work, action)
    policy, now = work.session.policy, work.session.wall_now
    if refusal or not policy.needs_window(action.impact):
        return refusal
    closes = closes_within(policy.windows, now, timedelta(seconds=work.timing.drain_deadline))
    if closes is None:
        return None
    return Refusal(
        FindingKind.WINDOW,
        f"the maintenance window will have closed at {moment(closes)}, maybe before the databases "
        "have left: the server would stay drained (policy: windows, drain_deadline)",
        next_opening(policy.windows, closes),
    )


async def _restarts(work: RunContext, _: Action) -> Refusal | None:
    limit = work.session.policy.restarts_per_hour
    if not limit:
        said = "the policy allows no restart of POP3 (restarts_per_hour = 0)"
        return Refusal(FindingKind.POLICY, said)
    since = work.session.clock.now() - _HOUR
    mine: list[datetime] = await Count("restarts", since, work.server)
    services = services_of(BY_ROLE, work.info)
    theirs = await _by_the_product(work, since, lambda one: is_service_restart(one, services))
    if isinstance(theirs, Refusal) or len(mine) + len(theirs) < limit:
        return theirs if isinstance(theirs, Refusal) else None
    return Refusal(
        FindingKind.BUDGET,
        f"POP3 was restarted there {_counted(mine, theirs)} within the hour "
        f"(policy: restarts_per_hour = {limit})",
        _frees_up([*mine, *theirs], limit, _HOUR),
    )


async def _reboots(work: RunContext, _: Action, *, boot: datetime | None = None) -> Refusal | None:
    limit = work.session.policy.reboots_per_server
    if not limit:
        return Refusal(FindingKind.POLICY, NO_REBOOT)
    since = work.session.clock.now() - _DAY
    # A boot of this day may have come of a command before it.
    before = since - _until_booted(work)
    recent: list[Reboot] = await Count("reboots", before)
    here = [one for one in recent if same_server(one.server, work.server)]
    found = await _by_the_product(work, before, is_reboot)
    if isinstance(found, Refusal):
        return found
    mine = [one.at for one in here if one.at >= since]
    theirs = [at for at in found if at >= since]
    if boot and boot >= since and not _is_known(work, boot, here, found):
        mine.append(boot)
    if len(mine) + len(theirs) < limit:
        return None
    last = f"; its last boot was at {moment(boot)}, whoever restarted it" if boot in mine else ""
    return Refusal(
        FindingKind.BUDGET,
        f"the server was restarted {_counted(mine, theirs)} within the day "
        f"(policy: reboots_per_server = {limit}){last}",
        _frees_up([*mine, *theirs], limit, _DAY),
    )


def _until_booted(work: RunContext) -> timedelta:
    """How long after the command for it a boot may still be what came of it."""
    return timedelta(seconds=work.timing.reboot_deadline)


def _is_known(
    work: RunContext, boot: datetime, ours: Iterable[Reboot], theirs: Iterable[datetime] = ()
) -> bool:
    """Whether a server's last boot is what came of one of these restarts; all by our clock.

    One by others was seen after the boot, and there has been none since: so it was this one.
    """
    commanded = [*theirs, *(one.at for one in ours if not one.by_others)]
    begun = boot - _until_booted(work)
    return any(begun <= at <= boot + _CLOCKS_DIFFER for at in commanded) or any(
        one.by_others and one.at >= boot - _CLOCKS_DIFFER for one in ours
    )


async def _by_the_product(
    work: RunContext, since: datetime, counts: Callable[[RecoveryAction], bool]
) -> list[datetime] | Refusal:
    """When Managed Availability did the like, by our clock; a refusal if it is at work now."""
    if not work.session.policy.heed_managed_availability:
        return []
    skew = timedelta(seconds=work.memory.skew)
    now = work.session.clock.now() + skew
    try:
        actions = await recent_actions(work.session, work.server, now)
    except BackendError as error:
        return Refusal(
            FindingKind.COULD_NOT_TELL,
            f"what Managed Availability does could not be read: {error} {NOT_HEEDED}",
        )
    acting = under_way(actions, now, work.memory.boot_at_start)
    if acting:
        return Refusal(
            FindingKind.MANAGED_AVAILABILITY,
            f"Managed Availability is at work on the server: {described(acting)}",
            acting.expected_finish + OVERDUE_AFTER - skew if acting.expected_finish else None,
        )
    times = [one.started or one.finished for one in actions if counts(one)]
    return [at - skew for at in times if at and at - skew >= since]


def _counted(ours: Sequence[datetime], theirs: Sequence[datetime]) -> str:
    by_the_product = f", {len(theirs)} of them by Managed Availability" if theirs else ""
    return f"{len(ours) + len(theirs)} times{by_the_product}"


async def _group_pause(work: RunContext, _: Action) -> Refusal | None:
    hours = work.session.policy.hours_between_reboots
    if work.dag is None or not hours:
        return None
    apart = timedelta(hours=hours)
    recent: list[Reboot] = await Count("reboots", work.session.clock.now() - apart)
    others = [
        one
        for one in recent
        if one.dag.casefold() == work.dag.casefold() and not same_server(one.server, work.server)
    ]
    if not others:
        return None
    last = others[-1]
    return Refusal(
        FindingKind.BUDGET,
        f"{last.server}, another member of {work.dag}, was restarted less than {hours:g} hours ago "
        f"(policy: hours_between_reboots = {hours:g})",
        last.at + apart,
    )


async def _boots_in_group(
    work: RunContext, _: Action, *, hosts: Mapping[str, HostStatus]
) -> Refusal | None:
    hours = work.session.policy.hours_between_reboots
    if not hours or not hosts:
        return None
    apart, now = timedelta(hours=hours), work.session.clock.now()
    recent: list[Reboot] = await Count("reboots", now - apart - _until_booted(work))
    boots = {
        # Up for so long when it was asked: if that was a moment ago, the boot looks a little later.
        name: now - (host.local_time - host.boot_time)
        for name, host in hosts.items()
    }
    # Of those that were commanded by popheal the command counts, and that has been looked at.
    strange = {
        name: boot
        for name, boot in boots.items()
        if not _is_known(work, boot, [one for one in recent if same_server(one.server, name)])
    }
    if not strange:
        return None
    last = max(strange, key=lambda name: strange[name])
    if strange[last] + apart <= now:
        return None
    return Refusal(
        FindingKind.BUDGET,
        f"{last}, another member of {work.dag}, has booted at {moment(strange[last])}, less than "
        f"{hours:g} hours ago, whoever restarted it (policy: hours_between_reboots = {hours:g})",
        strange[last] + apart,
    )


def _frees_up(times: Iterable[datetime], limit: int, span: timedelta) -> datetime | None:
    """When fewer than the limit, which is at least one, will lie within the span."""
    newest = sorted(times)[-limit:]
    return newest[0] + span if newest else None


async def _pop_proxy(work: RunContext, _: Action) -> Refusal | None:
    if work.session.policy.pop_proxy is not Consent.NEVER:
        return None
    return Refusal(
        FindingKind.POLICY, "the policy does not allow to make PopProxy active (pop_proxy)"
    )


_DISRUPTIVE: Final = (_impact, _window, _reboots, _group_pause)

#: For each action that changes something, the cheap ones first. A drain asks again by itself, once
#: it has looked at the members and the server; and a reboot only by itself, once it has seen that
#: nobody else has restarted the server meanwhile.
CHECKS: Final[Mapping[str, tuple[Check, ...]]] = for_each_action(
    {
        RESTART_SERVICE: (_impact, _window, _restarts),
        ENABLE_PROTOCOL_LOGGING: (_impact, _window),
        DRAIN: _DISRUPTIVE,
        REBOOT: (),
        RECOVER_BACKENDS: (_impact, _window),
        # The service is started next: without that the component would be of no use.
        ACTIVATE_COMPONENT: (_pop_proxy, _impact, _window, _restarts),
    },
    [one for one in ACTIONS.values() if not one.impact.harmless],
)
