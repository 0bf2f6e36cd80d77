"""A row of the history as it stands in the database, and how JSON and times are written there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from popheal.errors import ConfigurationError

#: What can be wrong with what was read from JSON: a value is missing, or is something else.
WRONG: Final = (
    *(ConfigurationError, KeyError, TypeError, ValueError, AttributeError),
    *(OverflowError, RecursionError),
)

#: Compact, and without looking for circles: what is written are plain values.
as_text: Final = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode


class Row(NamedTuple):
    """One entry as it stands in the database: its columns, ``data`` as JSON."""

    seq: int
    at: str
    healing: str
    run: str
    server: str
    kind: str
    what: str
    outcome: str
    data: str

    def to_json(self) -> dict[str, Any]:
        """It as plain JSON values. Raises ValueError if there is no time, or no JSON."""
        at = datetime.fromisoformat(self.at).isoformat()
        return {**self._asdict(), "at": at, "data": json.loads(self.data)}


def problem_of(error: Exception) -> str:
    """What is wrong with what was read, in words."""
    if isinstance(error, ConfigurationError):
        return error.problem
    if isinstance(error, json.JSONDecodeError):
        return f"its JSON is damaged: {error}"
    if isinstance(error, KeyError):
        return f"{error} is missing"
    return str(error) or type(error).__name__


def json_object(text: str) -> Mapping[str, Any]:
    """A JSON object. Raises one of :data:`WRONG` if it is none."""
    found = json.loads(text)
    if not isinstance(found, Mapping):
        raise TypeError("it is no JSON object")
    return found


def is_as_written(text: str, said: Mapping[str, Any]) -> bool:
    """Whether an object's JSON is written as popheal writes it, whatever the version.

    The same may be written otherwise, escaped or with a key twice: who looks for a word in the
    text then does not find it, or finds another one.
    """
    return text in (as_text(said), json.dumps(said))


def moment_as_text(at: datetime) -> str:
    """A time such that earlier ones sort before later ones.

    Raises:
        ValueError: If it does not say in which zone: that of this machine is a guess.
    """
    if at.tzinfo is None:
        raise ValueError(f"a moment needs a time zone, and {at} has none")
    try:
        there = at.astimezone(UTC)
    except OverflowError:  # before the first moment that there is, or after the last
        there = at.replace(tzinfo=UTC)
    return there.isoformat(timespec="microseconds")


def zoned(text: str) -> datetime:
    """The time that was written. Raises ValueError if it does not say in which zone."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError("a time has no zone")
    return at


def text_as_moment(text: str | None) -> datetime | None:
    """Likewise; None for none."""
    return zoned(text) if text else None
