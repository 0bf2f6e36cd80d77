"""popheal heals the POP health set of Microsoft Exchange Server.

Start with :func:`heal`; see the documentation for how to embed it.
"""

from popheal.backend import AsyncBackend, Backend
from popheal.clock import Clock, SystemClock, VirtualClock
from popheal.custody import Custody
from popheal.definition import Procedure, Verdict
from popheal.driver import aheal, atriage, heal, plan, triage
from popheal.errors import PophealError
from popheal.events import Event
from popheal.machine import Run
from popheal.planning import Plan
from popheal.policy import Policy, Timing
from popheal.procedures import CLIENT_ACCESS, COMMAND_TIME, MAILBOX, PROCEDURES, PROXY
from popheal.report import Alert, Report

__version__ = "0.1.0"

__all__ = [
    "CLIENT_ACCESS",
    "COMMAND_TIME",
    "MAILBOX",
    "PROCEDURES",
    "PROXY",
    "Alert",
    "AsyncBackend",
    "Backend",
    "Clock",
    "Custody",
    "Event",
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
    "aheal",
    "atriage",
    "heal",
    "plan",
    "triage",
]
