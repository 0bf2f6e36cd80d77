"""Everything that is asked of a journal from outside a healing: the interface for reading one.

Each question is answered from an index. What is read grows with the answer, not with the journal.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from attrs import frozen

from popheal.errors import UnknownName
from popheal.exchange.names import same_server
from popheal.journal.approvals import Question, read_questions
from popheal.journal.chain import Head
from popheal.journal.database import Database
from popheal.journal.entries import Entry, Kind, RunEntry, UnreadableEntry, read_entry
from popheal.journal.kept_tables import read_tables
from popheal.journal.marks import IS_STORY, Mark
from popheal.journal.past_effects import EffectRecord, effects_since, reboots_since, restarts_since
from popheal.journal.record import BEGUN_BY, HealingRecord
from popheal.journal.rows import Row, json_object, moment_as_text, text_as_moment
from popheal.journal.schema import CHAINED_SINCE, SELECT_ENTRIES, host_of
from popheal.policy.policy import Policy
from popheal.reports.report import DebtReport
from popheal.tables.table import Procedure
from popheal.util.serialize import from_jsonable

_ON_HOST: Final = f"{host_of('server')} = {host_of(':server')}"
_IS_OWING: Final = "instr(report, '\"handed_over\"') > 0"
_COLUMNS: Final = """
    SELECT healing.id, organisation, server, version, alert, policy, begun_at,
           process, owner, cancel_at, ended_at, verdict, report
    FROM healing JOIN owner ON owner.id = healing.owner
"""
_MUST_KNOW: Final = (Mark.STOP_ASKED, Mark.TAKEN, Mark.ENDED, Mark.FORGOTTEN, Kind.ANSWERED)
_TOLD: Final = f"""
    SELECT DISTINCT healing FROM entry WHERE seq > ? AND seq <= ?
    AND kind IN ({", ".join(repr(one.value) for one in _MUST_KNOW)})
"""  # noqa: S608 - of ours
_AFTER_ALL_NAMES: Final = "\U0010ffff"
#: More healings than these that a name may mean are not told.
_KNOWN: Final = 20
#: No journal has more, and SQLite knows no larger number.
_ALL: Final = 2**63 - 1
_LONG_AGO: Final = datetime(1, 1, 1, tzinfo=UTC)


@frozen(kw_only=True)
class Budget:
    """How often something was done lately, and how often it may be.

    Attributes:
        name: The policy's setting.
        limit: What that says.
        used: How often it was done in that time, or may have been.
        since: From when on what was done counts.
        frees_up_at: When there will be room again; None while there is some, or if there never is.
    """

    name: str
    limit: int
    used: int
    since: datetime
    frees_up_at: datetime | None = None

    @property
    def left(self) -> int:
        """How often it may still be done now."""
        return max(0, self.limit - self.used)


@frozen(kw_only=True)
class OwedDebt:
    """A change that is to be undone: by the healing, or by a person, to whom it was handed over.

    Attributes:
        healing: The healing that made it.
        debt: What it is.
        at: When that was last written down.
    """

    healing: str
    debt: DebtReport
    at: datetime


class Reading:
    """What can be asked of a journal. Every method raises JournalError if it can't be read."""

    _database: Database

    @property
    def path(self) -> Path | None:
        """The file, by its own name and through no link; None in memory."""
        return self._database.path

    def head(self) -> Head:
        """The end of the chain: the newest entry's place and hash, to be noted elsewhere.

        ``popheal check-journal --noted`` tells later whether it is still part of the journal.
        """
        return self._database.head()

    def newest(self) -> int:
        """The place of the newest entry, 0 if there is none; without waiting for who writes."""
        ((place,),) = self._database.glance("SELECT max(seq) FROM entry", ())
        return place or 0

    def told_about(self, after: int, until: int) -> list[str]:
        """Likewise the healings that must know what entries of these places say.

        A person has said stop or answered, or somebody else has taken them over.
        """
        rows = self._database.glance(_TOLD, (after, until))
        return [healing for (healing,) in rows]

    # --- healings --------------------------------------------------------------------------------

    def healings(
        self,
        *,
        unfinished: bool = False,
        server: str = "",
        organisation: str = "",
        since: datetime | None = None,
        newest: int | None = None,
    ) -> list[HealingRecord]:
        """Healings, the oldest first; without arguments every one.

        Args:
            unfinished: Only those that have not ended.
            server: Only those of an alert about this server; a short name matches any domain.
            organisation: Only those of this organisation.
            since: Only those that have not ended, or did so at that time or later.
            newest: Only so many, those that began last.

        Raises:
            ValueError: If a time has no zone, or if so many can't be.
        """
        if newest is not None and newest < 0:
            raise ValueError(f"there can't be {newest} healings")
        indexed = server.isascii() and self._database.version() >= CHAINED_SINCE
        wanted = {
            "ended_at IS NULL": unfinished,
            _ON_HOST: bool(server) and indexed,
            "organisation = :organisation": bool(organisation),
            "(ended_at IS NULL OR ended_at >= :since)": since is not None,
        }
        where = " AND ".join(condition for condition, is_wanted in wanted.items() if is_wanted)
        limit = "" if newest is None or server else f" LIMIT {min(int(newest), _ALL)}"
        # What is asked for decides the index; the order does only where nothing is.
        order = "+begun_at" if where else "begun_at"
        found = self._records(
            f"{_COLUMNS} WHERE {where or 1} ORDER BY {order} DESC, healing.rowid DESC{limit}",
            {
                "server": server,
                "organisation": organisation,
                "since": moment_as_text(since or _LONG_AGO),
            },
        )
        meant = [one for one in found if not server or same_server(one.server, server)]
        return meant[:newest][::-1]

    def each_healing(self) -> Iterator[HealingRecord]:
        """Every healing, the oldest first, one after another: a journal may be long."""
        for (name,) in self._database.read("SELECT id FROM healing ORDER BY begun_at, rowid"):
            yield from self._records(f"{_COLUMNS} WHERE healing.id = ?", (name,))

    def healing(self, name: str) -> HealingRecord:
        """A healing by its id, the id of one of its runs, or the beginning of either.

        Raises:
            UnknownName: If there is none, or more than one.
        """
        wanted = name.partition(".")[0].encode("utf-8", "replace").decode()  # what can be asked
        exact = self._records(f"{_COLUMNS} WHERE healing.id = ?", (wanted,))
        if not exact and wanted:
            between = f"{_COLUMNS} WHERE healing.id >= ? AND healing.id < ? LIMIT {_KNOWN}"
            exact = self._records(between, (wanted, wanted + _AFTER_ALL_NAMES))
        if len(exact) != 1:
            kind = f"healing in the journal {self._database.name}"
            raise UnknownName(kind=kind, name=name, known=[one.id for one in exact])
        return exact[0]

    def _records(self, query: str, values: Any = ()) -> list[HealingRecord]:
        rows = self._database.read_with(query, values)
        with self._database.read_as_written():
            return [self._record(row) for row in rows]

    def _record(self, row: Sequence[Any]) -> HealingRecord:
        (healing, organisation, server, version, alert, policy, begun, process, owner) = row[:9]
        cancel, ended, verdict, report = row[9:]
        answered = dict(json_object(alert))
        begun_by = answered.pop(BEGUN_BY, "")
        return HealingRecord(
            id=healing,
            organisation=organisation,
            server=server,
            version=version,
            alert=answered,
            policy=json_object(policy),
            begun_at=datetime.fromisoformat(begun),
            owner=process,
            alive=ended is None and self._is_at_work(healing, owner),
            cancel_at=text_as_moment(cancel),
            ended_at=text_as_moment(ended),
            verdict=verdict or "",
            report=json_object(report) if report else None,
            begun_by=begun_by,
        )

    def _is_at_work(self, healing: str, owner: int) -> bool:
        raise NotImplementedError

    # --- the history -----------------------------------------------------------------------------

    def entries(self, healing: str = "") -> list[Entry]:
        """The history, in order: all of it, or that of one healing; without marks.

        What can't be understood is :class:`~popheal.journal.entries.UnreadableEntry`.

        Raises:
            JournalError: If not even kind, time and JSON of one can be told: then nothing is
                done on what is written here.
        """
        found = [read_entry(row) for row in self.rows(healing)]
        with self._database.read_as_written():
            for one in found:
                if isinstance(one, UnreadableEntry) and one.damaged:
                    raise ValueError(one.problem)
        return found

    def rows(self, healing: str = "") -> list[Row]:
        """Likewise, as they stand in the database."""
        where = f"WHERE {IS_STORY}" + (" AND healing = ?" if healing else "")
        values = [healing] if healing else []
        return [
            Row(*row)
            for row in self._database.read(f"{SELECT_ENTRIES} {where} ORDER BY seq", *values)
        ]

    def exported(self, healing: str) -> list[dict[str, Any]]:
        """Likewise, as plain JSON values: whatever was written, understood or not."""
        rows = self.rows(healing)
        with self._database.read_as_written():
            return [row.to_json() for row in rows]

    def questions(self, healing: str) -> list[Question]:
        """What a healing has asked a person, with the answers."""
        return read_questions(self._database, self.healing(healing).id)

    def tables(self) -> dict[str, Procedure]:
        """The tables by which runs were carried out, as far as this popheal understands them."""
        return read_tables(self._database)

    def claims(self) -> list[tuple[str, str, str]]:
        """What is claimed: the kind (``server`` or ``dag``), its name, and by which healing."""
        return self._database.read("SELECT kind, name, healing FROM claim ORDER BY kind, name")

    # --- what was done, what may be done, what is owed -------------------------------------------

    def effects(self, *, server: str = "", since: datetime | None = None) -> list[EffectRecord]:
        """What was changed, or may have been, in order of time.

        Args:
            server: On this server only; a short name matches any domain.
            since: From then on; without it from the beginning.

        Raises:
            ValueError: If it has no time zone.
        """
        return effects_since(self._database, since or _LONG_AGO, server)

    def budgets(
        self, server: str, policy: Policy, *, organisation: str, at: datetime | None = None
    ) -> tuple[Budget, ...]:
        """How much of a server's budgets is used, by what this journal knows.

        Restarts that Managed Availability or somebody else made are not in it: a healing asks the
        server for those as well, and counts them.

        Args:
            server: By its name in the organisation.
            policy: Whose limits count.
            organisation: The backend's ``organisation``.
            at: Now; by default by the wall clock.

        Raises:
            ValueError: If it has no time zone.
        """
        now = at or datetime.now(UTC)
        day, hour = now - timedelta(days=1), now - timedelta(hours=1)
        reboots = [
            one.at
            for one in reboots_since(self._database, organisation, day)
            if same_server(one.server, server)
        ]
        restarts = restarts_since(self._database, organisation, hour, server)
        return (
            _budget("reboots_per_server", policy.reboots_per_server, reboots, day, now),
            _budget("restarts_per_hour", policy.restarts_per_hour, restarts, hour, now),
        )

    def debts(self) -> list[OwedDebt]:
        """What healings have changed and not undone, the oldest first.

        Of an unfinished healing what it owes now; of one that has ended what it handed over to
        a person. Whether a person has put it back since, no journal knows.
        """
        return sorted([*self._owed_now(), *self._handed_over()], key=lambda one: one.at)

    def _owed_now(self) -> Iterator[OwedDebt]:
        for record in self.healings(unfinished=True):
            last = {one.run_id: one for one in self.entries(record.id) if isinstance(one, RunEntry)}
            for entry in last.values():
                for debt in entry.run.debts:
                    if debt.status.is_open:
                        yield OwedDebt(healing=record.id, debt=DebtReport.of(debt), at=entry.at)

    def _handed_over(self) -> Iterator[OwedDebt]:
        for record in self._records(f"{_COLUMNS} WHERE {_IS_OWING}"):
            debts: Sequence[Mapping[str, Any]] = (record.report or {}).get("debts", ())
            for debt in (from_jsonable(one, DebtReport) for one in debts):
                if debt.status.is_open:
                    at = record.ended_at or record.begun_at
                    yield OwedDebt(healing=record.id, debt=debt, at=at)


def _budget(name: str, limit: int, times: list[datetime], since: datetime, now: datetime) -> Budget:
    oldest = sorted(times)[-limit:] if limit else []
    frees_up = oldest[0] + (now - since) if limit and len(times) >= limit else None
    return Budget(name=name, limit=limit, used=len(times), since=since, frees_up_at=frees_up)
