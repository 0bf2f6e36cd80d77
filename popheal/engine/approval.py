"""What a person is asked, where the policy wants a plan to be approved."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from attrs import field, frozen

from popheal.engine.plan import PlannedRun


@frozen(kw_only=True)
class ApprovalRequest:
    """The question whether a plan may be carried out.

    Attributes:
        run: Id of the run that asks.
        server: Fully qualified name of the server that it acts on.
        plan: What may follow. Its ``hash`` names it, and is what is approved.
        action: The effect that is about to be carried out, in words.
        asked_at: When it was asked, aware UTC.
        expires_at: Until when it can be answered, and by when the plan must be begun.
        by_another: Whether a yes only counts by the journal, from another account than those that
            have begun the healing or resumed it: then say so, and answer None, or False.
        journal: The file by which somebody else can answer, with ``popheal approve``; None if
            the journal is in memory.
        over: Whether an answer is of no use any more, as somebody else has given one, the time
            is up, or a person said stop. Look now and then while you wait for an answer.
    """

    run: str
    server: str
    plan: PlannedRun
    action: str
    asked_at: datetime
    expires_at: datetime
    journal: Path | None = None
    by_another: bool = False
    over: Callable[[], bool] = field(default=lambda: False, eq=False, repr=False)


#: Answers a question: True approves, False refuses, None leaves it to the journal. It may take
#: its time; what it raises is logged and counts as None. With the asynchronous functions it may
#: be a coroutine function; else it is called in a thread of its own there.
Approver = Callable[[ApprovalRequest], bool | Awaitable[bool | None] | None]


@frozen(kw_only=True)
class Approval:
    """What a run remembers of an approval.

    Attributes:
        plan: Hash of the plan.
        facts: The state that the plan starts from, as ``ServerState`` in plain JSON values.
        until: The approved effects must begin before. Once one has, the plan's worst case is
            added, as what was begun should not be left half-way.
        begun: Whether one has.
    """

    plan: str
    facts: dict[str, Any]
    until: datetime
    begun: bool = False
