"""popheal heals the POP health set of Microsoft Exchange Server.

Start with :func:`heal`; see the documentation for how to embed it.
"""

from typing import TYPE_CHECKING, Any

from popheal.approval import ApprovalRequest
from popheal.backend import AsyncBackend, Backend
from popheal.clock import Clock, SystemClock, VirtualClock
from popheal.definition import Procedure, Verdict
from popheal.driver import aheal, aresume, atriage, heal, plan, resume, triage
from popheal.errors import PophealError
from popheal.events import Event
from popheal.machine import Run
from popheal.planning import Plan
from popheal.policy import Policy, Timing
from popheal.procedures import CLIENT_ACCESS, COMMAND_TIME, MAILBOX, PROCEDURES, PROXY
from popheal.report import Alert, Report
from popheal.version import __version__ as __version__
from popheal.windows import Window

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
    "Event",
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
