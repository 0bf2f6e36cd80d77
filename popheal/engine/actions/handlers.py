"""How each action is carried out: one handler an action, none of them does I/O by itself."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from popheal.engine.actions.comeback import await_server
from popheal.engine.actions.components import check_component, keep_component
from popheal.engine.actions.mailbox_servers import check_backends, find_backends, recover_backends
from popheal.engine.actions.probes import check_health, probe
from popheal.engine.actions.reboot import reboot
from popheal.engine.actions.services import reload_pop3, restart_service
from popheal.engine.actions.settings import (
    activate_component,
    deactivate_component,
    drain,
    enable_protocol_logging,
    fail_back,
    restore_protocol_logging,
)
from popheal.engine.actions.switchover import check_switchover, verify_copies
from popheal.engine.context import ActionHandler, ActionResult, RunContext
from popheal.engine.requests import Pause
from popheal.journal import entries
from popheal.reports import events
from popheal.tables import actions
from popheal.tables.actions import for_each_action
from popheal.util.text import time_of_day


async def wait(work: RunContext) -> ActionResult:
    """CommandTime 2 and 4: the runbook's ten minutes."""
    until = work.memory.until
    if until is None:
        until = work.session.clock.now() + timedelta(seconds=work.deadline)
        work.memory.until = until
        await work.write(entries.Waiting, until=until)
    # After a crash, only what is left of it.
    left = min((until - work.session.clock.now()).total_seconds(), work.deadline)
    if left > 0:
        if not work.rejoins:
            work.emit(events.Pausing, what="POP to settle", seconds=left, most=work.deadline)
        await Pause(left, is_written=True)
    return ActionResult("elapsed", f"waited until {time_of_day(until)} UTC")


#: By the action's name. Each action has one: else this can't be imported.
HANDLERS: Final[Mapping[str, ActionHandler]] = for_each_action(
    {
        actions.AWAIT_SERVER: await_server,
        actions.CHECK_BACKENDS: check_backends,
        actions.CHECK_HEALTH: check_health,
        actions.CHECK_SWITCHOVER: check_switchover,
        actions.DRAIN: drain,
        actions.ENABLE_PROTOCOL_LOGGING: enable_protocol_logging,
        actions.FAIL_BACK: fail_back,
        actions.FIND_BACKENDS: find_backends,
        actions.PROBE: probe,
        actions.REBOOT: reboot,
        actions.RECOVER_BACKENDS: recover_backends,
        actions.RELOAD_POP3: reload_pop3,
        actions.RESTART_SERVICE: restart_service,
        actions.RESTORE_PROTOCOL_LOGGING: restore_protocol_logging,
        actions.VERIFY_COPIES: verify_copies,
        actions.WAIT: wait,
        actions.CHECK_COMPONENT: check_component,
        actions.ACTIVATE_COMPONENT: activate_component,
        actions.KEEP_COMPONENT: keep_component,
        actions.DEACTIVATE_COMPONENT: deactivate_component,
    }
)
