"""Restarting a server once."""

from __future__ import annotations

from popheal.engine.actions.gates import why_not_touch
from popheal.engine.actions.proof import why_wait_would_fail
from popheal.engine.actions.switchover import require_clear, why_not_clear, why_not_now
from popheal.engine.context import ActionResult, RunContext
from popheal.engine.limits import Refusal
from popheal.engine.looks.boot import only_its_clock_was_set
from popheal.engine.looks.front_ends import NONE_SERVES, another_serves
from popheal.engine.looks.retry import retry_call
from popheal.engine.requests import Claim, try_effect
from popheal.errors import NOTHING_DONE, NotBegun
from popheal.exchange.backend import Backend
from popheal.exchange.interpret import booted_since, is_running
from popheal.exchange.models import HostStatus
from popheal.exchange.names import client_access_of
from popheal.healthsets.pop.catalog import services_of
from popheal.reports.reasons import kind_of
from popheal.reports.report import FindingKind
from popheal.util.text import moment

#: What must run again after a reboot if it ran before: POP3 itself, and what it needs to serve
#: and to be probed.
NEEDED_SERVICES = (
    "MSExchangeADTopology",
    "MSExchangeHM",
    "MSExchangeIS",
    "MSExchangeRepl",
    "MSExchangeServiceHost",
)


async def reboot(work: RunContext) -> ActionResult:
    """Deep/SelfTest 5: restart the server, if nothing is active on it at the very last look.

    The command is conditional on the boot time read here, so that it can't work twice. If the
    server has restarted since triage, whoever did it, that counts as the reboot.
    """
    # Written down before a crash, so perhaps commanded: then nothing is certain but the boot time.
    not_done = "could_not_tell" if work.memory.intended else "refused"
    host = await retry_call(work.session, Backend.host_status, work.server)
    moved = booted_since(work.memory.boot_at_start, host.boot_time)
    if moved and only_its_clock_was_set(work, host):
        said = (
            "not attempted: its clock was set meanwhile, so its boot time has moved to "
            f"{moment(host.boot_time)}, and it has not restarted"
        )
        return ActionResult(not_done, said, kind=FindingKind.COULD_NOT_TELL)
    if moved:
        work.memory.boot_before = work.memory.boot_at_start
        said = f"it has been restarted meanwhile, at {moment(host.boot_time)}; not repeated"
        return ActionResult("done", said, by_others=True)
    running = await _running_now(work)
    refusal = await _why_not(work, host)
    if refusal:
        return ActionResult(not_done, f"not attempted: {refusal.reason}", kind=refusal.kind)
    if not work.memory.intended:
        work.memory.running_before, work.memory.boot_before = running, host.boot_time
        work.memory.update_pending = bool(host.reboot_pending)
    await work.intend(
        Backend.reboot,
        host.boot_time,
        command="Restart-Computer",
        booted_at=host.boot_time.isoformat(),
    )
    # The last look comes after everything else, directly before the command.
    if work.info.mailbox_role and (why := await why_not_clear(work)):
        return ActionResult(not_done, f"not attempted: {why}", kind=FindingKind.STAYED)
    if work.stopped:
        return ActionResult(not_done, "not attempted: a person said stop")
    guard = (
        require_clear(work.server, work.memory.active_before) if work.info.mailbox_role else None
    )
    error = await try_effect(Backend.reboot, work.server, host.boot_time, guard=guard)
    has_booted = isinstance(error, NotBegun) and error.reason == "boot_time"
    if isinstance(error, NOTHING_DONE) and not has_booted:
        # Somebody else's shutdown is not ours to wait for.
        return ActionResult(not_done, str(error), kind=kind_of(error))
    if error:
        # Even an error may have come after the command had begun to work: the boot time tells.
        return ActionResult("could_not_tell", str(error))
    said = f"restart commanded; it had booted at {moment(host.boot_time)}"
    if work.memory.update_pending:
        said += "; Windows had a restart pending, so it may take longer"
    return ActionResult("done", said)


async def _why_not(work: RunContext, host: HostStatus) -> Refusal | None:
    """Everything that speaks against it, asked once more: the step before may be long ago."""
    refusal = await why_not_touch(work, host)
    if refusal:
        return refusal
    if work.info.mailbox_role:
        return await why_not_now(work)
    return await _why_last_of_role(work) or await why_wait_would_fail(work, host)


async def _why_last_of_role(work: RunContext) -> Refusal | None:
    """A server without the Mailbox role has no databases to look after, but clients to serve."""
    if work.session.policy.reboot_last_of_role:
        return None
    site = work.info.site
    if await Claim("site", client_access_of(site)):
        said = f"another healing is acting on a client access server of site {site}"
        return Refusal(FindingKind.BUSY, said)
    if await another_serves(work.session, work.info):
        return None
    return Refusal(FindingKind.OUT_OF_SERVICE, NONE_SERVES)


async def _running_now(work: RunContext) -> tuple[str, ...]:
    names = (*services_of("by_role", work.info), *NEEDED_SERVICES)
    seen = await retry_call(work.session, Backend.services, work.server, names)
    return tuple(one.name for one in seen if is_running(one))
