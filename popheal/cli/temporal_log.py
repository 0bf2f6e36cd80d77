"""What Temporal's library logs, in sentences: no colours, no tracebacks, no floods."""

from __future__ import annotations

import contextlib
import logging
import re
import time
from typing import Final

from popheal.cli.render.console import say
from popheal.errors import PophealError
from popheal.util.text import one_line

#: Seconds after which a thing that is logged again is said again. While its server is away, the
#: library logs the same many times a second.
_EVERY: Final = 60.0
#: What differs between lines that say the same: numbers, and ids of runs.
_NUMBERS: Final = re.compile(r"[0-9a-f-]*[0-9][0-9a-f-]*")
_LONGEST: Final = 400


class _Sayings(logging.Handler):
    """Says each thing that is logged, but not again and again."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._said: dict[str, float] = {}

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        kind, now = _NUMBERS.sub("", text.partition("{")[0]), time.monotonic()
        if now - self._said.get(kind, -_EVERY) < _EVERY:
            return
        self._said[kind] = now
        cause = record.exc_info[1] if record.exc_info else None
        if cause is not None:
            text += f": {cause if isinstance(cause, PophealError) else repr(cause)}"
        with contextlib.suppress(OSError, ValueError):  # nobody reads it any more
            say(f"Temporal's library: {one_line(text, _LONGEST)}")


def say_what_temporal_logs() -> None:
    """From now on, in this process; tracebacks are for programs that configure a log."""
    logger = logging.getLogger("temporalio")
    if not any(isinstance(one, _Sayings) for one in logger.handlers):
        logger.addHandler(_Sayings())
    logger.propagate = False
