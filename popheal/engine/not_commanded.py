"""Why an effect is not commanded, or nobody knows whether it was."""

from __future__ import annotations

from popheal.errors import PophealError


class EffectCancelled(PophealError):
    """A person said stop before an effect was written down, so it is not begun."""

    def sentence(self) -> str:
        return "a person said stop before it was begun"


class EffectWithheld(PophealError):
    """An effect that was written down before a crash is not commanded again, though not seen.

    Attributes:
        why: Why not.
    """

    def __init__(self, *, why: str) -> None:
        self.why = why
        super().__init__(why)

    def sentence(self) -> str:
        return f"it may or may not have been done before popheal was interrupted: {self.why}"


class EffectInterrupted(PophealError):
    """Nobody knows whether an effect was commanded: whoever was to do it has died, or is silent.

    A driver raises it once for an effect. The action is then begun again, and looks first.
    """

    def sentence(self) -> str:
        return "whoever was to command it was interrupted"
