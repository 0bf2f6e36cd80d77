"""What comes in (an alert) and what comes out (a report), as frozen data with a JSON form."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from functools import cache
from typing import Any

from attrs import field, frozen

from popheal.actions import DebtKind, Impact
from popheal.catalogue import health_set_named, monitor_named
from popheal.definition import Verdict
from popheal.machine import DebtStatus
from popheal.reading import printable


def _monitor(name: str | None) -> str | None:
    return monitor_named(name).name if name else None


@frozen(kw_only=True)
class Alert:
    """What starts everything.

    Attributes:
        server: Name of the server, short or fully qualified.
        health_set: The health set that alerted: POP, POP.Protocol or POP.Proxy.
        monitor: The monitor that alerted, if known; misspellings of the runbook are understood.
        text: The alert's message.
        at: When it was issued, aware UTC.

    Raises:
        UnknownName: If there is no such health set or monitor.
    """

    server: str
    health_set: str = field(default="POP", converter=health_set_named)
    monitor: str | None = field(default=None, converter=_monitor)
    text: str = ""
    at: datetime | None = None


class FindingKind(Enum):
    """What a finding is about; the value is the word used in reports."""

    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"
    VERIFIED = "verified"
    TRANSIENT = "transient"
    NO_RECIPE = "no_recipe"
    COULD_NOT_TELL = "could_not_tell"
    LEFT_ALONE = "left_alone"
    REPAIRING = "repairing"
    COMPONENT_INACTIVE = "component_inactive"
    MAINTENANCE = "maintenance"
    DRAINED = "drained"
    SETUP_RUNNING = "setup_running"
    SWITCHED_OFF = "switched_off"
    DEPENDENCY = "dependency"
    SIBLINGS = "siblings"
    BUSY = "busy"
    NOT_HEALED = "not_healed"
    NOTE = "note"


@frozen(kw_only=True)
class Finding:
    """One thing seen in triage, and on which server.

    Attributes:
        next_step: What a person can do about it, where there is something.
    """

    kind: FindingKind
    server: str
    detail: str = field(converter=printable)
    monitor: str | None = None
    next_step: str = ""


@frozen(kw_only=True)
class Step:
    """One action carried out, and what came of it. Times are aware UTC, by our clock."""

    state: str
    action: str
    impact: Impact
    outcome: str
    started_at: datetime
    finished_at: datetime
    detail: str = ""


@frozen(kw_only=True)
class RunReport:
    """One run of one procedure on one server.

    Attributes:
        hash: Identifies the table it followed (``Procedure.hash``).
        path: Names of the states it went through, the ending last.
    """

    id: str
    procedure: str
    hash: str
    server: str
    monitor: str
    verdict: Verdict
    path: tuple[str, ...]
    steps: tuple[Step, ...]


@frozen(kw_only=True)
class DebtReport:
    """A change that had to be undone, the value from before, and what became of it."""

    kind: DebtKind
    server: str
    prior: bool
    status: DebtStatus


@frozen(kw_only=True)
class Handover:
    """What a person needs to take over.

    Attributes:
        summary: Why a person is needed, one sentence.
        seen: What was observed.
        done: What was done, and with which result.
        left_as: What state things were left in.
        next_steps: What to do next, in words.
        commands: What puts back what was left, each ready to be pasted into the Exchange
            Management Shell once the server is well again.
    """

    summary: str
    seen: tuple[str, ...] = ()
    done: tuple[str, ...] = ()
    left_as: tuple[str, ...] = ()
    next_steps: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()


@frozen(kw_only=True)
class Report:
    """The answer to an alert.

    Attributes:
        verdict: How it ended.
        server: Fully qualified name of the alert's server, or as given if it was not found out.
        summary: One sentence for people.
        findings: What triage saw.
        runs: The procedures carried out, in order of their start.
        debts: Every change that had to be undone, paid or handed over.
        handover: For a person, unless all is well.
    """

    verdict: Verdict
    server: str
    alert: Alert
    summary: str
    started_at: datetime
    finished_at: datetime
    findings: tuple[Finding, ...] = ()
    runs: tuple[RunReport, ...] = ()
    debts: tuple[DebtReport, ...] = ()
    handover: Handover | None = None

    def to_json(self) -> dict[str, Any]:
        """The report as plain JSON values; times as ISO 8601 strings."""
        data: dict[str, Any] = _converter().unstructure(self)
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Report:
        """The report that :meth:`to_json` described."""
        report: Report = _converter().structure(data, cls)
        return report


@cache
def _converter() -> Any:
    # Imported here: a program that never asks for JSON should not wait for it.
    from cattrs.preconf.json import make_converter

    return make_converter()
