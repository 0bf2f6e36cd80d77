"""J6 to J8: the chain of hashes, the tables themselves, and rows that must say what entries say."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, Final

from attrs import define, field

from popheal.audit.records import Violation
from popheal.errors import ConfigurationError
from popheal.journal.chain import GENESIS, Head, digest_of, link
from popheal.journal.database import Database
from popheal.journal.export import Loaded
from popheal.journal.gaps import read_gaps
from popheal.journal.marks import Mark, digest_of_beginning, digest_of_end
from popheal.journal.rows import WRONG, Row, is_as_written, json_object
from popheal.journal.schema import CHAINED_SINCE, SELECT_CHAIN, tables_of_version

#: Version 1 is of two kinds, which differ in this.
_EITHER_WAY: Final = {1: "index entry_of_effect"}
#: Why an older journal can't tell.
NO_HASHES: Final = (
    "An older popheal has written the journal, without hashes; the next writing adds them."
)

#: What that means where a hash was noted: a chain does not come undone.
NO_CHAIN: Final = (
    "an end of its chain was noted, and it has no hashes: it was written anew, or is an older copy"
)

NO_TABLES: Final = "An export has rows, and no tables."
#: What is noted of a part of a journal.
PART: Final = (
    "it is a part of a journal: what other healings and processes have to do with it can't be told"
)

_DIGEST: Final = re.compile(r"[0-9a-fA-F]{64}")


def parse_head(text: str) -> Head:
    """The end of a chain as somebody has noted it. Raises ConfigurationError if it is none."""
    seq, _, digest = text.strip().partition(":")
    if seq.isdecimal() and _DIGEST.fullmatch(digest):
        return Head(int(seq), digest.casefold())
    raise ConfigurationError(
        source="What was noted",
        problem=f"is no end of a chain: {text!r}",
        next_step="Give it as check-journal prints it: the entry's number, a colon, 64 digits.",
    )


def schema_violations(database: Database) -> Iterator[Violation]:
    """J7: tables, indices and triggers are those that popheal made."""
    found, version = database.tables(), database.version()
    expected = tables_of_version(version)
    for name in sorted({*found, *expected}):
        if name == _EITHER_WAY.get(version):
            continue
        if found.get(name) != expected.get(name):
            what = "is missing" if name not in found else "is another one"
            if name not in expected:
                what = "is none of popheal's"
            yield Violation(id="J7", sentence=f"{name} {what}")


@define
class _Healing:
    """What the entries imply for the row of a healing."""

    digest: str
    owner: int
    fence: int
    cancel_at: str | None = None
    ended_at: str | None = None
    end: str = ""


@define
class _Implied:
    """What the entries imply for the rows of the other tables."""

    owners: dict[int, tuple[str, str]] = field(factory=dict)
    healings: dict[str, _Healing] = field(factory=dict)
    claims: dict[tuple[str, str, str], str] = field(factory=dict)
    tables: dict[str, str] = field(factory=dict)

    def note(self, row: Row) -> None:
        """Go on by one entry. Raises one of WRONG if it makes no sense here."""
        if row.kind in _NOTE:
            _NOTE[row.kind](self, row, json_object(row.data))

    def _owner(self, row: Row, said: Mapping[str, Any]) -> None:
        self.owners[said["owner"]] = (row.at, said["process"])

    def _table(self, row: Row, said: Mapping[str, Any]) -> None:
        self.tables[row.what] = said["digest"]

    def _begun(self, row: Row, said: Mapping[str, Any]) -> None:
        self.healings[row.healing] = _Healing(said["digest"], said["owner"], said["fence"])

    def _taken(self, row: Row, said: Mapping[str, Any]) -> None:
        healing = self.healings[row.healing]
        healing.owner, healing.fence = said["owner"], said["fence"]

    def _stop_asked(self, row: Row, _: Mapping[str, Any]) -> None:
        self.healings[row.healing].cancel_at = row.at

    def _claimed(self, row: Row, said: Mapping[str, Any]) -> None:
        self.claims[said["organisation"], row.what, said["name"]] = row.healing

    def _ended(self, row: Row, said: Mapping[str, Any]) -> None:
        healing = self.healings[row.healing]
        healing.ended_at, healing.end = row.at, said["digest"]
        self._release(row.healing)

    def _forgotten(self, row: Row, _: Mapping[str, Any]) -> None:
        del self.healings[row.healing]
        self._release(row.healing)

    def _release(self, healing: str) -> None:
        for claim in [one for one, whose in self.claims.items() if whose == healing]:
            del self.claims[claim]


_NOTE: Final[Mapping[str, Callable[[_Implied, Row, Mapping[str, Any]], None]]] = {
    Mark.OWNER.value: _Implied._owner,
    Mark.BEGUN.value: _Implied._begun,
    Mark.TAKEN.value: _Implied._taken,
    Mark.STOP_ASKED.value: _Implied._stop_asked,
    Mark.CLAIMED.value: _Implied._claimed,
    Mark.TABLE_KEPT.value: _Implied._table,
    Mark.ENDED.value: _Implied._ended,
    Mark.FORGOTTEN.value: _Implied._forgotten,
}


@define
class ChainCheck:
    """Goes through a journal's entries in their order, then compares the other tables.

    Attributes:
        noted: The end of the chain as it was noted elsewhere, if it was.
        loaded: Where it was made of an export, what was in that.
        head: The end of the chain as it is.
    """

    database: Database
    noted: Head | None = None
    loaded: Loaded = field(factory=Loaded)
    head: Head = field(init=False, default=Head())
    _implied: _Implied = field(init=False, factory=_Implied)
    _is_noted: bool = field(init=False, default=False)
    _pruned: int = field(init=False, default=0)
    _pruned_noted: bool = field(init=False, default=False)

    def violations(self) -> Iterator[Violation]:
        """J6 and J8, in a snapshot of the database."""
        yield from self._walk()
        yield from self._compare_healings()
        if self.noted and not self._is_noted:
            yield Violation(
                id="J6",
                sentence="the end that was noted is not in the chain: what came up to entry "
                f"{self.noted.seq} was cut off, or all of it was written anew"
                + ("" if self.loaded.whole else "; or it is not in this part of the journal"),
            )
        claims = {tuple(key): whose for *key, whose in self.database.each(_CLAIMS)}
        yield from _differences("the claim", self._implied.claims, claims)
        if not self.loaded.whole:
            return
        if self.loaded.head not in ("", str(self.head)):
            sentence = f"it does not end where its first line says, at {self.loaded.head}"
            yield Violation(id="J6", sentence=sentence)
        yield from self._compare()

    def notes(self) -> Iterator[str]:
        """What was removed on purpose, as entries say; once it was gone through."""
        if self._pruned:
            yield f"{self._pruned} entries were removed on purpose, by prune or archive"
        if self.noted and self._pruned_noted:
            yield (
                f"entry {self.noted.seq}, whose hash was noted, is among what was removed on "
                "purpose: that the chain is still the same can't be told; note its end anew"
            )

    def _walk(self) -> Iterator[Violation]:
        gaps = read_gaps(self.database)
        expected, previous = 1, GENESIS
        for *columns, digest in self.database.each(SELECT_CHAIN):
            row = Row(*columns)
            while expected < row.seq and expected in gaps:
                last, previous = gaps[expected]
                self._note_gap(expected, Head(last, previous))
                expected = last + 1
            if row.seq in self.loaded.starts and not self.loaded.whole:
                expected, previous = row.seq, self.loaded.starts[row.seq]
            where = partial(Violation, healing=row.healing, run=row.run, seq=row.seq)
            if row.seq != expected:
                lost = f"{expected} to {row.seq - 1}"
                yield where(id="J6", sentence=f"what was before it, {lost}, is gone")
            elif link(previous, row) != digest or previous != self.loaded.starts.get(
                row.seq, previous
            ):
                sentence = "its hash does not fit: it is not as it was written, or not where"
                yield where(id="J6", sentence=sentence)
            try:
                self._implied.note(row)
            except WRONG:
                yield where(id="J8", sentence="it goes with no entry before it")
            expected, previous = row.seq + 1, digest
            self._note_end(Head(row.seq, digest))
            self.head = Head(row.seq, digest)

    def _note_end(self, end: Head) -> None:
        if end == self.noted:
            self._is_noted = True

    def _note_gap(self, first: int, end: Head) -> None:
        """Of what was noted of an entry in a gap, but for its last, nobody can tell."""
        self._pruned += end.seq - first + 1
        self._note_end(end)
        if self.noted and first <= self.noted.seq < end.seq:
            self._is_noted = self._pruned_noted = True

    # --- the other tables ------------------------------------------------------------------------

    def _compare(self) -> Iterator[Violation]:
        implied, read = self._implied, self.database.each
        owners = {owner: tuple(row) for owner, *row in read(_OWNERS)}
        yield from _differences("the process numbered", implied.owners, owners)
        tables = {key: digest_of(data) for key, data in read(_TABLES)}
        yield from _differences("the table of a run", implied.tables, tables)
        counted = {name: last for name, last in read(_COUNTED) if last}
        newest = {"owner": max(owners)} if owners else {}
        yield from _differences("what SQLite counts of the table", newest, counted)

    def _compare_healings(self) -> Iterator[Violation]:
        missing = set(self._implied.healings)
        for row in self.database.each(_HEALINGS):
            name = row[0]
            missing.discard(name)
            implied = self._implied.healings.get(name)
            problems = _problems(row, implied) if implied else ("no entry says that it has begun",)
            for one in problems:
                yield Violation(id="J8", sentence=one, healing=name)
        for name in sorted(missing):
            yield Violation(id="J8", sentence="the healing itself is gone", healing=name)


_OWNERS: Final = "SELECT id, since, process FROM owner"
_CLAIMS: Final = "SELECT organisation, kind, name, healing FROM claim"
_TABLES: Final = "SELECT hash, data FROM procedure"
_COUNTED: Final = "SELECT name, seq FROM sqlite_sequence"
_HEALINGS: Final = (
    "SELECT id, owner, fence, cancel_at, ended_at, verdict, report,"
    " organisation, server, version, alert, policy, begun_at FROM healing"
)


def _problems(row: tuple[Any, ...], implied: _Healing) -> Iterator[str]:
    """Where the row of a healing is not what its entries imply."""
    _, owner, fence, cancel_at, ended_at, verdict, report, *beginning = row
    organisation, server, version, *texts, begun_at = beginning
    try:
        alert, policy = map(json_object, texts)
        reported = None if report is None else json_object(report)
        begun = digest_of_beginning(organisation, server, version, alert, policy, begun_at)
        end = digest_of_end(ended_at, verdict, reported)
        written = zip((*texts, report), (alert, policy, reported), strict=True)
        are_as_written = all(said is None or is_as_written(text, said) for text, said in written)
    except WRONG:
        yield "its row can't be read"
        return
    if not are_as_written:
        yield "its alert, policy or report is not written as popheal writes it"
    if begun != implied.digest:
        yield "server, alert, policy, version or beginning is not what was written then"
    if (owner, fence) != (implied.owner, implied.fence):
        yield "who carries it out is not who has taken it last"
    if cancel_at != implied.cancel_at:
        yield "whether and when a person said stop is not what was written then"
    if (ended_at, end if ended_at else "") != (implied.ended_at, implied.end):
        yield "how and when it ended, or its report, is not what was written then"
    elif not ended_at and (verdict, report) != (None, None):
        yield "it has a verdict or a report, and has not ended"


def _differences(what: str, implied: Mapping[Any, Any], found: Mapping[Any, Any]) -> Iterable[Any]:
    for key in sorted({*implied, *found}, key=str):
        if implied.get(key) != found.get(key):
            named = " ".join(map(str, key)) if isinstance(key, tuple) else str(key)
            problem = "is not what was written then"
            if key not in found:
                problem = "is gone"
            elif key not in implied:
                problem = "was added by nobody who writes entries"
            yield Violation(id="J8", sentence=f"{what} {named} {problem}")


def is_chained(database: Database) -> bool:
    """Whether its entries have hashes."""
    return database.version() >= CHAINED_SINCE
