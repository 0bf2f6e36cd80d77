"""A recording served again: the answers that were given then, in the order of then."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Final

from popheal.backends.psrp import scripts
from popheal.backends.psrp.recording import RecordedCommand, Recording
from popheal.backends.psrp.recording.recorded import MESSAGE_TYPES
from popheal.lab.error_writer import Ended, Problem, Withheld
from popheal.lab.replayed_time import ReplayedTime
from popheal.lab.served import Opening
from popheal.lab.shells import Asked
from popheal.lab.wire_faults import Wire
from popheal.util.clock import Clock, SystemClock

#: What a client met with then, and how it is made to meet with the like.
_TROUBLES: Final[Mapping[str, Wire]] = {
    "no way": Wire.SHELL_GONE,
    "denied": Wire.UNAUTHORISED,
    "absent": Wire.NO_SUCH_PATH,
    "gone": Wire.SHELL_GONE,
    "busy": Wire.SHELL_LIMIT,
    "fault": Wire.FAULT,
    "http": Wire.UNAVAILABLE,
    "late": Wire.TIMED_OUT,
    "garbled": Wire.NOT_XML,
}
#: A time is another one each time something is asked.
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d[T ][\d:.]+(?:Z|[+-]\d\d:?\d\d)?", re.ASCII)
_STATE: Final = MESSAGE_TYPES["PIPELINE_STATE"]

_Key = tuple[str, str, str]


class Replay:
    """Answers from a recording.

    The n-th time that something is asked, what was answered the n-th time is answered again; and
    where it is asked more often, the last answer. But an answer holds only between the two effects
    between which it was given: after a restart nothing is told from before it. What was not asked
    then is told to be not in the recording; for an effect that means that it was not begun.

    Args:
        recording: What is served.
        clock: By which times in the answers are moved to where they belong now.
        takes_time: Whether each answer takes as long, by that clock, as it took then.
        on_missing: Is told of each command that is not in the recording.
    """

    def __init__(
        self,
        recording: Recording,
        *,
        clock: Clock | None = None,
        takes_time: bool = False,
        on_missing: Callable[[str], object] = str,
    ) -> None:
        self._commands = recording.commands
        self._keys = [_key(one.endpoint, one.command, one.parameters) for one in self._commands]
        self._clock = clock or SystemClock()
        self._takes_time = takes_time
        self._on_missing = on_missing
        self._lock = threading.Lock()
        self._told: set[int] = set()
        self._last_effect = -1
        self._refusals: dict[tuple[str, str], Wire] = {}
        self._time = ReplayedTime()

    def opening(self, server: str, endpoint: str) -> Opening:
        """As the next session on that endpoint came about then."""
        with self._lock:
            if wire := self._refusals.pop((server.casefold(), endpoint), None):
                return Opening(refusal=wire)
            number = next(self._left_at(server, endpoint), None)
            if number is None:
                return Opening()
            one = self._commands[number]
            greeting = [self._message(m.type, m.clixml) for m in one.messages if m.is_of_session]
            if one.failure is None or one.failure.stage != "connecting":
                return Opening(greeting=greeting or None)
            # Sessions may be opened ahead of the commands that need them.
            self._told.add(number)
            if any(kind == MESSAGE_TYPES["RUNSPACEPOOL_STATE"] for kind, _ in greeting):
                # It was opened, so to speak, and then said why it can't be used.
                return Opening(greeting=greeting)
            return Opening(refusal=_wire(one, connecting=True))

    def run(self, server: str, endpoint: str, shell: str, asked: Asked) -> Ended:  # noqa: ARG002
        """What was answered then. Raises Withheld where there was no answer."""
        name = scripts.NAMES.get(asked.text, "another script") if asked.is_script else asked.text
        with self._lock:
            number = self._find(server, _key(endpoint, name, asked.parameters))
            if number is None:
                self._on_missing(_described(name, asked))
                return _missing(name, asked)
            one = self._commands[number]
            self._tell(number)
            if one.failure is not None and one.failure.stage == "connecting":
                # It has a session, but had none then: it loses that one, and gets no other.
                self._refusals[server.casefold(), endpoint] = _wire(one, connecting=True)
                raise Withheld(Wire.SHELL_GONE)
            messages = [
                self._message(m.type, m.clixml) for m in one.messages if not m.is_of_session
            ]
            if not any(kind == _STATE for kind, _ in messages):
                raise Withheld(_wire(one, connecting=False))
            return Ended(messages=messages)

    # --- which answer ----------------------------------------------------------------------------

    def _find(self, server: str, key: _Key) -> int | None:
        """The number of the command whose answer is due."""
        fits = [number for number, one in enumerate(self._keys) if one == key]
        here = [n for n in fits if self._commands[n].server.casefold() == server.casefold()]
        left = [n for n in (here or fits) if n not in self._told and n > self._last_effect]
        if any(self._commands[n].effect for n in fits):
            return left[0] if left else None
        next_effect = self._next_effect()
        if left and left[0] < next_effect:
            return left[0]
        again = [n for n in (here or fits) if self._last_effect < n < next_effect]
        return again[-1] if again else None

    def _next_effect(self) -> int:
        after = range(self._last_effect + 1, len(self._commands))
        effects = (n for n in after if self._commands[n].effect and n not in self._told)
        return next(effects, len(self._commands))

    def _left_at(self, server: str, endpoint: str) -> Iterator[int]:
        """The numbers of what was asked of an endpoint and was not told yet."""
        for number, one in enumerate(self._commands):
            same = one.endpoint == endpoint and one.server.casefold() == server.casefold()
            if same and number not in self._told and number > self._last_effect:
                yield number

    def _tell(self, number: int) -> None:
        one = self._commands[number]
        self._told.add(number)
        if one.effect:
            self._last_effect = max(self._last_effect, number)
        self._time.tie(one.at, self._clock.now())
        if self._takes_time:
            self._clock.sleep(one.seconds)
        self._time.tie(one.at + timedelta(seconds=one.seconds), self._clock.now())

    def _message(self, kind: str, clixml: str) -> tuple[int, str]:
        return MESSAGE_TYPES.get(kind, 0), self._time.text(clixml)


def _key(endpoint: str, command: str, parameters: Mapping[str, object]) -> _Key:
    """What makes two commands the same: all but the times."""
    given = sorted((name.casefold(), _plain(value)) for name, value in parameters.items())
    return endpoint, command.casefold(), repr(given)


def _plain(value: object) -> object:
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, str):
        return "a time" if _TIME.fullmatch(value) else value.casefold()
    return value


def _wire(one: RecordedCommand, *, connecting: bool) -> Wire:
    trouble = one.failure.trouble if one.failure else ""
    if connecting and trouble in ("no way", "gone"):
        return Wire.DROP_UNDONE
    return _TROUBLES.get(trouble, Wire.DROP_UNDONE)


def _described(name: str, asked: Asked) -> str:
    given = ", ".join(f"{key} {value}" for key, value in asked.parameters.items())
    return f"{name} ({given})" if given else name


def _missing(name: str, asked: Asked) -> Ended:
    problem = Problem(
        text=f"{_described(name, asked)} is not in the recording, at this point of it.",
        reason="InvalidOperationException",
        command=name,
        error_id=f"{scripts.NOT_BEGUN}.",
    )
    return Ended(problem=problem, terminating=True)
