"""Restarting a server once."""

from __future__ import annotations

from popheal.engine.actions.gates import why_not_touch
from popheal.engine.actions.proof import why_wait_would_fail
from popheal.engine.actions.switchover import require_clear, why_not_clear, why_not_now
from popheal.engine.context import ActionResult, RunContext
from popheal.engine.limits import Refusal
from popheal.engine.looks.retry import retry_call
from popheal.engine.requests import Claim, call, try_effect
from popheal.errors import NOTHING_DONE, BackendError, NotBegun
from popheal.exchange.backend import Backend
from popheal.exchange.interpret import booted_since, inactive_components, is_running
from popheal.exchange.models import HostStatus
from popheal.exchange.names import client_access_of, same_server
from popheal.healthsets.pop.catalog import services_of
from popheal.healthsets.pop.health import serves_pop
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
    if booted_since(work.memory.boot_at_start, host.boot_time):
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
    moved = isinstance(error, NotBegun) and error.reason == "boot_time"
    if isinstance(error, NOTHING_DONE) and not moved:
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
    for one in await retry_call(work.session, Backend.all_servers, work.server):
        alike = one.client_access_role and site is not None and one.site == site
        if not alike or same_server(one.fqdn, work.server):
            continue
        if await _is_serving(one.fqdn):
            return None
    return Refusal(
        FindingKind.OUT_OF_SERVICE,
        "no other client access server of its site is seen to serve POP, so clients would be "
        "cut off (policy: reboot_last_of_role)",
    )


async def _is_serving(server: str) -> bool:
    """Whether a client access server is seen to serve POP now; if it can't be told, it is not."""
    try:
        host = await call(Backend.host_status, server)
        rows = await call(Backend.server_health, server)
        components = await call(Backend.component_states, server)
    except BackendError:
        return False
    serves = serves_pop(server, rows, host.local_time, host.utc_offset)
    return serves and not inactive_components(components)


async def _running_now(work: RunContext) -> tuple[str, ...]:
    names = (*services_of("by_role", work.info), *NEEDED_SERVICES)
    seen = await retry_call(work.session, Backend.services, work.server, names)
    return tuple(one.name for one in seen if is_running(one))
