"""Asking at the terminal: a person says whether a plan may be carried out."""

from __future__ import annotations

import contextlib
import os
import queue
import sys
from collections.abc import Iterator
from functools import cache, partial
from threading import Thread
from typing import TYPE_CHECKING, Final

from popheal.cli.render import console
from popheal.cli.render.console import say
from popheal.cli.session import approve_command
from popheal.util.text import moment

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from popheal.engine.approval import ApprovalRequest, Approver
    from popheal.policy.policy import Policy

#: Seconds between two looks whether an answer is still wanted.
_PIECE: Final = 0.25
_YES: Final = ("y", "yes")


def approver_here(policy: Policy, *, journal: bool) -> Approver | None:
    """Who is asked; nobody without a terminal, and without a journal to answer by.

    Where nobody has decided whether to be asked, nobody looks for a question in a journal either.
    """
    by_journal = journal and not policy.approval_undecided
    if not by_journal and not _at_a_terminal():
        return None
    return partial(ask_here, undecided=policy.approval_undecided)


def _at_a_terminal() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


def ask_here(request: ApprovalRequest, *, undecided: bool = False) -> bool | None:
    """An approver: asks the person at the terminal, else says how to answer from elsewhere.

    Args:
        request: What is asked.
        undecided: Whether it is asked because nobody has decided otherwise.
    """
    journal, plan = request.journal, request.plan.hash
    elsewhere = approve_command(request.run, plan, journal) if journal else ""
    if request.by_another or not _at_a_terminal():
        if elsewhere:
            until = f"{moment(request.expires_at)}"
            whose = "another person's approval" if request.by_another else "an approval"
            say(
                f"Run {request.run} on {request.server} waits for {whose} of "
                f"{_summary(request)}, until {until}. To give it: {elsewhere}"
            )
        return None
    out = console.console(sys.stderr)
    console.print_lines(out, _lines(out, request, elsewhere, undecided=undecided))
    return _typed(request)


def _summary(request: ApprovalRequest) -> str:
    from popheal.cli.render.plan import databases_of, worst_of

    plan = request.plan
    return (
        f"plan {plan.hash} ({plan.procedure}, {plan.impact.value}; at most {worst_of(plan)}; "
        f"databases: {databases_of(plan) or 'none'})"
    )


def _lines(
    out: Console, request: ApprovalRequest, elsewhere: str, *, undecided: bool
) -> Iterator[Text]:
    from popheal.cli.render.lines import command_line, labelled
    from popheal.cli.render.plan import ways, what_it_takes
    from popheal.policy.in_words import undecided_in_words

    plan = request.plan
    about = f"{plan.procedure} on {request.server}, for {plan.monitor}"
    yield from labelled(out, "Approve?", about)
    yield from labelled(out, "Now", request.action)
    yield from labelled(out, "Impact", plan.impact.value)
    yield from what_it_takes(out, plan)
    yield from ways(out, plan)
    yield from labelled(out, "Plan", f"{plan.hash}, of run {request.run}")
    yield from labelled(out, "Until", f"{moment(request.expires_at)}")
    if elsewhere:
        yield from labelled(out, "Or by", "")
        yield command_line(elsewhere)
    if undecided:
        yield from labelled(out, "Asked", undecided_in_words())


def _typed(request: ApprovalRequest) -> bool | None:
    """What a person types; None if that is of no use any more."""
    lines = _keyboard()
    _forget_what_was_typed(lines)
    sys.stderr.write("Carry it out? [y/N] ")
    sys.stderr.flush()
    while not request.over():
        with contextlib.suppress(queue.Empty):
            typed = lines.get(timeout=_PIECE)
            if not typed:  # no line came to its end
                sys.stderr.write("\n")
            return typed.strip().casefold() in _YES
    sys.stderr.write("\n")
    return None


def _forget_what_was_typed(lines: queue.SimpleQueue[str]) -> None:
    """What was typed before the question is no answer to it."""
    if sys.platform != "win32":  # which has no termios; there only whole lines are forgotten
        import termios

        with contextlib.suppress(OSError, termios.error):
            termios.tcflush(sys.stdin.fileno(), termios.TCIFLUSH)
    with contextlib.suppress(queue.Empty):
        while True:
            lines.get_nowait()


@cache
def _keyboard() -> queue.SimpleQueue[str]:
    """The lines that are typed, from now on."""
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()

    def read() -> None:
        # Read past Python's buffer: a thread that waits in there is in the way of its exit.
        with contextlib.suppress(OSError, ValueError):
            while True:
                typed = os.read(sys.stdin.fileno(), 1024)
                if not typed:
                    _keyboard.cache_clear()  # Ctrl-D answers this question, not those to come
                lines.put(typed.decode(errors="replace"))
                if not typed:
                    return

    Thread(target=read, daemon=True, name="popheal-keyboard").start()
    return lines
