"""How somebody else stops a healing, or takes it away from this process."""

from __future__ import annotations

from typing import Protocol
from weakref import ref


class Told(Protocol):
    """Who wants to know at once what was said to a control."""

    def control_used(self) -> None:
        """Something was said: from another thread, or a signal handler."""


class Control:
    """Say stop to a healing at work: from another thread, a signal handler, or a callback.

    Args:
        within: The control of something larger: what is said to that holds here too.
    """

    __slots__ = ("_cancelled", "_detached", "_told", "_within")

    def __init__(self, within: Control | None = None) -> None:
        self._within = within
        self._cancelled = False
        self._detached = False
        #: Few, and not kept alive: those who wait are woken, many of them by one.
        self._told: tuple[ref[Told], ...] = ()

    def cancel(self) -> None:
        """Stop: from now on the healing only restores what it changed, and hands over the rest."""
        self._cancelled = True
        self._tell()

    def detach(self) -> None:
        """Leave the healing where it is, at once: a journal lets another process resume it."""
        self._detached = True
        self._tell()

    @property
    def cancelled(self) -> bool:
        """Whether somebody has said stop."""
        return self._cancelled or (self._within is not None and self._within.cancelled)

    @property
    def detached(self) -> bool:
        """Whether the healing is to be left to another process."""
        return self._detached or (self._within is not None and self._within.detached)

    def tell(self, whom: Told) -> None:
        """Tell somebody from now on, as long as they are there, when something is said."""
        wanted = ref(whom)
        if wanted not in self._told:
            self._told = (*(one for one in self._told if one() is not None), wanted)
        if self._within is not None:
            self._within.tell(whom)

    def _tell(self) -> None:
        for one in self._told:
            whom = one()
            if whom is not None:
                whom.control_used()
