"""What a picture of cards shows, before anything is measured or placed."""

from __future__ import annotations

from enum import Enum

from attrs import frozen

from popheal.diagrams.graph import Node
from popheal.tables.actions import Impact
from popheal.tables.debts import DebtKind
from popheal.tables.table import Verdict


class Status(Enum):
    """What a run has to do with something; the value is how its look is called."""

    PLAIN = ""  #: No run is shown.
    TAKEN = "taken"
    NOW = "now"
    AHEAD = "ahead"  #: May follow.
    DIM = "dim"  #: Was not taken, and will not be.


@frozen(kw_only=True)
class Said:
    """An outcome in words.

    Attributes:
        words: With its guard in brackets.
        why: What of the runbook says that it leads there.
        after: How long it took, where a run had it.
    """

    words: str
    why: str
    status: Status = Status.PLAIN
    after: str = ""


#: What a mark is drawn of: an ending's own sign, or a letter.
Mark = Verdict | str


@frozen(kw_only=True)
class Way:
    """Where some outcomes of a state lead.

    Attributes:
        said: Those outcomes.
        whatever: Whether they are all there are.
        mark: What stands for it where no line is drawn: it gives up.
        caption: What is said beside the mark.
        part: The part it leads to, where that is another picture; 0 where it is this one.
        into: The state it leads to there, unless it is the part's first.
    """

    source: str
    target: str
    said: tuple[Said, ...]
    whatever: bool = False
    mark: Mark | None = None
    caption: str = ""
    part: int = 0
    into: str = ""

    @property
    def status(self) -> Status:
        """What a run has to do with it: with the one of its outcomes that the run had, if any."""
        found = {one.status for one in self.said}
        return next((one for one in Status if one in found), Status.PLAIN)

    @property
    def guard(self) -> str:
        """The guard that all its outcomes have, with brackets; empty if there is none."""
        guards = {one.words.partition(" [")[2] for one in self.said}
        return f"[{min(guards)}" if len(guards) == 1 and all(guards) else ""

    @property
    def taken(self) -> Said | None:
        """The outcome that a run had."""
        return next((one for one in self.said if one.status is Status.TAKEN), None)


@frozen(kw_only=True)
class Item:
    """A state, or an ending, with all ways out of it.

    Attributes:
        step: What it carries out, in words.
        short: The same for a row.
        onward: The way to the next item, if there is one.
        others: Those that a line is drawn for.
        marks: Those that a mark is drawn for.
        clock: When a run came there.
        flag: What is said of a run that is there now.
        note: What is said of an ending.
    """

    node: Node
    step: str = ""
    short: str = ""
    onward: Way | None = None
    others: tuple[Way, ...] = ()
    marks: tuple[Way, ...] = ()
    status: Status = Status.PLAIN
    clock: str = ""
    flag: str = ""
    note: str = ""

    @property
    def impact(self) -> Impact:
        """What the state does to the world."""
        return self.node.impact or Impact.LOOK

    @property
    def asides(self) -> tuple[Way, ...]:
        """All ways but the one to the next item, in the order in which they are told."""
        return (*self.others, *self.marks)


@frozen(kw_only=True)
class Group:
    """States that stand together, or endings.

    Attributes:
        title: What they are about; empty where nothing is said.
        mark: What is drawn beside the title: a part's number, or the mark of those that come here.
        part: The number of the part they are, where each part is a picture of its own.
    """

    items: tuple[Item, ...]
    title: str = ""
    mark: Mark | None = None
    part: int = 0


@frozen(kw_only=True)
class Rail:
    """A debt, from where it is left to where it is paid.

    Attributes:
        start: The state that leaves it; empty if that is in another picture.
        ends: The states that pay it, in order.
        through: Whether it is owed beyond the picture.
        owed_at: Where a run that owes it is, or has ended.
    """

    kind: DebtKind
    start: str
    ends: tuple[str, ...]
    through: bool = False
    status: Status = Status.PLAIN
    owed_at: str = ""


@frozen
class Slice:
    """How long something took, and what it did to the world."""

    state: str
    impact: Impact
    seconds: float


@frozen(kw_only=True)
class Sheet:
    """A whole picture.

    Attributes:
        name: For identifiers.
        title: Its first line.
        verdict: How a run ended or stands, with its sign; None where no run is shown.
        lines: What is said below the title.
        groups: Everything in it, from top to bottom.
        entries: Who comes in from other pictures: the state, and from which parts.
        rails: Debts.
        times: Where the time of a run went.
        notes: Marks explained at the foot, with a word and a sentence each.
        home: The picture of the whole, where this is one of a part.
    """

    name: str
    title: str
    lines: tuple[str, ...]
    groups: tuple[Group, ...]
    start: str
    aloud: str
    verdict: tuple[Mark | None, str] | None = None
    entries: tuple[tuple[str, str], ...] = ()
    rails: tuple[Rail, ...] = ()
    times: tuple[Slice, ...] = ()
    notes: tuple[tuple[Mark, str, str], ...] = ()
    home: bool = False

    @property
    def items(self) -> tuple[Item, ...]:
        """Every state and ending, from top to bottom."""
        return tuple(item for group in self.groups for item in group.items)
