"""Reading the POP3 protocol log: which back end a failed probe was passed to.

The format is that of Exchange 2013 and later: comma-separated, a ``#Fields`` line that names
the columns (a file may hold several, one for each start of the service), times in UTC.
The last line may be partial, and back-end logs lie in the same folder.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from attrs import define, field, frozen

from popheal.exchange.interpret import backends_named_in
from popheal.exchange.models import LogFile

_TIME, _USER, _CLIENT, _CONTEXT, _PARAMETERS = "datetime", "user", "cip", "context", "parameters"
_SESSION, _COMMAND = "sessionid", "command"
_NEEDED = {_TIME, _CONTEXT, _COMMAND}
#: The commands that log on, and so are passed to a back end.
_LOGON = {"pass", "auth", "login"}
#: Where a backend has left out a part of a file, it says so in such a line.
_OMITTED = "#Omitted:"
#: Who a probe logs on as; cut short in the user column, whole in the parameters.
_PROBE_USER = "healthmailbox"


@frozen
class Correlation:
    """What the log says about a span of time.

    Attributes:
        conclusive: A probe's session is there from its logon to its end, failed, and was passed
            to no back end; and nothing of the log was left out. Only then "none" means none.
        backends: Host names of the back ends to which failed probe sessions were passed.
    """

    conclusive: bool
    backends: tuple[str, ...]


@define
class _Session:
    """The lines of one session that matter."""

    is_probe: bool = False
    ended: bool = False
    logon_at: datetime | None = None
    failed: bool = False
    backends: list[str] = field(factory=list)

    def add(self, row: dict[str, str]) -> None:
        command = row.get(_COMMAND, "").casefold()
        self.is_probe = self.is_probe or _is_probe(row)
        self.ended = self.ended or command == "closesession"
        if command in _LOGON:
            self.logon_at = _moment(row[_TIME])
            self.failed = not row[_CONTEXT].strip('"').casefold().startswith("r=ok")
            self.backends += backends_named_in(row[_CONTEXT])


def correlate(files: Iterable[LogFile], since: datetime, until: datetime) -> Correlation:
    """Find the back ends of the failed probe's sessions between two moments (aware UTC).

    Sessions that logged on successfully are other probes or other people, and prove nothing
    about the failed one.
    """
    hosts: dict[str, None] = {}
    alone = gap = False
    for file in files:
        if is_back_end_file(file.name):
            continue
        gap = gap or _OMITTED in file.text
        for session in _sessions(file.text):
            at = session.logon_at
            if not session.is_probe or not session.failed or not at or not since <= at <= until:
                continue
            hosts.update(dict.fromkeys(session.backends))
            alone = alone or (session.ended and not session.backends)
    return Correlation(alone and not gap, tuple(hosts))


def _sessions(text: str) -> Iterable[_Session]:
    """The sessions of one file; their numbers begin anew with each start of the service."""
    sessions: dict[tuple[int, str], _Session] = {}
    for number, (head, row) in enumerate(_rows(text)):
        name = row.get(_SESSION) or f"line {number}"
        sessions.setdefault((head, name), _Session()).add(row)
    return sessions.values()


def is_back_end_file(name: str) -> bool:
    """Back-end logs are named POP3BE..., front-end logs POP3...; both match ``POP3*``."""
    return name.replace("\\", "/").rsplit("/", 1)[-1].upper().startswith("POP3BE")


def _rows(text: str) -> Iterator[tuple[int, dict[str, str]]]:
    """The data lines below a ``#Fields`` line: the head's number, values by lower-case column."""
    fields: list[str] = []
    head = 0
    lines = text.lstrip("\ufeff").split("\n")
    # The service is still writing: what has no line end yet may be cut anywhere, within a
    # server's name too. Of a complete file this drops only what follows the last line end.
    for line in map(str.rstrip, lines[:-1]):
        if line.startswith("#"):
            if line.lower().startswith("#fields:"):
                fields = [name.strip().lower() for name in line.split(":", 1)[1].split(",")]
                head += 1
            continue
        if not _NEEDED.issubset(fields):
            continue
        try:
            values = next(csv.reader([line]), [])
        except csv.Error:  # not a line of this log
            continue
        if len(values) >= len(fields):
            yield head, dict(zip(fields, values, strict=False))


def _moment(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _is_probe(row: dict[str, str]) -> bool:
    """Probes log on as a health mailbox, and on the front end come from the server itself."""
    who = (row.get(_USER, "") + " " + row.get(_PARAMETERS, "")).lower()
    return _PROBE_USER in who or row.get(_CLIENT, "").startswith(("127.0.0.1:", "[::1]:", "::1:"))
