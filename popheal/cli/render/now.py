"""The line on a terminal that says what is going on right now, and for how long.

It is there before anything is asked, so that nobody looks at an empty screen while a server is
silent. A terminal that takes no escape sequences gets a plain line instead, once something takes
long.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Timer, current_thread
from typing import TYPE_CHECKING, Any, Final

from attrs import define, field, frozen

from popheal.cli.render.console import console, plain_wanted, say
from popheal.exchange.names import short_name
from popheal.util.text import one_line, span

if TYPE_CHECKING:
    from rich.console import Console

#: Seconds after which it is said what takes so long: on a terminal without escape sequences that
#: anything is going on at all, on any other which call is being made.
PATIENCE: Final = 1.0
#: Columns that the spinner takes.
_SPINNER: Final = 2


@frozen(kw_only=True)
class Doing:
    """Something that is going on.

    Attributes:
        what: In words, like ``verifying``.
        server: On which server; empty if that is said already, or on none.
        began: When it began, in seconds, by the clock that the line goes by.
        most: The most that it may take, in seconds; None if that is not known.
    """

    what: str
    server: str
    began: float
    most: float | None = None

    def is_over(self, now: float) -> bool:
        """Whether it has taken as long as it may: then the last look is being taken."""
        return self.most is not None and now - self.began > self.most

    def told(self, now: float, asked: str, width: int) -> str:
        """A line about it, with as much as has room.

        Args:
            now: The time, by the same clock.
            asked: Which call is being made, and of whom; empty if that is of no interest.
            width: How many columns there are.
        """
        took = span(now - self.began)
        took += f" of at most {span(self.most)}" if self.most is not None else ""
        where = self.server
        places = [f" on {where}", f" on {short_name(where)}", ""] if where else [""]
        heads = [f"{self.what}{place}, {took}" for place in places]
        calls = [f"{head}: {asked}" for head in heads] if asked else []
        if asked and self.most is None:
            calls.append(f"{asked}, {took}")
        lines = [one_line(line) for line in (*calls, *heads, took)]
        return next((line for line in lines if len(line) <= width), lines[-1])


@define
class Now:
    """The line, while something is going on.

    Args:
        asked: Gives the call that is being made right now, in words; empty if none is.
        clock: Seconds, as they pass where it is going on.
    """

    asked: Callable[[], str] = field(default=str)
    clock: Callable[[], float] = field(default=time.monotonic, kw_only=True)
    _doing: list[Doing] = field(factory=list, init=False)
    _live: Any = field(default=None, init=False)
    _timer: Timer | None = field(default=None, init=False)

    def show(self, what: str, server: str) -> None:
        """Show it, in place of what was shown before."""
        self._begin([Doing(what=what, server=server, began=self.clock())])

    def wait(self, what: str, server: str, *, seconds: float, most: float) -> None:
        """Show what is waited for; once that is over, what was shown before.

        Args:
            what: What for.
            server: Where.
            seconds: How much longer at most.
            most: How long it may take in all.
        """
        what, began = f"waiting for {what}", self.clock() + seconds - most
        kept = [one for one in self._doing if one.what != what]
        self._begin([*kept, Doing(what=what, server=server, began=began, most=most)])

    def wipe(self) -> None:
        """Take it away."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _begin(self, doing: list[Doing]) -> None:
        self.wipe()
        self._doing = doing
        if plain_wanted():
            self._say_later(said=False)
            return
        from rich.live import Live

        # Standard output is left alone: what is printed there is not this console's.
        self._live = Live(
            _Spinning(self),
            console=console(sys.stderr),
            transient=True,
            refresh_per_second=4,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._live.start()

    def line(self, width: int, *, in_full: bool) -> str:
        """What to show right now.

        Args:
            width: How many columns there are.
            in_full: Whether with the call that is being made.
        """
        now = self.clock()
        going_on = [one for one in self._doing if not one.is_over(now)] or self._doing
        return going_on[-1].told(now, self.asked() if in_full else "", width)

    def _say_later(self, *, said: bool) -> None:
        self._timer = Timer(PATIENCE, self._say, kwargs={"said": said})
        self._timer.daemon = True
        self._timer.start()

    def _say(self, *, said: bool) -> None:
        """Say it once; and once more as soon as there is a call, if there was none."""
        asked = self.asked()
        if asked or not said:
            say(self.line(sys.maxsize, in_full=True))
        if not asked and self._timer is current_thread():
            self._say_later(said=True)


class _Spinning:
    """A spinner with that line beside it, made anew at each refresh."""

    def __init__(self, now: Now) -> None:
        from rich.spinner import Spinner

        self._now = now
        self._spinner: Any = Spinner("line")
        self._began = time.monotonic()

    def __rich_console__(self, out: Console, options: Any) -> Iterator[Any]:
        from rich.text import Text

        in_full = time.monotonic() - self._began > PATIENCE
        line = self._now.line(options.max_width - _SPINNER, in_full=in_full)
        self._spinner.update(text=Text(line))  # a text alone would be taken for markup
        shown = self._spinner.render(out.get_time())
        # One line and no more: a signal's handler wipes out just one.
        shown.no_wrap, shown.overflow = True, "ellipsis"
        yield shown


@contextmanager
def shown(what: str, server: str, asked: Callable[[], str] = str) -> Iterator[Now | None]:
    """While this lasts, a person at a terminal is told what is going on."""
    now = Now(asked) if sys.stderr.isatty() else None
    if now:
        now.show(what, server)
    try:
        yield now
    finally:
        if now:
            now.wipe()


@contextmanager
def progress(
    what: str, server: str = "", asked: Callable[[], str] = str
) -> Iterator[Callable[[int, int, str], None]]:
    """Likewise; gives what tells how many are over, of how many, and which one comes next."""

    def tell(over: int, of: int, which: str) -> None:
        if now:
            now.show(f"{over} of {of}: {which}", "")

    with shown(what, server, asked) as now:
        yield tell
