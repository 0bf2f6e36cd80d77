"""What is dropped from memory in a long wait, and read again from the journal after it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from attrs import frozen

from popheal.engine.requests import Logic, Pause

if TYPE_CHECKING:
    from popheal.engine.context import HealingContext


#: To read a healing again takes about a millisecond, and to keep it 25 KiB. So for this many
#: seconds, or more, it is not kept.
_LONG: Final = 60.0


def can_be_dropped(pause: Pause, context: HealingContext) -> bool:
    """Whether it is long, and the journal has all that is needed to go on within the step."""
    if not (pause.is_written and pause.seconds >= _LONG and context.go_on and context.case):
        return False
    return context.case.waiting_run is not None and not context.control.cancelled


@frozen
class Dropped:
    """A healing waits, and is not in memory meanwhile."""

    pause: Pause


def drop(pause: Pause, context: HealingContext) -> Dropped:
    """Keep nothing that the journal has; nothing may wait to be written."""
    context.dropped_in = context.case.waiting_run.work.began
    context.case.forget()
    context.case = None
    context.progress.clear()
    context.moment.end()
    context.current_lease.rest()
    return Dropped(pause)


def read_again(context: HealingContext) -> Logic[Any]:
    """The logic of a healing that was dropped. Raises JournalError."""
    if context.go_on is None:
        raise AssertionError("it could not have been dropped")
    return context.go_on(context)
