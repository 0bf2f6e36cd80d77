"""Ctrl-C: once to stop, which still puts things back; twice to break off."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Final

from popheal.cli.exit_codes import BROKEN_OFF
from popheal.cli.render.console import plain_wanted, width_of
from popheal.cli.render.lines import fitted_text
from popheal.engine.control import Control

_STOPPING: Final = (
    "popheal: Stopping: protocol logging is put back; a server that was drained stays drained, "
    "and is handed over in writing. Press Ctrl-C again to break off at once.\n"
)
#: Seconds that breaking off may take, before the process is ended from outside of what it does.
_PATIENCE: Final = 1.5
_CUT: Final = (
    "popheal: Broken off in the middle of a call that did not come back. What was begun is not "
    "undone; a journal has it: popheal healings\n"
)
#: Back to the beginning of the terminal's line, and wipe it: what is going on right now may
#: be shown there, with the terminal's own echo of Ctrl-C behind it.
_WIPE: Final = "\r\x1b[2K"


class BrokenOff(BaseException):
    """A person wants out at once.

    Not an Exception, so that nothing on the way takes it for a failure to be handled.
    """


@contextlib.contextmanager
def obeying(control: Control | None = None, *, patient: bool = False) -> Iterator[None]:
    """While this lasts, the first SIGINT or SIGTERM says stop, and the next breaks
    off.

    Without ``control``, which is for work that changes nothing, the first breaks off.
    Nothing is ever raised in the middle of an action by a first signal: a remote command that
    was cut short would leave nobody knowing whether it had worked.

    Args:
        control: What is told of the first.
        patient: Whether breaking off may take its time. Else the process ends soon, even from
            within a call that no signal interrupts: looking a name up, or asking for a ticket.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def obey(_number: int, _frame: FrameType | None) -> None:
        if control is None or control.cancelled or control.detached:
            raise BrokenOff
        control.cancel()
        _tell(_STOPPING)

    before = {number: signal.signal(number, obey) for number in (signal.SIGINT, signal.SIGTERM)}
    watched = contextlib.nullcontext() if patient else _ended_for_sure(2 if control else 1)
    try:
        with watched:
            yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _ended_for_sure(signals: int) -> Iterator[None]:
    """While this lasts, so many signals end the process, if it doesn't end by itself.

    Python runs a handler only once the main thread has come back from what it calls. That a
    signal has come is known at once, though, by what is written for it to a socket.
    """
    told, heard = socket.socketpair()
    told.setblocking(False)
    over = threading.Event()

    def listen() -> None:
        left = signals
        with heard:
            while left > 0:
                numbers = heard.recv(1)
                if not numbers:
                    return
                left -= numbers[0] in (signal.SIGINT, signal.SIGTERM)
        if not over.wait(_PATIENCE):
            _tell(_CUT)
            os._exit(BROKEN_OFF)

    before = signal.set_wakeup_fd(told.fileno(), warn_on_full_buffer=False)
    threading.Thread(target=listen, name="popheal-signals", daemon=True).start()
    try:
        yield
    finally:
        over.set()
        signal.set_wakeup_fd(before)
        told.close()


def _tell(text: str) -> None:
    # Written past the stream's buffer, which the signal may have come in the middle of.
    with contextlib.suppress(OSError, ValueError):
        lead = ""
        if sys.stderr.isatty():
            lead = "\n" if plain_wanted() else _WIPE
        shown = "\n".join(fitted_text(text.rstrip(), width_of(sys.stderr)))
        os.write(sys.stderr.fileno(), f"{lead}{shown}\n".encode())
