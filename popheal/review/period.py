"""What came of the healings of some time: how many, how long, and why not all is well."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from statistics import median
from typing import Any, Final

from attrs import frozen

from popheal.journal import HealingRecord, Journal
from popheal.journal.status import ENDED, Standing, standing_of
from popheal.reports.reasons import TELLING, decisive_step
from popheal.reports.report import FindingKind, Report
from popheal.tables.actions import DRAIN, REBOOT, RESTART_SERVICE
from popheal.tables.outcomes import REFUSED
from popheal.tables.table import Verdict
from popheal.util.serialize import from_jsonable, to_jsonable

#: Of the JSON object; grows if a key changes its meaning.
FORMAT: Final = 1

#: What is counted of what is done to servers, by the actions that do it.
EFFECTS: Final = (RESTART_SERVICE.name, DRAIN.name, REBOOT.name)


@frozen(kw_only=True)
class PastHealing:
    """One healing of a period, in a line.

    Attributes:
        state: ``ended``, or how it stands while it has not.
        verdict: How it ended; None while it has not.
        seconds: How long it took; None while it has not ended.
        monitors: The monitors that procedures were carried out for; else that of the alert.
        why: If it did not end well, what decided that: the kind of a finding or of a step, like
            ``budget``, else an action and what it came to.
        summary: The same as a sentence; empty while it has not ended.
        effects: What was done, by :data:`EFFECTS`, and how often; what was refused does not count.
        approvals: What came of each question to a person; ``asked`` where nobody has answered.
        left: What it has changed, and nobody has undone yet as far as it knows.
    """

    id: str
    server: str
    begun_at: datetime
    state: str
    verdict: Verdict | None
    seconds: float | None
    monitors: tuple[str, ...]
    procedures: tuple[str, ...]
    why: str
    summary: str
    effects: dict[str, int]
    approvals: tuple[str, ...]
    left: tuple[str, ...]


@frozen(kw_only=True)
class Durations:
    """How many ended so, and how long they took, in seconds."""

    number: int
    median: float
    longest: float


@frozen(kw_only=True)
class Period:
    """The healings that began in some time, the oldest first.

    Attributes:
        since: From when on, aware UTC.
        until: Up to when, not itself in it.
    """

    since: datetime
    until: datetime
    healings: tuple[PastHealing, ...]

    @property
    def by_verdict(self) -> dict[Verdict, Durations]:
        """How many ended how, and how long they took; those that have not ended are left out."""
        taken: dict[Verdict, list[float]] = {}
        for one in self.healings:
            if one.verdict and one.seconds is not None:
                taken.setdefault(one.verdict, []).append(one.seconds)
        return {
            verdict: Durations(
                number=len(taken[verdict]),
                median=median(taken[verdict]),
                longest=max(taken[verdict]),
            )
            for verdict in Verdict
            if verdict in taken
        }

    @property
    def unfinished(self) -> tuple[PastHealing, ...]:
        """Those that have not ended."""
        return tuple(one for one in self.healings if one.state != ENDED)

    @property
    def why(self) -> dict[str, int]:
        """What kept healings from ending well, the most frequent first."""
        return _counted(one.why for one in self.healings if one.why)

    @property
    def by_server(self) -> dict[str, int]:
        """How many there were of each server, the most first; and so on below."""
        return _counted(one.server for one in self.healings)

    @property
    def by_monitor(self) -> dict[str, int]:
        """For each monitor."""
        return _counted(name for one in self.healings for name in one.monitors)

    @property
    def effects(self) -> dict[str, int]:
        """What was done to servers in all, by :data:`EFFECTS`."""
        return {
            what: total
            for what in EFFECTS
            if (total := sum(one.effects.get(what, 0) for one in self.healings))
        }

    @property
    def approvals(self) -> dict[str, int]:
        """What came of questions to a person."""
        return _counted(answer for one in self.healings for answer in one.approvals)

    def to_json(self) -> dict[str, Any]:
        """It as plain JSON values: figures, and each healing."""
        return {
            "format": FORMAT,
            "since": to_jsonable(self.since),
            "until": to_jsonable(self.until),
            "number": len(self.healings),
            "unfinished": len(self.unfinished),
            "by_verdict": {one.value: to_jsonable(took) for one, took in self.by_verdict.items()},
            "why": self.why,
            "by_server": self.by_server,
            "by_monitor": self.by_monitor,
            "effects": self.effects,
            "approvals": self.approvals,
            "healings": [to_jsonable(one) for one in self.healings],
        }


def _counted(names: Iterable[str]) -> dict[str, int]:
    return dict(Counter(names).most_common())


def period_of(journal: Journal, since: datetime, until: datetime) -> Period:
    """What a journal knows of some time.

    Args:
        journal: The journal.
        since: From when on healings count, by when they began. Aware UTC.
        until: Up to when.
    """
    # None of those that had ended by then began later.
    found = (one for one in journal.healings(since=since) if since <= one.begun_at < until)
    return Period(
        since=since, until=until, healings=tuple(_healing(journal, record) for record in found)
    )


def _healing(journal: Journal, record: HealingRecord) -> PastHealing:
    now = standing_of(journal, record)
    report = from_jsonable(record.report, Report) if record.report is not None else None
    ended = record.ended_at
    return PastHealing(
        id=record.id,
        server=now.server,
        begun_at=record.begun_at,
        state=now.state,
        verdict=report.verdict if report else None,
        seconds=(ended - record.begun_at).total_seconds() if ended else None,
        monitors=_monitors(now, record),
        procedures=tuple(dict.fromkeys(run.procedure for run in now.runs)),
        why=why(report) if report else "",
        summary=report.summary if report else "",
        effects=dict(_effects(report)) if report else {},
        approvals=tuple(one.outcome or "asked" for one in journal.questions(record.id)),
        left=tuple(str(one) for one in now.open_debts),
    )


def _monitors(now: Standing, record: HealingRecord) -> tuple[str, ...]:
    names = [run.monitor for run in now.runs] or [str(record.alert.get("monitor") or "")]
    return tuple(dict.fromkeys(filter(None, names)))


def _effects(report: Report) -> Iterator[tuple[str, int]]:
    done = Counter(
        step.action.partition("(")[0]
        for run in report.runs
        for step in run.steps
        if step.outcome != REFUSED
    )
    yield from ((what, done[what]) for what in EFFECTS if done[what])


def why(report: Report) -> str:
    """The kind of what kept a healing from ending well; empty where all is well."""
    if report.verdict.good:
        return ""
    if report.verdict is Verdict.CANCELLED:
        return str(report.verdict.value)
    kinds = (*_of_runs(report), *_of_findings(report), str(report.verdict.value))
    return kinds[0]


def _of_runs(report: Report) -> Iterator[str]:
    # What was begun last is nearest to the cause: a back end before its front end.
    for run in reversed(report.runs):
        if run.verdict is not Verdict.RECOVERED and (step := decisive_step(run.steps)):
            yield step.kind.value if step.kind else f"{step.action}: {step.outcome}"


def _of_findings(report: Report) -> Iterator[str]:
    """The first that decides; that a fault is verified only where nothing else does."""
    kinds: Sequence[FindingKind] = [one.kind for one in report.findings if one.kind not in TELLING]
    yield from (one.value for one in kinds if one is not FindingKind.VERIFIED)
    yield from (one.value for one in kinds if one is FindingKind.VERIFIED)
