"""Reading the POP3 protocol log: which back end a failed probe was passed to.

The format is that of Exchange 2013 and later: comma-separated, a ``#Fields`` line that names
the columns (a file may hold several, one for each start of the service), times in UTC.
The last line may be partial, and back-end logs lie in the same folder.

Anybody who can reach the POP3 port writes into this log: a user name is what a client types. So
only a session that comes from the server itself *and* names a health mailbox is evidence; whatever
looks like one beside it makes the log inconclusive.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Final

from attrs import define, field, frozen

from popheal.exchange.interpret import backends_named_in
from popheal.exchange.models import LogFile

_TIME, _USER, _CLIENT, _CONTEXT, _PARAMETERS = "datetime", "user", "cip", "context", "parameters"
_SESSION, _COMMAND, _SERVER, _SEQUENCE = "sessionid", "command", "sip", "seqnumber"
_NEEDED = {_TIME, _CONTEXT, _COMMAND}
#: The commands that log on, and so are passed to a back end.
_LOGON = {"pass", "auth", "login"}
#: Where a backend has left out a part of a file, it says so in such a line.
_OMITTED = "#Omitted:"
#: Who a probe logs on as; cut short in the user column, whole in the parameters.
_PROBE_USER: Final = re.compile(r"(?:^|[\\\s\"])healthmailbox[0-9a-f]", re.IGNORECASE)
#: Likewise as a stranger may write it.
_LIKE_A_PROBE_USER: Final = "healthmailbox"
_LOOPBACK: Final = ("127.0.0.1", "::1", "::ffff:127.0.0.1")


@frozen
class Correlation:
    """What the log says about a span of time.

    Attributes:
        conclusive: A probe's session is there from its logon to its end, failed, and was passed
            to no back end; nothing of the log was left out, and nothing else looks like a probe.
            Only then "none" means none.
        backends: Host names of the back ends to look at: those to which failed probe sessions
            were passed; or, if there are none, those of failed logons that may be the probe.
        proven: Those of them that are known from sessions of the probe. Only that one of these is
            well says anything about the front end.
        said: What the log says of each failed probe session's logon: reply, ``ErrMsg=``,
            ``Excpt=``.
    """

    conclusive: bool
    backends: tuple[str, ...]
    proven: tuple[str, ...] = ()
    said: tuple[str, ...] = ()


@define
class _Session:
    """The lines of one connection that matter.

    Attributes:
        local: It comes from the server itself.
        named: It logs on as a health mailbox.
        like_named: It has that in its user name, in whatever way.
        nameless: It has told no user name.
        at: When it was first seen, as far as that can be read.
    """

    client: str = ""
    last: int = -1
    local: bool = False
    named: bool = False
    like_named: bool = False
    nameless: bool = True
    ended: bool = False
    at: list[datetime] = field(factory=list)
    logon_at: datetime | None = None
    failed: bool = False
    said: str = ""
    backends: list[str] = field(factory=list)

    def add(self, row: dict[str, str]) -> None:
        """Add a line. What the probe is known by may stand in any of them."""
        command = row.get(_COMMAND, "").casefold()
        who = [row.get(_USER, "")]
        if command in _LOGON or command == "user":
            who.append(row.get(_PARAMETERS, ""))
        moment = _moment(row[_TIME])
        self.at += [moment] if moment else []
        self.client, self.last = row.get(_CLIENT, ""), _number(row) or self.last
        self.local = self.local or _is_local(row)
        self.named = self.named or any(_PROBE_USER.search(name) for name in who)
        self.like_named = self.like_named or any(
            _LIKE_A_PROBE_USER in name.casefold() for name in who
        )
        self.nameless = self.nameless and not any(_is_name(name) for name in who)
        self.ended = self.ended or command == "closesession"
        if command in _LOGON:
            self.logon_at = moment
            self.failed = not row[_CONTEXT].strip('"').casefold().startswith("r=ok")
            self.said = row[_CONTEXT]
            self.backends += backends_named_in(row[_CONTEXT])

    def goes_on_with(self, row: dict[str, str]) -> bool:
        """Whether a line of the same id is of the same connection: ids are given out again."""
        if row.get(_COMMAND, "").casefold() == "opensession":
            return False
        number = _number(row)
        same_client = not self.client or row.get(_CLIENT, "") in ("", self.client)
        return same_client and (number is None or number >= self.last)

    @property
    def is_probe(self) -> bool:
        """Whether it can be nobody's but a probe's."""
        return self.local and self.named

    @property
    def may_be_probe(self) -> bool:
        """Whether it looks like a probe's, and need not be one's."""
        return not self.is_probe and (self.like_named or self._is_bare_failure)

    @property
    def _is_bare_failure(self) -> bool:
        return self.local and self.nameless and self.failed

    def is_within(self, since: datetime, until: datetime) -> bool:
        """Whether any of it was in that time; where no time can be read, it may have been."""
        return not self.at or any(since <= at <= until for at in self.at)


def correlate(files: Iterable[LogFile], since: datetime, until: datetime) -> Correlation:
    """Find the back ends of the failed probe's sessions between two moments (aware UTC).

    Sessions that logged on successfully are other probes or other people, and prove nothing
    about the failed one.
    """
    own: list[_Session] = []
    others: list[_Session] = []
    doubt = False
    for file in files:
        if is_back_end_file(file.name):
            continue
        whole = _OMITTED not in file.text and _is_intact(file.text)
        doubt = doubt or not whole
        for session in _sessions(file.text):
            if session.may_be_probe and session.is_within(since, until):
                others.append(session)
            at = session.logon_at
            if session.is_probe and session.failed and at and since <= at <= until:
                # In a file in which somebody may have written lines, nothing is certain.
                (own if _is_intact(file.text) else others).append(session)
    proven = tuple(dict.fromkeys(host for one in own for host in one.backends))
    bare = (one for one in others if one.local and one.failed)
    candidates = tuple(dict.fromkeys(host for one in bare for host in one.backends))
    alone = any(one.ended and not one.backends for one in own)
    return Correlation(
        conclusive=alone and not doubt and not others,
        backends=proven or candidates,
        proven=proven,
        said=tuple(one.said for one in own if one.said),
    )


def _sessions(text: str) -> Iterable[_Session]:
    """The connections of one file.

    Their ids begin anew with each start of the service, with a new head or without: a line that
    opens a session begins a new one, and so does one that can't be of the connection before.
    """
    found: list[_Session] = []
    going_on: dict[tuple[int, str], _Session] = {}
    for number, (head, row) in enumerate(_rows(text)):
        key = (head, row.get(_SESSION) or f"line {number}")
        session = going_on.get(key)
        if session is None or not session.goes_on_with(row):
            session = going_on[key] = _Session()
            found.append(session)
        session.add(row)
    return found


def _is_intact(text: str) -> bool:
    """Whether every line is one that the service wrote as a line.

    A line end within what a client has sent would make a line of its own out of that: it is told
    by a lone line feed among others, or by a quotation mark that is not closed.
    """
    lines = text.split("\n")[:-1]
    ends = {line.endswith("\r") for line in lines}
    return len(ends) < 2 and all(line.count('"') % 2 == 0 for line in lines)  # noqa: PLR2004


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


def _number(row: dict[str, str]) -> int | None:
    """The number of a line within its session."""
    text = row.get(_SEQUENCE, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None  # noqa: PLR2004


def _is_local(row: dict[str, str]) -> bool:
    """Whether a connection comes from the server itself: loopback, or from its own address."""
    client = _host(row.get(_CLIENT, ""))
    return client in _LOOPBACK or (bool(client) and client == _host(row.get(_SERVER, "")))


def _host(address: str) -> str:
    """The address without its port."""
    return address.rpartition(":")[0].strip("[]").casefold()


def _is_name(text: str) -> bool:
    """Whether it tells who logs on, and is not only the name of a mechanism or a password."""
    words = [word for word in text.split() if word.strip("*")]
    return bool(words) and words[0].casefold() not in ("plain", "ntlm", "gssapi", "login")
