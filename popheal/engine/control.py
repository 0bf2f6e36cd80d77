"""How somebody else stops a healing, or takes it away from this process."""

from __future__ import annotations


class Control:
    """Say stop to a healing at work: from another thread, a signal handler, or a callback.

    Args:
        within: The control of something larger: what is said to that holds here too.
    """

    __slots__ = ("_cancelled", "_detached", "_within")

    def __init__(self, within: Control | None = None) -> None:
        self._within = within
        self._cancelled = False
        self._detached = False

    def cancel(self) -> None:
        """Stop: from now on the healing only restores what it changed, and hands over the rest."""
        self._cancelled = True

    def detach(self) -> None:
        """Leave the healing where it is, at once: a journal lets another process resume it."""
        self._detached = True

    @property
    def cancelled(self) -> bool:
        """Whether somebody has said stop."""
        return self._cancelled or (self._within is not None and self._within.cancelled)

    @property
    def detached(self) -> bool:
        """Whether the healing is to be left to another process."""
        return self._detached or (self._within is not None and self._within.detached)
