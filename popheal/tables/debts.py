"""A change that must be undone, and what became of it."""

from __future__ import annotations

from enum import Enum

from attrs import frozen


class DebtKind(Enum):
    """A change that must be undone before a run ends, or be handed over in writing."""

    ACTIVATION_DISABLED = "activation_disabled"
    PROTOCOL_LOGGING = "protocol_logging"
    MONITOR_REPAIRING = "monitor_repairing"
    #: Paid, too, by seeing that POP works and stays so: then it is to stay active.
    COMPONENT_ACTIVATED = "component_activated"


class DebtStatus(Enum):
    """What became of a debt."""

    OWED = "owed"
    PAID = "paid"
    HANDED_OVER = "handed_over"

    @property
    def is_open(self) -> bool:
        """Whether somebody has to pay it yet."""
        return self is not DebtStatus.PAID


@frozen(kw_only=True)
class Debt:
    """A change to be undone: what, where, and the value from before.

    Attributes:
        unclear: Whether the change was made is not known, or it may be carried out late. Then
            undoing it settles nothing for certain, and it is handed over all the same.
    """

    kind: DebtKind
    server: str
    prior: bool
    status: DebtStatus = DebtStatus.OWED
    unclear: bool = False

    def is_owed(self, kind: DebtKind) -> bool:
        """Whether it is of that kind and still owed."""
        return self.kind is kind and self.status is DebtStatus.OWED
