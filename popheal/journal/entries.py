"""What is written into a journal and read from it: one class a kind of entry.

A row is made an entry here, and an entry a row, and nowhere else. Journals outlive the popheal
that wrote them, so columns and JSON keys stay as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from enum import Enum
from typing import Any, Final

from attrs import field, fields, frozen

from popheal.exchange.models import ServerInfo
from popheal.journal.rows import (
    WRONG,
    Row,
    as_text,
    json_object,
    moment_as_text,
    problem_of,
    text_as_moment,
    zoned,
)
from popheal.reports.report import Finding, RunSnapshot, Step
from popheal.tables.actions import Impact
from popheal.tables.debts import Debt
from popheal.util.serialize import ADDED, PLAIN, from_jsonable, to_jsonable

#: What may come of a question.
GRANTED: Final = "granted"
REFUSED: Final = "refused"
EXPIRED: Final = "expired"


class Kind(Enum):
    """What an entry of the history says."""

    FINDING = "finding"
    RUN_STARTED = "run_started"
    INTENT = "intent"
    WAITING = "waiting"
    OUTCOME = "outcome"
    CANCELLED = "cancelled"
    ASKED = "asked"
    ANSWERED = "answered"
    TAKEN_OVER = "taken_over"


# --- one class a kind ----------------------------------------------------------------------------


@frozen(kw_only=True)
class Entry:
    """One entry of the history.

    Attributes:
        at: When, aware UTC, by the clock of the process that wrote it.
        server: The server it is about.
        run_id: The run; empty outside one.
        healing: The healing; empty until it is written, like the next.
        seq: Its place in the journal.
    """

    at: datetime
    server: str
    run_id: str = ""
    healing: str = ""
    seq: int = 0

    @property
    def kind(self) -> Kind | None:
        """What it says; None if this popheal does not know."""
        return _KIND_OF.get(type(self))

    @property
    def what(self) -> str:
        """The column: of an intent the effect, of an outcome the action."""
        return ""

    @property
    def outcome(self) -> str:
        """The column: what came of it."""
        return ""

    @property
    def data(self) -> Mapping[str, Any]:
        """What stands in its row as JSON, by key and in order."""
        plain = to_jsonable(self)
        own = [one.name for one in fields(type(self)) if one.name not in _COLUMNS]
        written = [name for name in own if name in plain]
        return {name: plain[name] for name in sorted(written, key=_OF_THE_ENGINE.__contains__)}

    def to_row(self) -> tuple[str, ...]:
        """Its columns, but for ``seq`` and ``healing``."""
        kind = self.kind.value if self.kind else ""
        at, data = moment_as_text(self.at), as_text(self.data)
        return at, self.run_id, self.server, kind, self.what, self.outcome, data


@frozen(kw_only=True)
class FindingsNoted(Entry):
    """Triage saw something."""

    findings: tuple[Finding, ...]


@frozen(kw_only=True)
class RunEntry(Entry):
    """Of a run, with the whole run as it then was: from it another process can resume.

    Attributes:
        run: The run.
        memory: What the engine needs besides: its own, and opaque here.
    """

    run: RunSnapshot
    memory: Mapping[str, Any] = field(metadata=PLAIN)

    @property
    def state(self) -> str:
        """The state that it is about."""
        return self.run.state


@frozen(kw_only=True)
class RunStarted(RunEntry):
    """A procedure begins.

    Attributes:
        info: The server.
        dag: The database availability group of the server, if it is in one; as below.
        pending: Monitors that failed too, for later.
        parent: The run that this one is part of; empty if none.
    """

    info: ServerInfo
    dag: str | None
    pending: tuple[str, ...]
    parent: str

    @property
    def what(self) -> str:
        return self.run.procedure


@frozen(kw_only=True)
class EffectIntended(RunEntry):
    """An effect is about to be commanded.

    Attributes:
        effect: The backend's method.
        command: What tells it from other effects of the same action, for people.
        values: What whoever resumes needs to know, by name, as plain values: what is to be set,
            and what was there before. In the row each is a key of its own.
    """

    effect: str
    command: str
    dag: str | None
    values: Mapping[str, Any] = field(factory=dict, metadata=PLAIN)

    def __attrs_post_init__(self) -> None:
        if self.effect.startswith("set_") and not isinstance(self.value, bool):
            raise ValueError("its value is neither true nor false")
        _ = self.booted_at

    @property
    def value(self) -> bool | None:
        """What a setting is to be; None where nothing is set."""
        return self.values.get("value")

    @property
    def booted_at(self) -> datetime | None:
        """Before a reboot, when the server had booted."""
        return text_as_moment(self.values.get("booted_at"))

    @property
    def what(self) -> str:
        return self.effect

    @property
    def data(self) -> Mapping[str, Any]:
        plain = dict(super().data)
        values = plain.pop("values")
        return {"command": plain.pop("command"), "dag": plain.pop("dag"), **values, **plain}


@frozen(kw_only=True)
class Waiting(RunEntry):
    """A long pause begins."""

    until: datetime


@frozen(kw_only=True)
class ActionFinished(RunEntry):
    """An action has been carried out, and the run has moved on.

    Attributes:
        by_others: Whether somebody else had done what was to be done; else the row does not say.
    """

    step: Step
    dag: str | None
    by_others: bool = False

    @property
    def what(self) -> str:
        return self.step.action.partition("(")[0]

    @property
    def outcome(self) -> str:
        return self.step.outcome

    @property
    def state(self) -> str:
        return self.step.state

    @property
    def data(self) -> Mapping[str, Any]:
        return {name: value for name, value in super().data.items() if value is not False}


@frozen(kw_only=True)
class RunStopped(RunEntry):
    """A person said stop, and the run has moved on: from here on it only puts things back."""


@frozen(kw_only=True)
class ApprovalAsked(Entry):
    """A person is asked to approve a plan.

    Attributes:
        plan: Its hash.
        impact: The most drastic thing in it.
        expires_at: Until when it can be answered.
        planned: The plan as the engine wrote it, opaque here.
        not_by: The accounts by which it can't be approved: of those who began the healing, or
            resumed it. Empty: anybody may.
    """

    plan: str
    impact: Impact
    expires_at: datetime
    planned: Mapping[str, Any]
    not_by: tuple[str, ...] = field(default=(), metadata=ADDED)

    what = "approval"

    @property
    def data(self) -> Mapping[str, Any]:
        return {**super().data, "expires_at": moment_as_text(self.expires_at)}


@frozen(kw_only=True)
class ApprovalAnswered(Entry):
    """What came of a question; and who answered, or why nobody could."""

    what = "approval"

    outcome: str
    plan: str
    by: str


@frozen(kw_only=True)
class TakenOver(Entry):
    """Another process resumes the healing, under a policy (JSON values).

    Attributes:
        by: The account that it runs as; empty where an older popheal wrote it.
    """

    policy: Mapping[str, Any]
    by: str = field(default="", metadata=ADDED)

    @property
    def data(self) -> Mapping[str, Any]:
        said = {"policy": self.policy, "by": self.by}  # plain already
        return said if self.by else {"policy": self.policy}


@frozen(kw_only=True)
class UnreadableEntry(Entry):
    """An entry that this popheal does not understand: damaged, or of a later version.

    Attributes:
        row: It as it stands in the journal.
        data: Of it the JSON object; empty if it is none.
        problem: What is wrong with it.
        damaged: Whether not even its kind, its time and its JSON can be told.
    """

    row: Row
    data: Mapping[str, Any]
    problem: str
    damaged: bool

    @property
    def kind(self) -> Kind | None:
        return _KINDS.get(self.row.kind)

    @property
    def what(self) -> str:
        return self.row.what

    @property
    def outcome(self) -> str:
        return self.row.outcome

    @property
    def debts(self) -> list[Debt] | None:
        """What was owed then, as far as it can be read; None if it does not say."""
        run = self.data.get("run")
        if not isinstance(run, Mapping) or not isinstance(run.get("debts"), list):
            return None
        found = []
        for one in run["debts"]:
            with suppress(*WRONG):
                found.append(from_jsonable(one, Debt))
        return found


_CLASSES: Final[Mapping[Kind, type[Entry]]] = {
    Kind.FINDING: FindingsNoted,
    Kind.RUN_STARTED: RunStarted,
    Kind.INTENT: EffectIntended,
    Kind.WAITING: Waiting,
    Kind.OUTCOME: ActionFinished,
    Kind.CANCELLED: RunStopped,
    Kind.ASKED: ApprovalAsked,
    Kind.ANSWERED: ApprovalAnswered,
    Kind.TAKEN_OVER: TakenOver,
}
_KIND_OF: Final = {known: kind for kind, known in _CLASSES.items()}
_KINDS: Final = {kind.value: kind for kind in Kind}
#: What is, or follows from, a column, and so no key of the JSON.
_COLUMNS: Final = {*(one.name for one in fields(Entry)), "effect", "outcome"}
#: Keys that come last.
_OF_THE_ENGINE: Final = ("run", "memory")
_OF_EVERY_INTENT: Final = (*_OF_THE_ENGINE, "command", "dag")


def read_entry(row: Row) -> Entry:
    """The entry that a row holds; if it can't be understood, an :class:`UnreadableEntry` one."""
    data: Mapping[str, Any] = {}
    at, damaged = datetime.min.replace(tzinfo=UTC), True
    columns: dict[str, Any] = {"server": str(row.server), "run_id": str(row.run)}
    columns |= {"healing": row.healing, "seq": row.seq}
    try:
        data, at = json_object(row.data), zoned(row.at)
        known = _CLASSES[Kind(row.kind)]
        damaged = False
        values = {name: data[name] for name in data if name not in _OF_EVERY_INTENT}
        more = {"at": row.at, "effect": row.what, "outcome": row.outcome, "values": values}
        entry = from_jsonable({**data, **columns, **more}, known)
        if isinstance(entry, RunEntry) and not row.run:
            raise KeyError("run")
        said = (entry.what, entry.outcome)
        if isinstance(entry, ActionFinished) and said != (row.what, row.outcome):
            raise ValueError("its step and its columns don't agree")
    except WRONG as error:
        return UnreadableEntry(
            at=at, **columns, row=row, data=data, problem=problem_of(error), damaged=damaged
        )
    return entry
