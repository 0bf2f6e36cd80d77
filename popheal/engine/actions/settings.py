"""Effects that set a value: database activation and protocol logging, on and back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from attrs import evolve

from popheal.engine.actions.gates import why_group_forbids, why_not_ours, why_not_touch
from popheal.engine.actions.put_back import refuse_put_back
from popheal.engine.context import ActionResult, RunContext
from popheal.engine.limits import Refusal
from popheal.engine.looks.component import is_active as component_active
from popheal.engine.looks.component import is_offline_by_health_api, why_not_activate
from popheal.engine.looks.copies import read_copies_on
from popheal.engine.looks.retry import poll, retry, retry_call
from popheal.engine.requests import Look, T, try_call
from popheal.errors import NOTHING_DONE, BackendError, CommandFailed
from popheal.exchange.backend import Backend
from popheal.exchange.interpret import is_active, same_boot
from popheal.exchange.models import MailboxServer, PopSettings
from popheal.healthsets.pop.catalog import HEALTH_API, POP_PROXY_COMPONENT
from popheal.reports.reasons import kind_of
from popheal.reports.report import FindingKind
from popheal.tables.actions import FAIL_BACK_UNHEALED
from popheal.tables.debts import DebtKind


async def _set_and_see(
    work: RunContext,
    change: tuple[Callable[..., None], bool],
    look: Callable[..., T],
    value_of: Callable[[T], bool],
    args: tuple[object, ...] = (),
) -> ActionResult:
    """Set a value, then look until it is set: the look decides, not the command's return.

    A value written to Active Directory may take minutes to be seen. So once the command may
    have been sent, not seeing the value proves nothing, and the debt stays.
    """
    setter, wanted = change
    error = await try_call(setter, work.server, *(args or (wanted,)))
    if isinstance(error, NOTHING_DONE):
        return ActionResult("refused", str(error), kind=kind_of(error))
    every = work.timing.probe_pause
    while True:
        seen = await try_call(look, work.server)
        unread = seen if isinstance(seen, BackendError) else None
        if not isinstance(seen, BackendError) and value_of(seen) is wanted:
            said = f"seen to be set ({error})" if error else "seen to be set"
            return ActionResult("done", said)
        watch = Look[Any](look.__name__, (work.server,))
        if not await poll(
            work,
            "seen",
            work.deadline,
            every,
            what="the new setting",
            failed=unread,
            watch=watch,
            seen=seen,
        ):
            break
    unseen = str(unread) if unread else "the new value was not seen"
    if isinstance(error, CommandFailed):
        return ActionResult("failed", str(error))
    return ActionResult("could_not_tell", str(error) if error else unseen)


# --- database activation -------------------------------------------------------------------------


def _activation(seen: MailboxServer) -> bool:
    return seen.activation_disabled


async def drain(work: RunContext) -> ActionResult:
    """Deep/SelfTest 3: disable activation, after noting what it was and what was active.

    Since the databases were seen to be able to move, a person may have taken an hour to approve:
    everything that speaks against it is asked again right before.
    """
    # Written down before a crash: what was active, and owed, was read then.
    debt = work.run.owed(DebtKind.ACTIVATION_DISABLED)
    not_done = "could_not_tell" if work.memory.intended else "refused"
    if (
        debt
        and (
            await retry_call(work.session, Backend.mailbox_server, work.server)
        ).activation_disabled
    ):
        return ActionResult("done", "seen to be set")
    refusal = await why_not_touch(work)
    if refusal:
        return _not_attempted(not_done, refusal)
    before = await retry_call(work.session, Backend.mailbox_server, work.server)
    refusal = why_not_ours(before)
    if refusal or before.dag is None:
        return _not_attempted(not_done, refusal)
    refusal, seen = await why_group_forbids(work, before.dag)
    if refusal:
        return _not_attempted(not_done, refusal)
    # What is noted as the value before must be that: what somebody else has set is not ours.
    work.session.moment.end()
    before = await retry_call(work.session, Backend.mailbox_server, work.server)
    if refusal := why_not_ours(before):
        return _not_attempted(not_done, refusal)
    if debt is None:
        debt = work.run.owe(prior=before.activation_disabled)
        work.memory.active_before = tuple(
            copy.database
            for copy, database in seen.layout.here
            if is_active(copy) and not database.recovery
        )
    await work.intend(
        Backend.set_activation_disabled,
        True,
        command="Set-MailboxServer -DatabaseCopyActivationDisabledAndMoveNow $true",
        value=True,
        prior=debt.prior,
        active=list(work.memory.active_before),
    )
    observed = await _set_and_see(
        work, (Backend.set_activation_disabled, True), Backend.mailbox_server, _activation
    )
    recovery = [copy.database for copy, database in seen.layout.here if database.recovery]
    said = f"; recovery databases stay, and serve nobody: {', '.join(recovery)}" if recovery else ""
    return evolve(observed, detail=f"{observed.detail}{said}")


def _not_attempted(outcome: str, refusal: Refusal | None) -> ActionResult:
    if refusal is None:
        raise AssertionError("what is not attempted has a reason")
    return ActionResult(outcome, f"not attempted: {refusal.reason}", kind=refusal.kind)


async def fail_back(work: RunContext) -> ActionResult:
    """Deep/SelfTest 7: allow activation again, if the mailbox side is well on this very boot.

    That is seen by one of its own probes alone, run by hand. Where the front end has not been
    healed, copies and replication must be well besides.
    """
    action = work.run.next_action()
    debt = work.run.owed(DebtKind.ACTIVATION_DISABLED)
    if debt is None:
        return ActionResult(
            "refused", "this run did not disable activation, so it does not enable it"
        )
    work.session.moment.end()
    try:
        host = await retry_call(work.session, Backend.host_status, work.server)
    except BackendError as error:
        return ActionResult(
            "refused", f"can't tell whether the server has restarted since: {error}"
        )
    passed = _passed_on(work)
    if passed is None or not same_boot(passed, host.boot_time):
        said = "no probe of its mailbox side has succeeded since the server's latest restart"
        return ActionResult("refused", said, kind=FindingKind.NO_PROOF)
    if action and action.argument == FAIL_BACK_UNHEALED.argument:
        refused = await refuse_put_back(work)
        if refused:
            return refused
    now = await try_call(Backend.mailbox_server, work.server)
    if isinstance(now, MailboxServer) and now.activation_disabled is debt.prior:
        if not work.memory.intended:
            said = "somebody else has put activation back already"
            return ActionResult("done", said, by_others=True)
    else:
        await work.intend(
            Backend.set_activation_disabled,
            debt.prior,
            command="Set-MailboxServer -DatabaseCopyActivationDisabledAndMoveNow $false",
            value=debt.prior,
        )
        observed = await _set_and_see(
            work,
            (Backend.set_activation_disabled, debt.prior),
            Backend.mailbox_server,
            _activation,
        )
        if observed.outcome != "done":
            return observed
    where = await _move_back(work)
    return ActionResult("done", f"activation is as it was before; {where}")


def _passed_on(work: RunContext) -> datetime | None:
    """The boot on which a probe of the mailbox side last succeeded."""
    return work.memory.passed_on_boot


async def _move_back(work: RunContext) -> str:
    """Erratum D4: allowing activation moves nothing back. Say where each database is."""
    if work.session.policy.move_databases_back:
        for database in work.memory.active_before:
            command = f"Move-ActiveMailboxDatabase {database}"
            if command in work.memory.intended:
                continue  # commanded before a crash; where it is now is said below
            await work.intend(Backend.move_database, database, command=command, database=database)
            await try_call(Backend.move_database, work.server, database)
    try:
        copies = await retry(work.session, "copies", lambda: read_copies_on(work.server))
    except BackendError:
        return "where the databases are could not be read"
    moved = {name.casefold() for name in work.memory.active_before}
    places = [
        f"{one.database} on {one.active_server or 'an unknown server'}"
        for one, _ in copies
        if one.database.casefold() in moved
    ]
    return f"databases now: {', '.join(places)}" if places else "no database had been active here"


# --- protocol logging ----------------------------------------------------------------------------


def _logging(seen: PopSettings) -> bool:
    return seen.protocol_log_enabled


async def enable_protocol_logging(work: RunContext) -> ActionResult:
    """CTP 3.1: turn protocol logging on, after noting whether it was on before (D1, D12)."""
    before = await retry_call(work.session, Backend.pop_settings, work.server)
    debt = work.run.owed(DebtKind.PROTOCOL_LOGGING)
    if before.protocol_log_enabled:
        if debt:  # by us, as was written down before a crash
            return ActionResult("done", "seen to be set", log=before.log_location)
        said = "it was on already, and will be left on"
        return ActionResult("done", said, log=before.log_location)
    debt = debt or work.run.owe(prior=before.protocol_log_enabled)
    await work.intend(
        Backend.set_protocol_logging,
        True,
        command="Set-PopSettings -ProtocolLogEnabled $true",
        value=True,
        prior=debt.prior,
    )
    observed = await _set_and_see(
        work, (Backend.set_protocol_logging, True), Backend.pop_settings, _logging
    )
    return evolve(observed, log=before.log_location)


async def restore_protocol_logging(work: RunContext) -> ActionResult:
    """CTP 6: set protocol logging back to what it was; what was on before stays on (D12)."""
    debt = work.run.owed(DebtKind.PROTOCOL_LOGGING)
    if debt is None:
        return ActionResult("done", "it was on before this run, so it stays on")
    if work.memory.intended:
        seen = await try_call(Backend.pop_settings, work.server)
        if isinstance(seen, PopSettings) and seen.protocol_log_enabled is debt.prior:
            return ActionResult("done", "seen to be set")
    await work.intend(
        Backend.set_protocol_logging,
        debt.prior,
        command="Set-PopSettings -ProtocolLogEnabled $false",
        value=debt.prior,
    )
    return await _set_and_see(
        work, (Backend.set_protocol_logging, debt.prior), Backend.pop_settings, _logging
    )


# --- PopProxy ------------------------------------------------------------------------------------


def _component(active: bool) -> tuple[str, bool, str]:
    """What the command that sets PopProxy takes, after the server."""
    return POP_PROXY_COMPONENT, active, HEALTH_API


async def activate_component(work: RunContext) -> ActionResult:
    """D14: make PopProxy active in the name of HealthAPI, if still nothing speaks against it."""
    debt = work.run.owed(DebtKind.COMPONENT_ACTIVATED)
    active = component_active(await retry_call(work.session, Backend.component_states, work.server))
    if active and debt:  # by us, as was written down before a crash
        return ActionResult("done", "seen to be set")
    # A person may have taken an hour to approve.
    why = await why_not_activate(work.session, work.server)
    if why and not work.memory.intended:
        kind = FindingKind.COMPONENT_INACTIVE
        return ActionResult("refused", f"not attempted: {why}", attempted=False, kind=kind)
    if why:
        return ActionResult("could_not_tell", why, kind=FindingKind.COMPONENT_INACTIVE)
    debt = debt or work.run.owe(prior=False)
    await work.intend(
        Backend.set_component_state,
        *_component(True),
        command="Set-ServerComponentState PopProxy Active",
        value=True,
        prior=debt.prior,
    )
    return await _set_and_see(
        work,
        (Backend.set_component_state, True),
        Backend.component_states,
        component_active,
        _component(True),
    )


async def deactivate_component(work: RunContext) -> ActionResult:
    """D14: make PopProxy inactive again, unless somebody has done so."""
    debt = work.run.owed(DebtKind.COMPONENT_ACTIVATED)
    if debt is None:
        return ActionResult("done", "this run did not make PopProxy active")
    seen = await try_call(Backend.component_states, work.server)
    if not isinstance(seen, BackendError) and is_offline_by_health_api(seen):
        by_others = not work.memory.intended
        said = "PopProxy is inactive again already" if by_others else "seen to be set"
        return ActionResult("done", said, by_others=by_others)
    await work.intend(
        Backend.set_component_state,
        *_component(debt.prior),
        command="Set-ServerComponentState PopProxy Inactive",
        value=debt.prior,
    )
    return await _set_and_see(
        work,
        (Backend.set_component_state, debt.prior),
        Backend.component_states,
        lambda seen: not is_offline_by_health_api(seen),
        _component(debt.prior),
    )
