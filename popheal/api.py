"""The public functions, synchronous and asynchronous: they start generators and pump them.

The generators are imported where they are started: a program that only imports the library,
to read a table or to show its help, does not wait for them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from threading import Event as Flag
from typing import TYPE_CHECKING

from popheal.engine.approval import Approver
from popheal.engine.drive import apump, pump
from popheal.engine.plan import Plan
from popheal.exchange.backend import AsyncBackend, Backend
from popheal.healthsets.pop import PROCEDURES
from popheal.policy.policy import Policy
from popheal.reports.events import Observer
from popheal.reports.report import Alert, Report
from popheal.tables.table import Procedure
from popheal.util.clock import Clock, SystemClock

if TYPE_CHECKING:
    from popheal.engine.context import HealingContext
    from popheal.journal import Journal


def heal(
    alert: Alert,
    backend: Backend,
    *,
    policy: Policy | None = None,
    clock: Clock | None = None,
    observers: Sequence[Observer] = (),
    stop: Flag | None = None,
    leave: Flag | None = None,
    journal: Journal | None = None,
    procedures: Mapping[str, Procedure] = PROCEDURES,
    approver: Approver | None = None,
) -> Report:
    """Verify an alert and carry out the runbook's procedure for what really fails.

    Args:
        alert: What to answer.
        backend: What reaches the Exchange organisation.
        policy: How far to go; safe by default.
        clock: Time; by default the backend's own ``clock`` if it has one (a simulated
            organisation does), else the wall clock.
        observers: Called with each :class:`~popheal.reports.events.Event` as it happens.
        stop: Set it, from any thread, to stop: from then on only restoring actions.
        leave: Set it, from any thread, to break off before the next call, as a crash would but
            in good order: nothing is put back, and whoever has the journal can go on.
        journal: Where it is written down before and after each effect, so that it can be gone
            on with after a crash; by default one in the memory of this process.
        procedures: The tables to follow, by the names that the catalogue uses.
        approver: Asked where the policy wants a person's approval, see
            :class:`~popheal.engine.approval.ApprovalRequest`. Without one, or where it does not
            decide, the healing waits for an answer in the journal, if that is a file.

    Returns:
        The report, whatever happened: failures of the backend are part of it.

    Raises:
        UnknownName: If the organisation has no such server; nothing was done.
        JournalError: If the journal can't be written. Nothing was done from then on; what had
            been done is in the journal, and :func:`resume` goes on with it.
        Left: If ``leave`` was set.

    A first Ctrl-C during a call or a pause does what ``stop`` does; a second one breaks off and
    leaves things as they are. A program that can handle signals should set ``stop`` in its
    handler instead, which never breaks off a remote command.
    """
    from popheal.engine.healing import healing

    journal = journal or _process_journal()
    session = _session(backend, policy, clock, observers, stop, leave, procedures, approver)
    return pump(healing(session, alert, journal), backend, session)


def resume(
    run: str,
    backend: Backend,
    *,
    journal: Journal,
    policy: Policy | None = None,
    clock: Clock | None = None,
    observers: Sequence[Observer] = (),
    stop: Flag | None = None,
    leave: Flag | None = None,
    procedures: Mapping[str, Procedure] = PROCEDURES,
    approver: Approver | None = None,
) -> Report:
    """Go on with a healing whose process has died; it looks before it repeats any effect.

    Args:
        run: Its id, or that of one of its runs (``journal.healings(unfinished=True)`` has them).
        backend: What reaches the organisation.
        journal: Where it was written down.
        policy: How far to go from now on; None for what was allowed when it began.
        clock: As for :func:`heal`, like the rest.
        observers: Likewise.
        stop: Likewise.
        leave: Likewise.
        procedures: Likewise. A run whose table has changed pays its debts and is handed over.
        approver: As for :func:`heal`. What was approved before still is, if it has not expired.

    Raises:
        UnknownName: If the journal has no such unfinished healing.
        StillRunning: If a living process is at work on it.
        JournalError: As for :func:`heal`.
    """
    from popheal.engine.healing import resuming

    session = _session(backend, policy, clock, observers, stop, leave, procedures, approver)
    return pump(resuming(session, run, journal, policy), backend, session)


def triage(
    alert: Alert,
    backend: Backend,
    *,
    policy: Policy | None = None,
    clock: Clock | None = None,
    observers: Sequence[Observer] = (),
) -> Report:
    """Only verify (runbook: Verifying the issue still exists). Changes nothing.

    A verified fault is reported as ``escalated``, since nothing was done about it.

    Raises:
        UnknownName: If the organisation has no such server.
    """
    from popheal.engine.healing import triaging

    session = _session(backend, policy, clock, observers)
    return pump(triaging(session, alert), backend, session)[1]


def plan(
    alert: Alert,
    backend: Backend,
    *,
    policy: Policy | None = None,
    clock: Clock | None = None,
    observers: Sequence[Observer] = (),
) -> Plan:
    """Verify, and say what healing could do from here. Changes nothing.

    Raises:
        UnknownName: If the organisation has no such server.
    """
    from popheal.engine.planning import planning

    session = _session(backend, policy, clock, observers)
    return pump(planning(session, alert), backend, session)


async def aheal(
    alert: Alert,
    backend: AsyncBackend | Backend,
    *,
    policy: Policy | None = None,
    clock: Clock | None = None,
    observers: Sequence[Observer] = (),
    stop: Flag | None = None,
    leave: Flag | None = None,
    journal: Journal | None = None,
    procedures: Mapping[str, Procedure] = PROCEDURES,
    approver: Approver | None = None,
) -> Report:
    """Like :func:`heal`, without blocking the event loop.

    A synchronous backend's methods are called in one worker thread, one at a time. If the task
    is cancelled, restoring actions are still carried out before the cancellation goes through;
    a second cancellation breaks off.
    """
    from popheal.engine.healing import healing

    journal = journal or _process_journal()
    session = _session(backend, policy, clock, observers, stop, leave, procedures, approver)
    return await apump(healing(session, alert, journal), backend, session)


async def aresume(
    run: str,
    backend: AsyncBackend | Backend,
    *,
    journal: Journal,
    policy: Policy | None = None,
    clock: Clock | None = None,
    observers: Sequence[Observer] = (),
    stop: Flag | None = None,
    leave: Flag | None = None,
    procedures: Mapping[str, Procedure] = PROCEDURES,
    approver: Approver | None = None,
) -> Report:
    """Like :func:`resume`, without blocking the event loop."""
    from popheal.engine.healing import resuming

    session = _session(backend, policy, clock, observers, stop, leave, procedures, approver)
    return await apump(resuming(session, run, journal, policy), backend, session)


async def atriage(
    alert: Alert,
    backend: AsyncBackend | Backend,
    *,
    policy: Policy | None = None,
    clock: Clock | None = None,
    observers: Sequence[Observer] = (),
) -> Report:
    """Like :func:`triage`, without blocking the event loop."""
    from popheal.engine.healing import triaging

    session = _session(backend, policy, clock, observers)
    return (await apump(triaging(session, alert), backend, session))[1]


def _session(
    backend: AsyncBackend | Backend,
    policy: Policy | None,
    clock: Clock | None,
    observers: Sequence[Observer],
    stop: Flag | None = None,
    leave: Flag | None = None,
    procedures: Mapping[str, Procedure] = PROCEDURES,
    approver: Approver | None = None,
) -> HealingContext:
    from popheal.engine.context import HealingContext

    own: Clock | None = getattr(backend, "clock", None)
    return HealingContext(
        policy=policy or Policy(),
        clock=clock or own or SystemClock(),
        organisation=backend.organisation,
        procedures=procedures,
        observers=tuple(observers),
        stop=stop or Flag(),
        leave=leave or Flag(),
        approver=approver,
    )


def _process_journal() -> Journal:
    from popheal.journal import process_journal

    return process_journal()
