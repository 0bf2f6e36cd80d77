"""Effects that set a value: database activation and protocol logging, on and back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from popheal.actions import DebtKind
from popheal.backend import Backend
from popheal.errors import BackendError, CommandFailed, NotAuthorised, Unreachable
from popheal.observations import MailboxServer, PopSettings
from popheal.performing.context import (
    Observed,
    Work,
    deadline_in,
    insistently,
    persistently,
    polling,
    same_boot,
)
from popheal.performing.copies import read_copies_on
from popheal.reading import is_active
from popheal.steps import Steps, T, attempt


def _set_and_see(
    work: Work,
    change: tuple[Callable[..., None], bool],
    look: Callable[..., T],
    value_of: Callable[[T], bool],
) -> Steps[Observed]:
    """Set a value, then look until it is set: the look decides, not the command's return.

    A value written to Active Directory may take minutes to be seen. So once the command may
    have been sent, not seeing the value proves nothing, and the debt stays.
    """
    setter, wanted = change
    error = yield from attempt(setter, work.server, wanted)
    if isinstance(error, (Unreachable, NotAuthorised)):
        return Observed("refused", str(error))
    deadline = deadline_in(work.session, work.timing.service_deadline)
    while True:
        seen = yield from attempt(look, work.server)
        if not isinstance(seen, BackendError) and value_of(seen) is wanted:
            return Observed("done", f"seen to be set ({error})" if error else "seen to be set")
        if not (yield from polling(work.session, deadline, work.timing.probe_pause)):
            break
    if isinstance(error, CommandFailed):
        return Observed("failed", str(error))
    unseen = seen if isinstance(seen, BackendError) else "the new value was not seen"
    return Observed("could_not_tell", str(error or unseen))


# --- database activation -------------------------------------------------------------------------


def _activation(seen: MailboxServer) -> bool:
    return seen.activation_disabled


def drain(work: Work) -> Steps[Observed]:
    """Deep/SelfTest 3: disable activation, after noting what it was and what was active."""
    before = yield from persistently(work.session, Backend.mailbox_server, work.server)
    if isinstance(before, BackendError):
        return Observed("refused", f"not attempted: {before}")
    copies = yield from insistently(work.session, lambda: read_copies_on(work.server))
    if isinstance(copies, BackendError):
        return Observed("refused", f"not attempted: {copies}")
    if before.activation_disabled:
        return Observed("refused", "not attempted: somebody else has disabled activation meanwhile")
    work.memory.active_before = tuple(
        copy.database for copy, database in copies if is_active(copy) and not database.recovery
    )
    work.run.owe(prior=before.activation_disabled)
    work.intend(
        command="Set-MailboxServer -DatabaseCopyActivationDisabledAndMoveNow $true",
        prior=before.activation_disabled,
        active=list(work.memory.active_before),
    )
    return (
        yield from _set_and_see(
            work, (Backend.set_activation_disabled, True), Backend.mailbox_server, _activation
        )
    )


def fail_back(work: Work) -> Steps[Observed]:
    """Deep/SelfTest 7: allow activation again, if a probe has succeeded on this very boot."""
    debt = work.run.owed(DebtKind.ACTIVATION_DISABLED)
    if debt is None:
        return Observed("refused", "this run did not disable activation, so it does not enable it")
    host = yield from persistently(work.session, Backend.host_status, work.server)
    if isinstance(host, BackendError):
        return Observed("refused", f"can't tell whether the server has restarted since: {host}")
    passed = _passed_on(work)
    if passed is None or not same_boot(passed, host.boot_time):
        return Observed("refused", "the server has restarted since the probe succeeded")
    now = yield from attempt(Backend.mailbox_server, work.server)
    if not isinstance(now, BackendError) and now.activation_disabled is debt.prior:
        return Observed("done", "somebody else has put activation back already")
    work.intend(
        command="Set-MailboxServer -DatabaseCopyActivationDisabledAndMoveNow $false",
        prior=debt.prior,
    )
    observed = yield from _set_and_see(
        work,
        (Backend.set_activation_disabled, debt.prior),
        Backend.mailbox_server,
        _activation,
    )
    if observed.outcome != "done":
        return observed
    where = yield from _move_back(work)
    return Observed("done", f"activation is as it was before; {where}")


def _passed_on(work: Work) -> datetime | None:
    """The boot on which a probe last succeeded."""
    return work.memory.passed_on_boot


def _move_back(work: Work) -> Steps[str]:
    """Erratum D4: allowing activation moves nothing back. Say where each database is."""
    if work.session.policy.move_databases_back:
        for database in work.memory.active_before:
            work.intend(command="Move-ActiveMailboxDatabase", database=database)
            yield from attempt(Backend.move_database, work.server, database)
    copies = yield from insistently(work.session, lambda: read_copies_on(work.server))
    if isinstance(copies, BackendError):
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


def enable_protocol_logging(work: Work) -> Steps[Observed]:
    """CTP 3.1: turn protocol logging on, after noting whether it was on before (D1, D12)."""
    before = yield from persistently(work.session, Backend.pop_settings, work.server)
    if isinstance(before, BackendError):
        return Observed("refused", f"not attempted: {before}")
    if before.protocol_log_enabled:
        return Observed("done", "it was on already, and will be left on")
    work.run.owe(prior=before.protocol_log_enabled)
    work.intend(
        command="Set-PopSettings -ProtocolLogEnabled $true", prior=before.protocol_log_enabled
    )
    return (
        yield from _set_and_see(
            work, (Backend.set_protocol_logging, True), Backend.pop_settings, _logging
        )
    )


def restore_protocol_logging(work: Work) -> Steps[Observed]:
    """CTP 6: set protocol logging back to what it was; what was on before stays on (D12)."""
    debt = work.run.owed(DebtKind.PROTOCOL_LOGGING)
    if debt is None:
        return Observed("done", "it was on before this run, so it stays on")
    work.intend(command="Set-PopSettings -ProtocolLogEnabled $false", prior=debt.prior)
    return (
        yield from _set_and_see(
            work, (Backend.set_protocol_logging, debt.prior), Backend.pop_settings, _logging
        )
    )
