"""What happens, told line by line as it happens.

The story is part of the answer: it goes to standard output, or with ``--json`` to a person's
terminal. A line about what is going on right now goes to the terminal only, and is wiped out
when it is over.
"""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from attrs import define, field

from popheal.cli.render.console import console, plain_wanted
from popheal.exchange.names import same_server
from popheal.healthsets.pop import PROCEDURES
from popheal.reports.events import Event
from popheal.tables.palette import IMPACT_STYLES
from popheal.util.text import one_line, span

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

#: Columns of the labels in front of the alert, the findings and the verdict.
LABEL: Final = 11
_TIME: Final = 8
_IMPACT: Final = 8
#: Fewer columns than this left for the outcome, and it goes on a line of its own.
_NARROW: Final = 24
#: Stands for a space where no line may end; not to be seen in what is shown.
_GLUE: Final = "\N{NO-BREAK SPACE}"
_DURATION: Final = re.compile(r"\b\d+ (?:h|min|s)\b(?: \d+ (?:min|s)\b)*")
#: A moment written to more digits than a person reads.
_MICROSECONDS: Final = re.compile(r"(\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d)\.\d+")


@define(kw_only=True)
class Story:
    """An observer that tells what it is told.

    Args:
        out: Where to; nowhere if None.
        server: The alert's server, which goes without saying.
        heading: Lines to print before anything else.
        live: Show what is going on right now, if a person watches. Of no use in virtual time.

    Attributes:
        effects: States in which something was, or may have been, changed.
        healing: What is told about, as the journal names it; empty while that is not known.
        how_to_resume: The command that goes on with it, if it is cut off and there is one.
    """

    out: Console | None
    server: str = ""
    heading: list[Text] = field(factory=list)
    live: bool = True
    effects: list[str] = field(factory=list, init=False)
    healing: str = ""
    how_to_resume: str = field(default="", init=False)
    _began: datetime | None = field(default=None, init=False)
    _run: str = field(default="", init=False)
    _impact: dict[str, str] = field(factory=dict, init=False)
    _action_began: dict[str, datetime] = field(factory=dict, init=False)
    _findings: int = field(default=0, init=False)
    _now: Now | None = field(default=None, init=False)

    @property
    def left_behind(self) -> str:
        """What is not undone if it is cut off now; empty if nothing was begun."""
        begun = ", ".join(self.effects)
        return f"What was begun is not undone ({begun})" if begun else ""

    @contextmanager
    def told(self) -> Iterator[Story]:
        """While this lasts, the line about right now may be there."""
        if self.live and sys.stderr.isatty():
            self._now = Now()
        try:
            yield self
        finally:
            if self._now:
                self._now.wipe()

    def __call__(self, event: Event) -> None:
        self._began = self._began or event.at
        self.healing = self.healing or event.run_id.partition(".")[0]
        tell = getattr(self, f"_on_{event.name}", None)
        if tell:
            tell(event)

    def print(self, *lines: Text | str) -> None:
        """Print lines, below the heading and above the line about right now."""
        if self.out is None:
            return
        if self._now:
            self._now.wipe()
        for line in (*self.heading, *lines):
            self.out.print(line, soft_wrap=True)
        self.heading = []

    # --- events ----------------------------------------------------------------------------------

    def _on_healing_started(self, event: Event) -> None:
        self.healing = str(event.details.get("id", ""))

    def _on_triage_started(self, event: Event) -> None:
        if self._now:
            self._now.show("verifying", event.server)

    def _on_finding(self, event: Event) -> None:
        if not self.out:
            return
        label = "" if self._findings else "Seen"
        if self._run:
            self.print("")
            self._run, label = "", "Seen"
        self._findings += 1
        kind = one_line(str(event.details.get("kind", ""))).replace("_", " ")
        where = "" if same_server(event.server, self.server) else f"{event.server}: "
        self.print(*labelled(self.out, label, f"{where}{kind}: {self._detail(event)}"))

    def _on_run_started(self, event: Event) -> None:
        self._head(event, f", for {event.details.get('monitor', '')}")

    def _head(self, event: Event, why: str) -> None:
        from rich.text import Text

        self._run = event.run_id
        self._findings = 0
        self.print("", Text(one_line(f"{event.procedure} on {event.server}{why}"), "bold"))

    def _on_action_started(self, event: Event) -> None:
        impact = str(event.details.get("impact", ""))
        self._impact[event.run_id] = impact
        if impact != "look":
            self.effects.append(event.state)
        self._action_began[event.run_id] = event.at
        if self._now:
            self._now.show(event.state, event.server)

    def _on_action_finished(self, event: Event) -> None:
        from rich.text import Text

        if not self.out:
            return
        if event.run_id != self._run:
            self._head(event, ", going on")
        impact = self._impact.get(event.run_id, "")
        began = self._action_began.get(event.run_id, event.at)
        style = IMPACT_STYLES.get(impact, "")
        names = PROCEDURES[event.procedure].by_name if event.procedure in PROCEDURES else ()
        width = max((len(name) for name in names), default=len(event.state))
        lead = Text().append(f"{self._since_start(began):>{_TIME}}  ", "dim")
        lead.append(f"{impact:<{_IMPACT}}", style)
        lead.append(f"{event.state:<{width}}  ", "" if impact == "look" else style)
        took = (event.at - began).total_seconds()
        tail = f"{event.details.get('outcome', '')}: {self._detail(event)}".rstrip(": ")
        tail += f" ({span(took)})" if took >= 1 else ""
        self.print(*hanging(self.out, lead, tail))

    def _on_run_ended(self, event: Event) -> None:
        from rich.text import Text

        if self.out and event.run_id == self._run:
            lead = Text().append(f"{self._since_start(event.at):>{_TIME}}  ", "dim")
            self.print(lead.append(f"{'':<{_IMPACT}}{event.details.get('verdict', '')}", "bold"))

    def _on_healing_ended(self, _event: Event) -> None:
        self.print()  # the heading, where there was nothing else to tell

    def _on_pausing(self, event: Event) -> None:
        if self._now:
            self._now.show("waiting", event.server)

    def _on_approval_asked(self, _event: Event) -> None:
        if self._now:
            self._now.wipe()  # the terminal is wanted for the question

    def _on_approval_answered(self, event: Event) -> None:
        if self._now:
            self._now.show(event.state, event.server)

    # --- wording ---------------------------------------------------------------------------------

    def _since_start(self, at: datetime) -> str:
        whole = round((at - (self._began or at)).total_seconds())
        hours = f"{whole // 3600}:" if whole >= 3600 else ""  # noqa: PLR2004 - an hour
        minutes = whole % 3600 // 60
        return f"{hours}{minutes:{'02' if hours else ''}}:{whole % 60:02}"

    @staticmethod
    def _detail(event: Event) -> str:
        return one_line(str(event.details.get("detail", "")))


def hanging(out: Console, lead: Text, tail: str, style: str = "") -> list[Text]:
    """The lead, and the tail beside it, as many lines as it takes."""
    from rich.text import Text

    indent = lead.cell_len
    width = out.width - indent
    longest = max(map(len, _words(tail)), default=0)
    if width < _NARROW or width < longest <= out.width - _TIME - 2:
        indent = _TIME + 2
        below = _wrapped(tail, max(_NARROW, out.width - indent))
        lead.rstrip()
        return [lead, *(Text(" " * indent).append(line, style) for line in below)]
    lines = _wrapped(tail, width) or [""]
    first = lead.append(lines[0], style)
    first.rstrip()
    return [first, *(Text(" " * indent).append(line, style) for line in lines[1:])]


def _wrapped(text: str, width: int) -> list[str]:
    # Not at hyphens, nor inside words: names of servers, files and parameters are to be copied.
    lines = textwrap.wrap(
        " ".join(_words(text)), width, break_on_hyphens=False, break_long_words=False
    )
    return [line.replace(_GLUE, " ") for line in lines]


def _words(text: str) -> list[str]:
    """What must not be broken; a duration is one word, with glue for spaces."""
    whole_seconds = _MICROSECONDS.sub(r"\1", one_line(text))
    glued = _DURATION.sub(lambda found: found[0].replace(" ", _GLUE), whole_seconds)
    return glued.split(" ")


def labelled(out: Console, label: str, text: str, style: str = "") -> list[Text]:
    """A label, and the text beside it."""
    from rich.text import Text

    return hanging(out, Text().append(f"{label:<{LABEL}}", "bold"), text, style)


class Now:
    """The line on the terminal that says what is going on, and for how long."""

    def __init__(self) -> None:
        self._err = console(sys.stderr)
        self._plain = plain_wanted()
        self._live: Any = None

    def show(self, what: str, server: str) -> None:
        """Show it, in place of what was shown before."""
        self.wipe()
        text = one_line(f"{what} on {server}")
        if self._plain:
            return
        from rich.live import Live
        from rich.spinner import Spinner

        # Standard output is left alone: what is printed there is not this console's.
        self._live = Live(
            _Elapsed(text, Spinner("line")),
            console=self._err,
            transient=True,
            refresh_per_second=4,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._live.start()

    def wipe(self) -> None:
        """Take it away."""
        if self._live is not None:
            self._live.stop()
            self._live = None


class _Elapsed:
    """A spinner with the time that has passed; rendered anew at each refresh."""

    def __init__(self, text: str, spinner: Any) -> None:
        self._text, self._spinner = text, spinner
        self._began: float | None = None

    def __rich_console__(self, out: Console, _options: Any) -> Iterator[Any]:
        now = out.get_time()
        self._began = now if self._began is None else self._began
        self._spinner.update(text=f"{self._text}, {span(now - self._began)}")
        line = self._spinner.render(now)
        # One line and no more: a signal's handler wipes out just one.
        line.no_wrap, line.overflow = True, "ellipsis"
        yield line
