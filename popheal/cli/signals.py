"""Ctrl-C: once to stop, which still puts things back; twice to break off."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Final

from popheal.cli.render.console import plain_wanted
from popheal.engine.control import Control

_STOPPING: Final = (
    "popheal: Stopping: protocol logging is put back; a server that was drained stays drained, "
    "and is handed over in writing. Press Ctrl-C again to break off at once.\n"
)
#: Back to the beginning of the terminal's line, and wipe it: what is going on right now may
#: be shown there, with the terminal's own echo of Ctrl-C behind it.
_WIPE: Final = "\r\x1b[2K"


class BrokenOff(BaseException):
    """A person wants out at once.

    Not an Exception, so that nothing on the way takes it for a failure to be handled.
    """


@contextlib.contextmanager
def obeying(control: Control | None = None) -> Iterator[None]:
    """While this lasts, the first SIGINT or SIGTERM says stop, and the next breaks
    off.

    Without ``control``, which is for work that changes nothing, the first breaks off.
    Nothing is ever raised in the middle of an action by a first signal: a remote command that
    was cut short would leave nobody knowing whether it had worked.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def obey(_number: int, _frame: FrameType | None) -> None:
        if control is None or control.cancelled:
            raise BrokenOff
        control.cancel()
        _tell(_STOPPING)

    before = {number: signal.signal(number, obey) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _tell(text: str) -> None:
    # Written past the stream's buffer, which the signal may have come in the middle of.
    with contextlib.suppress(OSError, ValueError):
        lead = ""
        if sys.stderr.isatty():
            lead = "\n" if plain_wanted() else _WIPE
        os.write(sys.stderr.fileno(), (lead + text).encode())
