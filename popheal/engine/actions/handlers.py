"""How each action is carried out: one performer an action, none of them does I/O by itself."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Final

from popheal.engine.actions.mailbox_servers import check_backends, find_backends, recover_backends
from popheal.engine.actions.probes import check_health, probe
from popheal.engine.actions.reboot import await_server, reboot
from popheal.engine.actions.services import reload_pop3, restart_service
from popheal.engine.actions.settings import (
    drain,
    enable_protocol_logging,
    fail_back,
    restore_protocol_logging,
)
from popheal.engine.actions.switchover import check_switchover, verify_copies
from popheal.engine.context import ActionHandler, ActionResult, RunContext
from popheal.engine.requests import Steps, do, pause


def wait(work: RunContext) -> Steps[ActionResult]:
    """CommandTime 2 and 4: the runbook's ten minutes."""
    until = work.memory.until
    if until is None:
        until = work.session.clock.now() + timedelta(seconds=work.timing.settle)
        work.memory.until = until
        yield from do(
            work.session.current_lease.wait,
            at=work.session.clock.now(),
            server=work.server,
            run=work.run.id,
            data={"until": until.isoformat(), **work.as_json()},
        )
    # After a crash, only what is left of it.
    left = min((until - work.session.clock.now()).total_seconds(), work.timing.settle)
    work.session.emit("pausing", work.server, work.run, seconds=left)
    yield from pause(left)
    return ActionResult("elapsed", f"waited until {until:%H:%M:%S} UTC")


#: By the action's name.
HANDLERS: Final[Mapping[str, ActionHandler]] = MappingProxyType(
    {
        "await_server": await_server,
        "check_backends": check_backends,
        "check_health": check_health,
        "check_switchover": check_switchover,
        "drain": drain,
        "enable_protocol_logging": enable_protocol_logging,
        "fail_back": fail_back,
        "find_backends": find_backends,
        "probe": probe,
        "reboot": reboot,
        "recover_backends": recover_backends,
        "reload_pop3": reload_pop3,
        "restart_service": restart_service,
        "restore_protocol_logging": restore_protocol_logging,
        "verify_copies": verify_copies,
        "wait": wait,
    }
)
