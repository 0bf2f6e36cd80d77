"""A server that is being checked: what is known of it so far, and what can't be asked any more."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from attrs import define, field, frozen

from popheal.engine.context import HealingContext
from popheal.engine.requests import Logic
from popheal.errors import BackendError, OutcomeUnknown, UnknownName, Unreadable
from popheal.exchange.backend import LOOKS, OF_THE_SERVER
from popheal.exchange.models import ServerInfo
from popheal.exchange.names import short_name
from popheal.policy.policy import Policy
from popheal.readiness.lines import Judgement, Line


@frozen(kw_only=True)
class Answer:
    """What an item says; the line is made of it. As :class:`~popheal.readiness.lines.Line`."""

    judgement: Judgement
    about: str = ""
    value: str = ""
    cause: str = ""
    next_step: str = ""
    because: str = ""


def good(value: str, about: str = "") -> Answer:
    """It is as it should be."""
    return Answer(judgement=Judgement.GOOD, about=about, value=value)


def bad(value: str, cause: str, next_step: str, about: str = "") -> Answer:
    """It is not."""
    given = {"about": about, "value": value, "cause": cause, "next_step": next_step}
    return Answer(judgement=Judgement.BAD, **given)


def untold(value: str, cause: str, next_step: str, about: str = "") -> Answer:
    """It could not be told."""
    given = {"about": about, "value": value, "cause": cause, "next_step": next_step}
    return Answer(judgement=Judgement.COULD_NOT_TELL, **given)


def not_asked(because: str, about: str = "") -> Answer:
    """It was not looked at, because of another line."""
    return Answer(judgement=Judgement.COULD_NOT_TELL, about=about, because=because)


def failed(error: BackendError | UnknownName, about: str = "") -> Answer:
    """What was asked could not be had. That popheal can't have it is what the line is about."""
    cause = error.cause if isinstance(error, BackendError) else error.sentence()
    make = untold if isinstance(error, (OutcomeUnknown, Unreadable)) else bad
    return make("", cause, error.next_step, about)


def lines_of(key: str, answers: Iterable[Answer]) -> tuple[Line, ...]:
    """The lines of an item, by what it has said."""
    return tuple(
        Line(
            key=key,
            about=one.about,
            judgement=one.judgement,
            value=one.value,
            cause=one.cause,
            next_step=one.next_step,
            because=one.because,
        )
        for one in answers
    )


Ask = Callable[["Subject"], Logic[Sequence[Answer]]]


@frozen(kw_only=True)
class Blocked:
    """Methods of the backend that can do nothing, by server: which line says why.

    Attributes:
        by_server: Of what the server itself has to answer for; by its short name.
        everywhere: Of those that are answered by way of an entrance.
    """

    by_server: Mapping[str, Mapping[str, str]] = field(factory=dict)
    everywhere: Mapping[str, str] = field(factory=dict)

    def why(self, method: str, server: str) -> str:
        """The line because of which that can't be asked; empty if it can."""
        own = self.by_server.get(short_name(server), {}).get(method, "")
        return own or self.everywhere.get(method, "").removeprefix(f"{server}: ")


@define(kw_only=True)
class Subject:
    """One server.

    Attributes:
        context: The engine's.
        server: Its name, as it was given.
        blocked: What can't be asked, as was seen before.
        lines: What has been found.
        info: Who it is, once that was asked.
    """

    context: HealingContext
    server: str
    blocked: Blocked
    lines: list[Line] = field(factory=list)
    info: ServerInfo | None = None
    _lost: dict[str, str] = field(factory=dict, init=False)

    @property
    def policy(self) -> Policy:
        return self.context.policy

    def note(self, key: str, answers: Iterable[Answer]) -> None:
        """Add what an item has said."""
        self.lines += lines_of(key, answers)

    def has(self, key: str) -> bool:
        """Whether there is a line of an item already."""
        return any(one.key == key for one in self.lines)

    def lose(self, error: BackendError, line: str, uses: Iterable[str]) -> None:
        """Where no answer came in time, nothing more is asked that goes the same way."""
        if isinstance(error, OutcomeUnknown):
            own = any(one in OF_THE_SERVER for one in uses)
            same = OF_THE_SERVER if own else tuple(one for one in LOOKS if one not in OF_THE_SERVER)
            self._lost.update(dict.fromkeys(same, line))

    def why_not(self, needs: Iterable[str], uses: Iterable[str]) -> str:
        """The line because of which an item can't be looked at; empty if it can."""
        for key in needs:
            for one in self.lines:
                if one.key == key and one.judgement is not Judgement.GOOD:
                    return one.because or one.name
        for method in uses:
            if why := self.blocked.why(method, self.server) or self._lost.get(method, ""):
                return why
        return ""
