"""What a check says: lines, each with a judgement, a value, and a next step where it is bad."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from enum import Enum
from typing import Any, Final

from attrs import field, frozen

from popheal.util.serialize import from_jsonable, to_jsonable
from popheal.util.text import printable

#: Of the JSON object; grows if a key changes its meaning.
FORMAT: Final = 1


class Judgement(Enum):
    """What is thought of what was seen."""

    GOOD = "good"
    BAD = "bad"
    COULD_NOT_TELL = "could_not_tell"

    @property
    def sign(self) -> str:
        """The same as one character."""
        return _SIGNS[self]


_SIGNS: Final = {Judgement.GOOD: "✓", Judgement.BAD: "✗", Judgement.COULD_NOT_TELL: "?"}


@frozen(kw_only=True)
class Line:
    """One thing that was looked at.

    Attributes:
        key: The item of the table that it is of.
        about: What of it, where an item has several lines: which way, cmdlet, monitor, database.
        judgement: What is thought of it.
        value: What was seen, a few words.
        cause: Why it is not well, or could not be told.
        next_step: What a person can do about it.
        because: The line that kept it from being looked at, by its ``name``; empty if none did.
    """

    key: str
    about: str = field(default="", converter=printable)
    judgement: Judgement
    value: str = field(default="", converter=printable)
    cause: str = field(default="", converter=printable)
    next_step: str = field(default="", converter=printable)
    because: str = ""

    @property
    def name(self) -> str:
        """What tells it from the others of the same server."""
        return f"{self.key} {self.about}".rstrip()


@frozen(kw_only=True)
class ServerReadiness:
    """What was seen of one server."""

    server: str
    lines: tuple[Line, ...]


@frozen(kw_only=True)
class Readiness:
    """What a check has seen.

    Attributes:
        at: When it began, by the clock of this machine.
        seconds: How long it took.
        organisation: The backend's name for it.
        here: What is about this machine, and not about one of the servers.
        servers: Server by server.
        policy: What popheal may do there, what it asks a person for, and what it never does.
    """

    at: datetime
    seconds: float
    organisation: str
    here: tuple[Line, ...]
    servers: tuple[ServerReadiness, ...]
    policy: tuple[str, ...]

    def all_lines(self) -> Iterator[tuple[str, Line]]:
        """Each line with its server; with none for what is about this machine."""
        yield from (("", line) for line in self.here)
        for one in self.servers:
            yield from ((one.server, line) for line in one.lines)

    def counted(self) -> Mapping[Judgement, int]:
        """How many lines of each judgement there are."""
        found = [line.judgement for _, line in self.all_lines()]
        return {one: found.count(one) for one in Judgement}

    @property
    def exit_status(self) -> int:
        """The exit status of a command that ends so: 0, 1 if a person is needed, else 4."""
        counted = self.counted()
        if counted[Judgement.BAD]:
            return 1
        return 4 if counted[Judgement.COULD_NOT_TELL] else 0

    def to_json(self) -> dict[str, Any]:
        """It as plain JSON values."""
        data: dict[str, Any] = {"format": FORMAT, "exit_status": self.exit_status}
        data.update(to_jsonable(self))
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Readiness:
        """The readiness that :meth:`to_json` described. Raises ConfigurationError."""
        return from_jsonable(data, cls)

    def to_html(self) -> str:
        """It as one page that needs nothing else, for a browser or a printer."""
        from popheal.readiness.page import page_of

        return page_of(self)
