"""A journal as JSON lines, with its hashes; and such lines as a journal, to be checked."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from attrs import define, field

from popheal.errors import JournalError
from popheal.journal.database import Database
from popheal.journal.gaps import read_gaps
from popheal.journal.place import real_file
from popheal.journal.record import BEGUN_BY
from popheal.journal.rows import WRONG, Row, as_text, moment_as_text, problem_of
from popheal.journal.schema import CHAINED_SINCE, MIGRATIONS, make_version

_INSERT_HEALING: Final = "INSERT INTO healing VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_INSERT_ENTRY: Final = "INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
_INSERT_CHAINED: Final = "INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
#: Lines that only all of a journal has.
_OF_THE_WHOLE: Final = ("owner", "table")
_PROCESS: Final = "SELECT process FROM owner WHERE id = ?"
#: Of the lines; grows when one of their keys changes its meaning. 1 had no hashes.
FORMAT: Final = 2

_ENTRIES: Final = (
    "SELECT seq, at, healing, run, server, kind, what, outcome, data, hash,"
    " (SELECT hash FROM entry AS before WHERE before.seq = entry.seq - 1) FROM entry"
    " WHERE healing = ? ORDER BY seq"
)
_ENTRIES_AFTER: Final = (
    "SELECT seq, at, healing, run, server, kind, what, outcome, data, hash,"
    " (SELECT hash FROM entry AS before WHERE before.seq = entry.seq - 1) FROM entry"
    " WHERE seq > ? ORDER BY seq"
)
_ENTRIES_BEFORE: Final = (
    "SELECT seq, at, healing, run, server, kind, what, outcome, data, NULL, NULL FROM entry"
    " WHERE healing = ? ORDER BY seq"
)


@define
class Exporter:
    """Gives the lines of one journal, one after another; what is read stays small.

    Attributes:
        whole: Whether it is all of the journal.
    """

    database: Database
    whole: bool
    _gaps: Mapping[int, str] = field(init=False)
    _entries: str = field(init=False)
    _last: int = field(init=False, default=0)

    def __attrs_post_init__(self) -> None:
        chained = self.database.version() >= CHAINED_SINCE
        self._entries = _ENTRIES if chained else _ENTRIES_BEFORE
        gaps = read_gaps(self.database).values() if chained else ()
        self._gaps = {last + 1: digest for last, digest in gaps}

    def head(self, *, popheal: str, at: datetime) -> dict[str, Any]:
        """The first line: about the journal."""
        return {
            "type": "journal",
            "format": FORMAT,
            "path": self.database.name,
            "popheal": popheal,
            "exported_at": at.isoformat(),
            "version": self.database.version(),
            "whole": self.whole,
            "head": str(self.database.head()),
        }

    def of_all(self) -> Iterator[dict[str, Any]]:
        """What is about no single healing."""
        read = self.database.read
        for owner, since, process in read("SELECT id, since, process FROM owner ORDER BY id"):
            yield {"type": "owner", "id": owner, "since": since, "process": process}
        if self.database.has_table("procedure"):
            for key, data in read("SELECT hash, data FROM procedure ORDER BY hash"):
                with self.database.read_as_written():
                    line = {"type": "table", "hash": key, "table": json.loads(data)}
                    yield line | _otherwise(line["table"], data)
        yield from self._lines(self.database.read(self._entries, ""))

    def of_healing(self, healing: str, record: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """A healing's record as JSON values, with who has it and what it claims; its entries."""
        ((owner, fence),) = self.database.read(
            "SELECT owner, fence FROM healing WHERE id = ?", healing
        )
        claims = self.database.read(
            "SELECT kind, name FROM claim WHERE healing = ? ORDER BY 1, 2", healing
        )
        held = [{"kind": kind, "name": name} for kind, name in claims]
        said = {"owner_number": owner, "fence": fence, "claims": held}
        yield {"type": "healing", **record, **said}
        yield from self._lines(self.database.read(self._entries, healing))

    def after(self, seq: int) -> Iterator[dict[str, Any]]:
        """The entries after one, of whatever they are about."""
        self._last = seq
        yield from self._lines(self.database.read(_ENTRIES_AFTER, seq))

    def _lines(self, rows: Iterable[Sequence[Any]]) -> Iterator[dict[str, Any]]:
        with self.database.read_as_written():
            for *columns, digest, previous in rows:
                row = Row(*columns)
                line = {"type": "entry", **row.to_json()}
                line |= _otherwise(line["data"], row.data)
                if digest is not None:
                    line["hash"] = digest
                    if row.seq != self._last + 1:
                        line["previous"] = previous or self._gaps.get(row.seq, "")
                self._last = row.seq
                yield line


def _otherwise(said: Any, text: str) -> dict[str, str]:
    """The text itself, where it is not how popheal writes that now."""
    return {} if as_text(said) == text else {"text": text}


# --- the other way -------------------------------------------------------------------------------


def is_export(path: Path) -> bool:
    """Whether a file may be an export, and is no database.

    A journal in use has SQLite's log beside it, and is not looked into: where this process has it
    open, to close it here would take SQLite's locks away.
    """
    try:
        file = real_file(path, only_read=True)
        if file.with_name(f"{file.name}-wal").exists() or not file.is_file():
            return False  # to open a pipe would wait for somebody who writes to it
        with file.open("rb") as stream:
            return stream.read(1) == b"{"
    except OSError:
        return False  # whoever opens it as a database says why


@define
class Loaded:
    """What was in an export.

    Attributes:
        whole: Whether it has all of a journal.
        chained: Whether it has hashes.
        starts: The hash before an entry, where the entry before is not right before it.
        head: The end of the chain, as the first line has it.
    """

    head: str = ""
    whole: bool = True
    chained: bool = True
    starts: dict[int, str] = field(factory=dict)


def load_export(source: Path, target: Path) -> Loaded:
    """Make an export a journal again, in a file that is not there yet.

    Raises:
        JournalError: If it can't be read, or is no export.
    """
    loaded = Loaded()
    number = 0
    with closing(sqlite3.connect(target, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        try:
            with source.open(encoding="utf-8") as lines:
                for number, line in enumerate(lines, 1):  # noqa: B007 - told below
                    _load(connection, _read_line(line), loaded)
            connection.execute("COMMIT")
        except OSError as error:
            raise _wrong(source, f"can't be read ({error.strerror})") from None
        except (*WRONG, sqlite3.Error) as error:
            said = problem_of(error)
            raise _wrong(source, f"is no export of a journal: line {number}: {said}") from None
    return loaded


def _wrong(source: Path, problem: str) -> JournalError:
    step = "Give a journal, or what popheal export has written, as it was written."
    return JournalError(journal=str(source), problem=problem, next_step=step)


def _read_line(text: str) -> Mapping[str, Any]:
    """One line. Raises one of WRONG if it says two things at once."""
    line: Mapping[str, Any] = json.loads(text, object_pairs_hook=_object)
    return line


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key of its JSON is there twice")
    return found


def _load(connection: sqlite3.Connection, line: Mapping[str, Any], loaded: Loaded) -> None:
    if (line["type"] == "journal") is connection.in_transaction:
        raise ValueError("the first line, and no other, is that of the journal")
    if line["type"] in _OF_THE_WHOLE and not loaded.whole:
        raise ValueError(f"a part of a journal has no {line['type']} of its own")
    _LOADERS[line["type"]](connection, line, loaded)


def _load_head(connection: sqlite3.Connection, line: Mapping[str, Any], loaded: Loaded) -> None:
    if line["format"] != FORMAT:
        raise ValueError(f"it is of format {line['format']}, and this popheal reads {FORMAT}")
    if line["version"] not in range(1, len(MIGRATIONS) + 1):
        raise ValueError(f"there is no version {line['version']} of the tables that it knows")
    make_version(connection, line["version"])
    connection.execute("BEGIN")
    loaded.whole, loaded.chained = line["whole"], line["version"] >= CHAINED_SINCE
    loaded.head = line["head"]


def _load_owner(connection: sqlite3.Connection, line: Mapping[str, Any], _: Loaded) -> None:
    values = (line["id"], line["since"], line["process"])
    connection.execute("INSERT INTO owner (id, since, process) VALUES (?, ?, ?)", values)


def _load_table(connection: sqlite3.Connection, line: Mapping[str, Any], _: Loaded) -> None:
    values = (line["hash"], _text_of(line, "table"))
    connection.execute("INSERT INTO procedure (hash, data) VALUES (?, ?)", values)


def _load_healing(connection: sqlite3.Connection, line: Mapping[str, Any], loaded: Loaded) -> None:
    by = {BEGUN_BY: line[BEGUN_BY]} if line.get(BEGUN_BY) else {}
    times = (line["cancel_at"], line["ended_at"])
    cancel_at, ended_at = (one and _moment(one) for one in times)
    if not loaded.whole:
        owner = (line["owner_number"], "", line["owner"])
        connection.execute("INSERT OR IGNORE INTO owner VALUES (?, ?, ?)", owner)
    if connection.execute(_PROCESS, (line["owner_number"],)).fetchone() != (line["owner"],):
        raise ValueError("its owner is not the process of that number")
    values = (
        *(line[name] for name in ("id", "organisation", "server", "version")),
        as_text({**line["alert"], **by}),
        as_text(line["policy"]),
        _moment(line["begun_at"]),
        *(line["owner_number"], line["fence"], cancel_at, ended_at),
        line["verdict"] or (None if ended_at is None or line["report"] is None else ""),
        line["report"] and as_text(line["report"]),
    )
    connection.execute(_INSERT_HEALING, values)
    for claim in line["claims"]:
        held = (line["organisation"], claim["kind"], claim["name"], line["id"])
        connection.execute("INSERT INTO claim VALUES (?, ?, ?, ?)", held)


def _load_entry(connection: sqlite3.Connection, line: Mapping[str, Any], loaded: Loaded) -> None:
    given = {**line, "at": _moment(line["at"]), "data": _text_of(line, "data")}
    values = [given[name] for name in Row._fields]
    if loaded.chained:
        connection.execute(_INSERT_CHAINED, [*values, line["hash"]])
    else:
        connection.execute(_INSERT_ENTRY, values)
    if "previous" in line:
        loaded.starts[line["seq"]] = line["previous"]


def _text_of(line: Mapping[str, Any], key: str) -> str:
    text: str = line.get("text", as_text(line[key]))
    if as_text(json.loads(text)) != as_text(line[key]):
        raise ValueError(f"its text and its {key} do not say the same")
    return text


def _moment(text: str) -> str:
    return moment_as_text(datetime.fromisoformat(text))


_LOADERS: Final = {
    "journal": _load_head,
    "owner": _load_owner,
    "table": _load_table,
    "healing": _load_healing,
    "entry": _load_entry,
}


def lines_of(
    exporter: Exporter, records: Iterable[tuple[str, Mapping[str, Any]]], head: Mapping[str, Any]
) -> Iterator[Mapping[str, Any]]:
    """All lines: about the journal, what is about no single healing, then each healing."""
    yield head
    if exporter.whole:
        yield from exporter.of_all()
    for healing, record in records:
        yield from exporter.of_healing(healing, record)
