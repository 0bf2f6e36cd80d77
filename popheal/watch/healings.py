"""The healings that a watch has carried out: several at once, one at a time in each place."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from attrs import define, field

from popheal.engine.context import HealingContext
from popheal.engine.control import Control
from popheal.errors import (
    AlreadyEnded,
    AlreadyRunning,
    Detached,
    Fenced,
    FleetSilent,
    JournalError,
    PophealError,
)
from popheal.exchange.names import short_name
from popheal.journal import HealingRecord
from popheal.reports import events
from popheal.reports.report import Alert, Report
from popheal.tables.table import Verdict
from popheal.watch.answer import Answer
from popheal.watch.carrier import AtWork, Carrier
from popheal.watch.place import Place
from popheal.watch.watched import Watched, tell_failure, tell_once

#: Carries a healing out to its end.
Carry = Callable[[AtWork], Awaitable[Report]]


@define(kw_only=True, eq=False)
class Healings:
    """Has healings carried out.

    Attributes:
        session: The watch, as far as a healing has to do with it.
        carrier: Who carries them out.
        at_once: Healings at the same time, at most. One that waits for a person is not counted.
        ended: How healings ended; ``UNKNOWN`` for one that could not be carried out.
        left: The ids of those that were left for the next watch.
    """

    session: HealingContext
    carrier: Carrier
    at_once: int
    ended: list[Verdict] = field(factory=list)
    left: list[str] = field(factory=list)
    _at_work: dict[str, AtWork] = field(factory=dict, init=False)
    _within: Control = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._within = Control(within=self.session.control)

    @property
    def has_room(self) -> bool:
        """Whether one more may begin."""
        return sum(not one.asks for one in self._at_work.values()) < self.at_once

    def on(self, server: str) -> AtWork | None:
        """The healing at work on a server, if one is."""
        return self._at_work.get(short_name(server))

    def at(self, place: Place) -> AtWork | None:
        """The one at work in a place, if one is."""
        return next((one for one in self._at_work.values() if one.place == place), None)

    def heal(self, server: Watched, alert: Alert) -> Coroutine[Any, Any, None]:
        """Note that a healing begins; what is returned carries it out to its end."""
        return self._begin(server, "", lambda work: self.carrier.heal(alert, work, self.session))

    def go_on(self, server: Watched, record: HealingRecord) -> Coroutine[Any, Any, None]:
        """Likewise, for one that has begun before."""
        return self._begin(
            server, record.id, lambda work: self.carrier.go_on(record, work, self.session)
        )

    def leave_all(self) -> None:
        """Leave every healing where it is."""
        self._within.detach()

    def _begin(self, server: Watched, healing: str, carry: Carry) -> Coroutine[Any, Any, None]:
        control = Control(within=self._within)
        work = AtWork(server=server, place=server.place, control=control, healing=healing)
        self._at_work[short_name(server.name)] = work
        return self._carry_out(work, carry)

    async def _carry_out(self, work: AtWork, carry: Carry) -> None:
        """Carry a healing out. Raises JournalError; nothing else may end the watch."""
        server = work.server
        try:
            report = await carry(work)
            server.told.pop("waits", None)
            self.ended.append(report.verdict)
        except Detached as broken_off:
            self.left.append(broken_off.run)
        except FleetSilent as error:
            self.has_not_begun(server, error)
        except (Fenced, AlreadyRunning, AlreadyEnded) as error:
            said = error.sentence()
            told = {"healing": work.healing, "why": said}
            tell_once(self.session, server, "waits", events.AlertWaits, **told)
            server.is_answered(Answer(what="waits", **told))
        except JournalError:
            raise
        except PophealError as error:
            self.ended.append(Verdict.UNKNOWN)
            tell_failure(self.session, server, error)
            server.incident = None  # nobody waits for what can't be answered
            server.is_answered(Answer(what="could_not_look", why=str(error)))
        finally:
            del self._at_work[short_name(server.name)]

    def has_not_begun(self, server: Watched, error: FleetSilent) -> None:
        """It could not even be asked for; the server is looked at again, as always."""
        self.ended.append(Verdict.UNKNOWN)
        why = str(error).rstrip(".")
        tell_once(self.session, server, "waits", events.AlertWaits, why=why)
        server.is_answered(Answer(what="not_taken", why=str(error)))
