"""Whether two answers are the same, but for what is only the time that has passed."""

from __future__ import annotations

from typing import Any, Final

#: Fields that are never twice the same.
_OF_TIME: Final = frozenset({"finished", "local_time", "started"})


def same_apart_from_time(one: Any, other: Any) -> bool:
    """Compare two answers, as JSON values."""
    return bool(_still(one) == _still(other))


def _still(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _still(one) for name, one in value.items() if name not in _OF_TIME}
    if isinstance(value, list | tuple):
        return [_still(one) for one in value]
    return value
