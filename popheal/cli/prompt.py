"""Asking at the terminal: a person says whether a plan may be carried out."""

from __future__ import annotations

import contextlib
import os
import queue
import sys
from functools import cache
from threading import Thread
from typing import TYPE_CHECKING, Final

from popheal.cli.render.console import say
from popheal.cli.session import approve_command
from popheal.util.text import moment, one_line

if TYPE_CHECKING:
    from popheal.engine.approval import ApprovalRequest, Approver

#: Seconds between two looks whether an answer is still wanted.
_PIECE: Final = 0.25
_YES: Final = ("y", "yes")


def approver_here(*, journal: bool) -> Approver | None:
    """Who is asked; nobody without a terminal, and without a journal to answer by."""
    return ask_here if journal or _at_a_terminal() else None


def _at_a_terminal() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


def ask_here(request: ApprovalRequest) -> bool | None:
    """An approver: asks the person at the terminal, else says how to answer from elsewhere."""
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
    for line in _lines(request, elsewhere):
        sys.stderr.write(f"{line}\n")
    return _typed(request)


def _summary(request: ApprovalRequest) -> str:
    from popheal.cli.render.plan import databases_of, worst_of

    plan = request.plan
    return (
        f"plan {plan.hash} ({plan.procedure}, {plan.impact.value}; at most {worst_of(plan)}; "
        f"databases: {databases_of(plan) or 'none'})"
    )


def _lines(request: ApprovalRequest, elsewhere: str) -> list[str]:
    from popheal.cli.render.plan import databases_of, worst_of

    plan = request.plan
    told = [
        ("Approve?", f"{plan.procedure} on {request.server}, for {plan.monitor}"),
        ("Now", request.action),
        ("Impact", plan.impact.value),
        ("At most", worst_of(plan)),
        ("Databases", databases_of(plan) or "none is active there"),
        ("Plan", f"{plan.hash}, of run {request.run}"),
        ("Until", f"{moment(request.expires_at)}"),
        ("Or by", elsewhere),
    ]
    return [f"{label:<10} {one_line(text)}" for label, text in told if text]


def _typed(request: ApprovalRequest) -> bool | None:
    """What a person types; None if that is of no use any more."""
    lines = _keyboard()
    _forget_what_was_typed(lines)
    sys.stderr.write("Carry it out? [y/N] ")
    sys.stderr.flush()
    while not request.over():
        with contextlib.suppress(queue.Empty):
            return lines.get(timeout=_PIECE).strip().casefold() in _YES
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
                lines.put(typed.decode(errors="replace"))
                if not typed:
                    return

    Thread(target=read, daemon=True, name="popheal-keyboard").start()
    return lines
