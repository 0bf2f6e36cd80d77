"""popheal heals the POP health set of Microsoft Exchange Server.

Start with :func:`heal`, or with a :class:`Healer`; see the documentation for how to embed it.
What else is public is imported from its module: the shipped tables from
:mod:`popheal.healthsets.pop`, what a backend returns from :mod:`popheal.exchange.models`, errors
from :mod:`popheal.errors`, clocks from :mod:`popheal.util.clock`.
"""

#: What the module typing has under this name; to load that would take longer than all the rest.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from popheal.api import Healer, aheal, heal, plan, resume, triage
    from popheal.engine.approval import ApprovalRequest
    from popheal.engine.control import Control
    from popheal.engine.plan import Plan
    from popheal.errors import PophealError
    from popheal.exchange.backend import Backend
    from popheal.journal import Journal
    from popheal.policy.policy import Policy
    from popheal.policy.windows import Window
    from popheal.reports.events import Event
    from popheal.reports.report import Alert, Report
    from popheal.tables.actions import Impact
    from popheal.tables.table import Verdict
    from popheal.tables.timing import Timing
    from popheal.util.version import __version__ as __version__

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


#: Loaded when they are named: importing the package itself takes no time, so that the command
#: line can mind Ctrl-C from its first moment, and no importer waits for what it does not use.
_FROM = {
    "Alert": "popheal.reports.report",
    "ApprovalRequest": "popheal.engine.approval",
    "Backend": "popheal.exchange.backend",
    "Control": "popheal.engine.control",
    "Event": "popheal.reports.events",
    "Healer": "popheal.api",
    "Impact": "popheal.tables.actions",
    "Journal": "popheal.journal",
    "Plan": "popheal.engine.plan",
    "Policy": "popheal.policy.policy",
    "PophealError": "popheal.errors",
    "Report": "popheal.reports.report",
    "Timing": "popheal.tables.timing",
    "Verdict": "popheal.tables.table",
    "Window": "popheal.policy.windows",
    "__version__": "popheal.util.version",
    "aheal": "popheal.api",
    "heal": "popheal.api",
    "plan": "popheal.api",
    "resume": "popheal.api",
    "triage": "popheal.api",
}


def __getattr__(name: str) -> object:
    if name not in _FROM:
        raise AttributeError(f"module 'popheal' has no attribute '{name}'")
    from importlib import import_module

    found: object = getattr(import_module(_FROM[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_FROM})
