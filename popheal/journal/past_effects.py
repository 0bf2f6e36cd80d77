"""What was done lately: the questions that budgets ask, and what was done at all."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from attrs import frozen

from popheal.exchange.names import same_server
from popheal.journal.database import Database
from popheal.journal.rows import moment_as_text, zoned
from popheal.journal.schema import host_of


@frozen(kw_only=True)
class Reboot:
    """A restart of a server, and the database availability group it was a member of.

    Attributes:
        at: When it was commanded, or may have been; where somebody else had restarted the server
            meanwhile, when that was seen.
        by_others: Whether somebody else had.
    """

    server: str
    at: datetime
    dag: str
    by_others: bool = False


@frozen(kw_only=True)
class EffectRecord:
    """An effect that was commanded, or was about to be.

    Attributes:
        at: When it was written down, right before.
        effect: The backend's method, like ``reboot`` or ``set_activation_disabled``.
        value: What a setting was to be; None where nothing was set.
        outcome: What came of the action that it was part of; empty if that is not known (yet).
        healing: The healing; and ``run`` the run of it.
        seq: Its place in the journal.
    """

    at: datetime
    server: str
    effect: str
    value: bool | None
    outcome: str
    healing: str
    run: str
    seq: int


# For budgets what was on its way as a process died counts like what was done. The plus has SQLite
# take the index of what is asked for, and not the order of all entries.
_REBOOTS: Final = """
    SELECT entry.server, at, json_extract(data, '$.dag'), json_extract(data, '$.by_others')
    FROM entry JOIN healing ON healing.id = entry.healing
    WHERE what = 'reboot' AND at >= ? AND organisation = ?
      AND (kind = 'outcome' AND outcome != 'refused'
        OR kind = 'intent' AND healing != ? AND NOT EXISTS (
          SELECT 1 FROM entry AS later WHERE later.healing = entry.healing
          AND later.run = entry.run AND later.seq > entry.seq
          AND later.kind = 'outcome' AND later.what = 'reboot'))
    ORDER BY +seq
"""
_RESTARTS: Final = """
    SELECT entry.server, at FROM entry JOIN healing ON healing.id = entry.healing
    WHERE what = 'restart_service' AND kind = 'intent' AND at >= :since
    AND organisation = :organisation
"""
#: Only those that the index has for this host.
_ON_HOST: Final = f"AND {host_of('entry.server')} = {host_of(':server')}"
_EFFECTS: Final = """
    SELECT at, server, what, json_extract(data, '$.value'), healing, run, seq,
      (SELECT later.outcome FROM entry AS later WHERE later.healing = entry.healing
       AND later.run = entry.run AND later.seq > entry.seq AND later.kind = 'outcome'
       ORDER BY later.seq LIMIT 1)
    FROM entry WHERE kind = 'intent' AND at >= ? ORDER BY at, seq
"""


def reboots_since(
    database: Database, organisation: str, since: datetime, *, apart_from: str = ""
) -> list[Reboot]:
    """Each restart of a server that was, or may have been, commanded; in order.

    An intent without an outcome counts, except that of one healing, which looks into its own.
    """
    rows = database.glance(_REBOOTS, (moment_as_text(since), organisation, apart_from))
    return [
        read_reboot(server, at, {"dag": dag, "by_others": by_others})
        for server, at, dag, by_others in rows
    ]


def read_reboot(server: str, at: str, said: Mapping[str, Any]) -> Reboot:
    """A restart from an entry's columns and what its JSON says."""
    others = bool(said.get("by_others"))
    return Reboot(server=server, at=zoned(at), dag=said.get("dag") or "", by_others=others)


def restarts_since(
    database: Database, organisation: str, since: datetime, server: str
) -> list[datetime]:
    """When services of a server were, or may have been, restarted."""
    which = _ON_HOST if server.isascii() else ""
    wanted = {"since": moment_as_text(since), "organisation": organisation, "server": server}
    rows = database.glance(f"{_RESTARTS} {which} ORDER BY +seq", wanted)
    return [zoned(at) for name, at in rows if same_server(name, server)]


def effects_since(database: Database, since: datetime, server: str) -> list[EffectRecord]:
    """Every effect since then, in order; of one server, or of all."""
    return [
        EffectRecord(
            at=zoned(at),
            server=name,
            effect=effect,
            value=None if value is None else bool(value),
            outcome=outcome or "",
            healing=healing,
            run=run,
            seq=seq,
        )
        for at, name, effect, value, healing, run, seq, outcome in database.read(
            _EFFECTS, moment_as_text(since)
        )
        if not server or same_server(name, server)
    ]
