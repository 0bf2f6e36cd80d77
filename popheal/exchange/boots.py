"""Telling one boot of a server from another."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

#: Boot times of one boot may be told a little apart, as Windows corrects its clock.
_SAME_BOOT: Final = timedelta(seconds=30)


def same_boot(one: datetime, other: datetime) -> bool:
    """Whether two boot times of a server are of the same boot."""
    return abs(one - other) <= _SAME_BOOT


def booted_since(before: datetime, now: datetime) -> bool:
    """Whether a server has booted again; a boot time moved back is only a corrected clock."""
    return now - before > _SAME_BOOT
