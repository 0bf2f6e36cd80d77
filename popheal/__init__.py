"""popheal heals the POP health set of Microsoft Exchange Server.

Start with :func:`heal`, or with a :class:`Healer`; see the documentation for how to embed it.
What else is public is imported from its module: the shipped tables from
:mod:`popheal.healthsets.pop`, what a backend returns from :mod:`popheal.exchange.models`, errors
from :mod:`popheal.errors`, clocks from :mod:`popheal.util.clock`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from popheal.api import Healer, aheal, heal, plan, resume, triage
from popheal.engine.control import Control
from popheal.errors import PophealError
from popheal.exchange.backend import Backend
from popheal.policy.policy import Policy
from popheal.policy.windows import Window
from popheal.reports.report import Alert, Report
from popheal.tables.actions import Impact
from popheal.tables.table import Verdict
from popheal.tables.timing import Timing
from popheal.util.version import __version__ as __version__

if TYPE_CHECKING:
    from popheal.engine.approval import ApprovalRequest
    from popheal.engine.plan import Plan
    from popheal.journal import Journal
    from popheal.reports.events import Event

__all__ = [
    "Alert",
    "ApprovalRequest",
    "Backend",
    "Control",
    "Event",
    "Healer",
    "Impact",
    "Journal",
    "Plan",
    "Policy",
    "PophealError",
    "Report",
    "Timing",
    "Verdict",
    "Window",
    "aheal",
    "heal",
    "plan",
    "resume",
    "triage",
]


#: Loaded for those who name them, not for every importer: SQLite, for one, is among what they need.
_LATER = {
    "ApprovalRequest": "popheal.engine.approval",
    "Event": "popheal.reports.events",
    "Journal": "popheal.journal",
    "Plan": "popheal.engine.plan",
}


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(import_module(_LATER[name]), name)
    raise AttributeError(f"module 'popheal' has no attribute '{name}'")
