"""The check with which a watch begins: it tells what has changed since the last one."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import evolve

from popheal.api import Healer
from popheal.engine.context import HealingContext
from popheal.engine.control import Control
from popheal.errors import Detached
from popheal.exchange.backend import AsyncBackend, Backend
from popheal.journal import Journal
from popheal.readiness.changes import changes, keep, last_kept
from popheal.readiness.items import BY_KEY
from popheal.readiness.lines import Readiness
from popheal.reports import events
from popheal.util.defects import describe_defect


async def check_first(
    session: HealingContext,
    backend: AsyncBackend | Backend,
    servers: Sequence[str],
    journal: Journal | None,
    control: Control,
) -> None:
    """Check the servers, and tell what has changed. Nothing that comes of it ends the watch.

    Without a journal there is none to check, and nothing from the last time to compare with.

    Raises:
        Detached: If ``control`` says to end.
    """
    healer = Healer(backend, policy=session.policy, clock=session.clock, journal=journal)
    try:
        found = await healer.acheck(tuple(dict.fromkeys(servers)), control=control)
    except Detached:
        raise
    except Exception as error:  # noqa: BLE001 - a check must not keep anything from being healed
        session.emit(events.LookFailed, "", error=describe_defect(error))
        return
    if journal is None:
        found = evolve(found, here=())
    path = journal.path if journal else None
    _tell(session, last_kept(path) if path else None, found)
    if path:
        keep(path, found)


def _tell(session: HealingContext, before: Readiness | None, now: Readiness) -> None:
    for one in changes(before, now):
        line = one.line
        session.emit(
            events.ReadinessChanged,
            one.server,
            line=f"{BY_KEY[line.key].title} {line.about}".rstrip(),
            judgement=line.judgement.value,
            was=one.was.value if one.was else None,
            seen="; ".join(part for part in (line.value, line.cause) if part),
            next_step=line.next_step,
        )
    counted = {one.value: number for one, number in now.counted().items()}
    session.emit(events.ReadinessChecked, "", **counted)
