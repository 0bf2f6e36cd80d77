"""What comes in (an alert) and what comes out (a report), as frozen data with a JSON form."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from typing import Any, Final

from attrs import field, frozen

from popheal.healthsets.pop.catalog import health_set_named, monitor_named
from popheal.tables.actions import Impact
from popheal.tables.debts import Debt, DebtKind, DebtStatus
from popheal.tables.table import Verdict
from popheal.util.calls import made_by_name
from popheal.util.serialize import ADDED, from_jsonable, to_jsonable
from popheal.util.text import printable

#: Of reports and plans as JSON objects; grows if a key changes its meaning.
FORMAT: Final = 1


def _monitor(name: str | None) -> str | None:
    return monitor_named(name).name if name else None


@made_by_name
@frozen(kw_only=True)
class Alert:
    """What starts everything.

    Attributes:
        server: Name of the server, short or fully qualified.
        health_set: The health set that alerted: POP, POP.Protocol or POP.Proxy.
        monitor: The monitor that alerted, if known; misspellings of the runbook are understood.
        text: The alert's message.
        at: When it was issued, aware UTC.
        raised_by: Who has raised it, where that is known for certain, as by the tokens of
            ``popheal serve``; nobody otherwise.

    Raises:
        UnknownName: If there is no such health set or monitor.
    """

    server: str
    health_set: str = field(default="POP", converter=health_set_named)
    monitor: str | None = field(default=None, converter=_monitor)
    text: str = ""
    at: datetime | None = None
    raised_by: tuple[str, ...] = field(default=(), metadata=ADDED)


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
    NOT_AUTHORISED = "not_authorised"
    UNREACHABLE = "unreachable"
    POLICY = "policy"
    WINDOW = "window"
    BUDGET = "budget"
    APPROVAL = "approval"
    UNDECIDED = "undecided"
    MANAGED_AVAILABILITY = "managed_availability"
    CAUSE = "cause"
    OTHER_PROTOCOLS = "other_protocols"
    NO_PROOF = "no_proof"
    NOWHERE_TO_GO = "nowhere_to_go"
    REDUNDANCY = "redundancy"
    QUORUM = "quorum"
    OUT_OF_SERVICE = "out_of_service"
    UNDER_WAY = "under_way"
    NOT_RUNNING = "not_running"
    STUCK = "stuck"
    NOT_BACK = "not_back"
    STAYED = "stayed"
    SECOND_OPINION = "second_opinion"
    DEFECT = "defect"
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
    """One action carried out, and what came of it. Times are aware UTC, by our clock.

    Attributes:
        kind: Why it came to that, where a reason is known: what the advice goes by.
        about: The server that it is about, where that is another one: a back end.
        log: Where on the server the POP3 protocol log is, where that was seen.
    """

    state: str
    action: str
    impact: Impact
    outcome: str
    started_at: datetime
    finished_at: datetime
    detail: str = ""
    kind: FindingKind | None = field(default=None, metadata=ADDED)
    about: str = field(default="", metadata=ADDED)
    log: str = field(default="", metadata=ADDED)


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
class RunSnapshot:
    """One run on its way: everything needed to resume it elsewhere.

    Attributes:
        hash: Identifies the table it follows, as above.
        mailbox_role: Whether the server has the Mailbox role.
        state: The state it is in.
        path: Every state it has been in, the present one last.
        debts: What it has changed and must undo; paid ones stay listed.
    """

    id: str
    procedure: str
    hash: str
    server: str
    monitor: str
    mailbox_role: bool
    state: str
    path: tuple[str, ...]
    debts: tuple[Debt, ...]

    def owes(self, kind: DebtKind) -> Debt | None:
        """The debt of that kind that is still owed, if any."""
        return next((one for one in self.debts if one.is_owed(kind)), None)


@frozen(kw_only=True)
class DebtReport:
    """A change that had to be undone, the value from before, and what became of it."""

    kind: DebtKind
    server: str
    prior: bool
    status: DebtStatus

    @classmethod
    def of(cls, debt: Debt) -> DebtReport:
        """A debt as it is now."""
        return cls(kind=debt.kind, server=debt.server, prior=debt.prior, status=debt.status)

    def __str__(self) -> str:
        what, status = (word.value.replace("_", " ") for word in (self.kind, self.status))
        return f"{status}: {what} on {self.server} ({'on' if self.prior else 'off'} before)"


@frozen(kw_only=True)
class Handover:
    """What a person needs to take over.

    Attributes:
        summary: Why a person is needed, one sentence.
        seen: What was observed.
        done: What was done, and with which result.
        left_as: What state things were left in.
        next_steps: What to do next, in words.
        first_commands: What helps to see the cause and to make it well, each ready to be pasted
            into the Exchange Management Shell.
        commands: What puts back what was left, likewise, once the server is well again.
        evidence: What speaks for a fault, in the words of whatever told of it, and when it was
            seen; what was seen several times, once.
        logs: Where the POP3 protocol log is, as server and path there.
        support: Where to get help, and which step of the runbook says so.
        retry_at: When popheal may be asked again, where something was refused until then. Aware
            UTC.
    """

    summary: str
    seen: tuple[str, ...] = ()
    done: tuple[str, ...] = ()
    left_as: tuple[str, ...] = ()
    next_steps: tuple[str, ...] = ()
    first_commands: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()
    logs: tuple[str, ...] = ()
    support: str = ""
    retry_at: datetime | None = None


@frozen(kw_only=True)
class Report:
    """The answer to an alert.

    Attributes:
        id: Tells this answer from all others, in the journal too; its runs are named after it.
            Empty for a mere look.
        verdict: How it ended.
        server: Fully qualified name of the alert's server, or as given if it was not found out.
        summary: One sentence for people.
        retry_at: When another try may go further, where a limit of the policy stopped this one.
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
    id: str = ""
    retry_at: datetime | None = None
    findings: tuple[Finding, ...] = ()
    runs: tuple[RunReport, ...] = ()
    debts: tuple[DebtReport, ...] = ()
    handover: Handover | None = None

    def to_text(self) -> str:
        """The page of :meth:`to_markdown` as plain text, without the marks of the format."""
        from popheal.reports.plain import plain

        return plain(self.to_markdown())

    def to_markdown(self) -> str:
        """The report as a page for a person: what to do first, then everything else.

        Safe to be sent on: what came from far away can't be more than text on it.
        """
        # Imported here: only one report in many is made a page of.
        from popheal.reports.markdown import page

        return page(self)

    def to_json(self) -> dict[str, Any]:
        """The report as plain JSON values; times as ISO 8601 strings."""
        data: dict[str, Any] = to_jsonable(self)
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Report:
        """The report that :meth:`to_json` described. Raises ConfigurationError if it is none."""
        return from_jsonable(data, cls)
