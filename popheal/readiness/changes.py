"""What has changed from one check to the next, and where the last one is kept."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from attrs import frozen

from popheal.errors import ConfigurationError
from popheal.readiness.lines import Judgement, Line, Readiness

_PRIVATE: Final = 0o600


@frozen(kw_only=True)
class Change:
    """A line that is judged in another way than before.

    Attributes:
        server: The server; empty for this machine.
        line: How it is now.
        was: What was thought of it before; None if it is new.
    """

    server: str
    line: Line
    was: Judgement | None


def changes(before: Readiness | None, now: Readiness) -> Sequence[Change]:
    """What has changed; if there was no check before, what is not well.

    A line that was not asked now says nothing about what it is of, so it has not changed.
    """
    known = {(server, line.name): line for server, line in before.all_lines()} if before else {}
    found = []
    for server, line in now.all_lines():
        was = known.get((server, line.name))
        judged = was.judgement if was and not was.because else None
        well = line.judgement is Judgement.GOOD
        if not line.because and line.judgement is not judged and not (judged is None and well):
            found.append(Change(server=server, line=line, was=judged))
    return found


# --- kept beside a journal -----------------------------------------------------------------------


def kept_at(journal: Path) -> Path:
    """Where the last check is kept."""
    return journal.with_name(f"{journal.name}-check.json")


def last_kept(journal: Path) -> Readiness | None:
    """The last check that was kept; None if there is none that can be read."""
    try:
        return Readiness.from_json(json.loads(kept_at(journal).read_text("utf-8")))
    except (OSError, ValueError, ConfigurationError):
        return None


def keep(journal: Path, readiness: Readiness) -> None:
    """Keep a check, whole or not at all. Where it can't be written, the next has none before it."""
    path = kept_at(journal)
    new = path.with_name(f"{path.name}.{os.getpid()}")
    with contextlib.suppress(OSError):
        file = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _PRIVATE)
        with os.fdopen(file, "w", encoding="utf-8") as stream:
            json.dump(readiness.to_json(), stream)
        new.replace(path)
