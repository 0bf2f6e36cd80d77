"""What happens, told line by line as it happens.

The story is part of the answer: it goes to standard output, or with ``--json`` to a person's
terminal. A line about what is going on right now goes to the terminal only, and is wiped out
when it is over.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from attrs import define, field

from popheal.cli.render.console import print_lines
from popheal.cli.render.lines import hanging, labelled
from popheal.cli.render.now import Now
from popheal.exchange.names import same_server
from popheal.healthsets.pop import PROCEDURES
from popheal.reports import events
from popheal.reports.events import Event
from popheal.reports.report import FindingKind
from popheal.tables.actions import Impact
from popheal.tables.palette import IMPACT_STYLES
from popheal.util.text import one_line, span

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

_TIME: Final = 8


@define(kw_only=True)
class StoryLines:
    """What happened, as lines: one form for what happens now, and for what was written down.

    Args:
        out: The console that the lines are for.
        server: The alert's server, which goes without saying.
        time: How a time is written.

    Attributes:
        run_id: The run that the last line was about; empty if it was about none.
    """

    out: Console
    server: str
    time: Callable[[datetime], str]
    run_id: str = field(default="", init=False)
    _seen: bool = field(default=False, init=False)

    def finding(self, kind: FindingKind, server: str, detail: str) -> Iterator[Text]:
        """What triage saw; the first of several has a label."""
        from rich.text import Text

        if self.run_id:
            self.run_id, self._seen = "", False
            yield Text("")
        where = "" if same_server(server, self.server) else f"{server}: "
        text = f"{where}{kind.value.replace('_', ' ')}: {detail}"
        yield from labelled(self.out, "" if self._seen else "Seen", text)
        self._seen = True

    def head(self, run_id: str, procedure: str, server: str, why: str) -> Iterator[Text]:
        """Which run the next lines are about, unless the last one was about it too."""
        from rich.text import Text

        if run_id != self.run_id:
            self.run_id = run_id
            yield Text("")
            yield Text(one_line(f"{procedure} on {server}{why}"), "bold")

    def line(
        self, at: datetime, word: str, text: str, *, state: str = "", of: str = "", style: str = ""
    ) -> list[Text]:
        """A line of the history.

        Args:
            at: The time in front.
            word: One of eight letters at most that says what kind of thing it is.
            text: The rest, as many lines as it takes.
            state: The state that it is about, if it is about one.
            of: The procedure, so that all its states get the same width.
            style: How the word and the text look, if not as the impact does.
        """
        from rich.text import Text

        colour = style or IMPACT_STYLES.get(word, "")
        lead = self.lead(at, word, colour)
        if state := one_line(state):
            names = PROCEDURES[of].by_name if of in PROCEDURES else ()
            width = max(map(len, names), default=0)
            shade = "" if word == "look" else colour
            if lead.cell_len + len(state) > self.out.width:
                lead.rstrip()
                indent = " " * (_TIME + 2 if _TIME + 2 + len(state) <= self.out.width else 2)
                return [lead, *hanging(self.out, Text(indent + state, shade), text, style)]
            lead.append(f"{state:<{width}}  ", shade)
        return hanging(self.out, lead, text, style)

    def lead(self, at: datetime, word: str = "", style: str = "") -> Text:
        """What every line of the history begins with: the time, and a word or its place."""
        from rich.text import Text

        return Text().append(f"{self.time(at):>{_TIME}}  ", "dim").append(f"{word:<8}", style)


def outcome_text(outcome: str, detail: str, took: timedelta) -> str:
    """What came of an action, and how long it took."""
    seconds = took.total_seconds()
    return f"{outcome}: {detail}".rstrip(": ") + (f" ({span(seconds)})" if seconds >= 1 else "")


@define(kw_only=True)
class Story:
    """An observer that tells what it is told.

    Args:
        out: Where to; nowhere if None.
        server: The alert's server, which goes without saying.
        heading: Lines to print before anything else.
        live: Show what is going on right now, if a person watches. Of no use in virtual time.
        clock: Seconds, as they pass where it happens.

    Attributes:
        effects: States in which something was, or may have been, changed.
        healing: What is told about, as the journal names it; empty while that is not known.
        how_to_resume: The command that goes on with it, if it is cut off and there is one.
        asked: Gives the call that is being made right now, in words.
    """

    out: Console | None
    server: str = ""
    heading: list[Text] = field(factory=list)
    live: bool = True
    clock: Callable[[], float] = time.monotonic
    effects: list[str] = field(factory=list, init=False)
    healing: str = ""
    how_to_resume: str = field(default="", init=False)
    asked: Callable[[], str] = field(default=str, init=False)
    _began: datetime | None = field(default=None, init=False)
    _actions: dict[str, events.ActionStarted] = field(factory=dict, init=False)
    _lines: StoryLines | None = field(default=None, init=False)
    _now: Now | None = field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        if self.out:
            self._lines = StoryLines(out=self.out, server=self.server, time=self._since_start)

    @property
    def left_behind(self) -> str:
        """What is not undone if it is cut off now; empty if nothing was begun."""
        begun = ", ".join(self.effects)
        return f"What was begun is not undone ({begun})" if begun else ""

    @contextmanager
    def told(self) -> Iterator[Story]:
        """While this lasts, the line about right now may be there."""
        if self.live and sys.stderr.isatty():
            self._now = Now(self.asked, clock=self.clock)
            self._now.show("resuming" if self.healing else "verifying", self.server)
        try:
            yield self
        finally:
            if self._now:
                self._now.wipe()

    def __call__(self, event: Event) -> None:
        self._began = self._began or event.at
        self.healing = self.healing or event.run_id.partition(".")[0]
        if self._now:
            self._show(self._now, event)
        if isinstance(event, events.HealingStarted):
            self.healing = event.id
        elif isinstance(event, events.HealingEnded):
            self.print()  # the heading, where there was nothing else to tell
        elif isinstance(event, events.ActionStarted):
            self._actions[event.run_id] = event
            if event.impact is not Impact.LOOK:
                self.effects.append(event.state)
        if self._lines:
            lines = list(self._told(self._lines, event))
            if lines:
                self.print(*lines)

    def print(self, *lines: Text) -> None:
        """Print lines, below the heading and above the line about right now."""
        if self.out is None:
            return
        if self._now:
            self._now.wipe()
        print_lines(self.out, (*self.heading, *lines))
        self.heading = []

    def _told(self, lines: StoryLines, event: Event) -> Iterator[Text]:
        """The lines about an event; most have none."""
        if isinstance(event, events.FindingMade):
            yield from lines.finding(event.kind, event.server, event.detail)
        elif isinstance(event, events.RunStarted):
            why = f", for {event.monitor}"
            yield from lines.head(event.run_id, event.procedure, event.server, why)
        elif isinstance(event, events.ActionFinished):
            yield from lines.head(event.run_id, event.procedure, event.server, ", going on")
            began = self._actions[event.run_id]
            text = outcome_text(event.outcome, event.detail, event.at - began.at)
            word, of = began.impact.value, event.procedure
            yield from lines.line(began.at, word, text, state=event.state, of=of)
        elif isinstance(event, events.WaitHindered):
            yield from lines.line(event.at, "waiting", event.error, style="yellow")
        elif isinstance(event, events.RunEnded) and event.run_id == lines.run_id:
            yield lines.lead(event.at).append(event.verdict.value, "bold")

    @staticmethod
    def _show(now: Now, event: Event) -> None:
        """What is going on right now."""
        if isinstance(event, events.TriageStarted):
            now.show("verifying", event.server)
        elif isinstance(event, events.ActionStarted | events.ApprovalAnswered):
            now.show(event.state, event.server)
        elif isinstance(event, events.Pausing):
            now.wait(event.what, event.server, seconds=event.seconds, most=event.most)
        elif isinstance(event, events.ApprovalAsked):
            now.wipe()  # the terminal is wanted for the question

    def _since_start(self, at: datetime) -> str:
        whole = round((at - (self._began or at)).total_seconds())
        hours = f"{whole // 3600}:" if whole >= 3600 else ""  # noqa: PLR2004 - an hour
        minutes = whole % 3600 // 60
        return f"{hours}{minutes:{'02' if hours else ''}}:{whole % 60:02}"
