"""Reading the POP3 protocol log: which back end served a session in a span of time.

The format is that of Exchange 2013 and later: comma-separated, a ``#Fields`` line that names
the columns (a file may hold several, one for each start of the service), times in UTC.
The last line may be partial, and back-end logs lie in the same folder.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from attrs import frozen

from popheal.observations import LogFile
from popheal.reading import backends_named_in

_TIME, _USER, _CLIENT, _CONTEXT, _PARAMETERS = "datetime", "user", "cip", "context", "parameters"
_NEEDED = {_TIME, _CONTEXT}
#: Who a probe logs on as; cut short in the user column, whole in the parameters.
_PROBE_USER = "healthmailbox"


@frozen
class Correlation:
    """What the log says about a span of time.

    Attributes:
        readable: Whether at least one front-end file with a known head was there to read.
        probe_seen: Whether it holds a line of a probe in that time.
        backends: Host names of the back ends that served probe sessions, in order.
    """

    readable: bool
    probe_seen: bool
    backends: tuple[str, ...]


def correlate(files: Iterable[LogFile], since: datetime, until: datetime) -> Correlation:
    """Find the back ends of the probe's sessions between two moments (aware UTC)."""
    readable = probe_seen = False
    hosts: dict[str, None] = {}
    for file in files:
        if is_back_end_file(file.name):
            continue
        for row in _rows(file.text):
            readable = True
            at = _moment(row[_TIME])
            if at is None or not since <= at <= until or not _is_probe(row):
                continue
            probe_seen = True
            hosts.update(dict.fromkeys(backends_named_in(row[_CONTEXT])))
    return Correlation(readable, probe_seen, tuple(hosts))


def is_back_end_file(name: str) -> bool:
    """Back-end logs are named POP3BE..., front-end logs POP3...; both match ``POP3*``."""
    return name.replace("\\", "/").rsplit("/", 1)[-1].upper().startswith("POP3BE")


def _rows(text: str) -> Iterator[dict[str, str]]:
    """The data lines below a ``#Fields`` line, by lower-case column name."""
    fields: list[str] = []
    lines = text.lstrip("\ufeff").split("\n")
    # The service is still writing: what has no line end yet may be cut anywhere, within a
    # server's name too. Of a complete file this drops only what follows the last line end.
    for line in map(str.rstrip, lines[:-1]):
        if line.startswith("#"):
            if line.lower().startswith("#fields:"):
                fields = [name.strip().lower() for name in line.split(":", 1)[1].split(",")]
            continue
        if not _NEEDED.issubset(fields):
            continue
        try:
            values = next(csv.reader([line]), [])
        except csv.Error:  # not a line of this log
            continue
        if len(values) >= len(fields):
            yield dict(zip(fields, values, strict=False))


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
