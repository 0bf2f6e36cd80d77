"""popheal heals the POP health set of Microsoft Exchange Server.

Start with :func:`heal`; see the documentation for how to embed it.
"""

from typing import TYPE_CHECKING, Any

from popheal.api import Healer, aheal, aplan, aresume, atriage, heal, plan, resume, triage
from popheal.engine.approval import ApprovalRequest
from popheal.engine.control import Control
from popheal.engine.plan import Plan
from popheal.engine.run import Run
from popheal.errors import PophealError
from popheal.exchange.backend import AsyncBackend, Backend
from popheal.healthsets.pop import CLIENT_ACCESS, COMMAND_TIME, MAILBOX, PROCEDURES, PROXY
from popheal.policy.policy import Policy
from popheal.policy.windows import Window
from popheal.reports.events import Event
from popheal.reports.report import Alert, Report
from popheal.tables.actions import Impact
from popheal.tables.table import Procedure, Verdict
from popheal.tables.timing import Timing
from popheal.util.clock import Clock, SystemClock, VirtualClock
from popheal.util.version import __version__ as __version__

if TYPE_CHECKING:
    from popheal.journal import Journal

__all__ = [
    "CLIENT_ACCESS",
    "COMMAND_TIME",
    "MAILBOX",
    "PROCEDURES",
    "PROXY",
    "Alert",
    "ApprovalRequest",
    "AsyncBackend",
    "Backend",
    "Clock",
    "Control",
    "Event",
    "Healer",
    "Impact",
    "Journal",
    "Plan",
    "Policy",
    "PophealError",
    "Procedure",
    "Report",
    "Run",
    "SystemClock",
    "Timing",
    "Verdict",
    "VirtualClock",
    "Window",
    "aheal",
    "aplan",
    "aresume",
    "atriage",
    "heal",
    "plan",
    "resume",
    "triage",
]


def __getattr__(name: str) -> Any:
    # SQLite is loaded for those who want a journal of their own, not for every importer.
    if name == "Journal":
        from popheal.journal import Journal

        return Journal
    raise AttributeError(f"module 'popheal' has no attribute '{name}'")
