"""What Managed Availability has lately done to a server, or is doing: its recovery actions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from popheal.engine.context import HealingContext
from popheal.engine.looks.retry import retry_call
from popheal.exchange.backend import Backend
from popheal.exchange.interpret import is_under_way
from popheal.exchange.models import RecoveryAction
from popheal.util.text import moment

#: No recovery action that matters began longer ago; the budgets look back a day.
_FAR_BACK: Final = timedelta(hours=25)

#: What to do where they can't be read.
NOT_HEEDED: Final = (
    "Or allow healing without looking at Managed Availability (policy: "
    "heed_managed_availability = false)."
)


async def recent_actions(
    session: HealingContext, server: str, server_time: datetime
) -> Sequence[RecoveryAction]:
    """Its recovery actions of the last day, by the server's clock. Raises BackendError."""
    return await retry_call(session, Backend.recovery_actions, server, server_time - _FAR_BACK)


def under_way(
    actions: Sequence[RecoveryAction], server_time: datetime, booted: datetime
) -> RecoveryAction | None:
    """The one that is expected to take longest among those that have not ended."""
    acting = [one for one in actions if is_under_way(one, server_time, booted=booted)]
    return max(acting, key=lambda one: one.expected_finish or booted, default=None)


def described(action: RecoveryAction) -> str:
    """An action in words."""
    what = " ".join(part for part in (action.action, action.resource) if part)
    asked = f", asked for by {action.requester}" if action.requester else ""
    began = f", begun {moment(action.started)}" if action.started else ""
    return f"{what}{asked}{began}"
