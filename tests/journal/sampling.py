"""Sample journals: how they are made, and how to come to where one of them breaks off.

    python -m tests.journal.sampling FOLDER

writes into FOLDER, which must be empty, what tests/samples/journals holds of version 0.1.0: to
see what a later version would write, never to replace those.

The organisation of a scenario lives in memory, so it is gone with the process that wrote a sample.
But it is deterministic, as is its clock: whoever plays the scenario up to the same death, with a
journal that is thrown away, has the organisation as it was, and can go on from the sample.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from unittest.mock import patch

from attrs import asdict, field, frozen

from popheal import Alert, Journal, Policy, Report, heal, resume
from popheal.audit import check_journal
from popheal.backends.simulated import history as h
from popheal.backends.simulated import load_scenario
from popheal.journal import Entry
from popheal.journal import journal as store
from popheal.util.clock import VirtualClock
from tests.support import properties
from tests.support.healing import alert_of

ORGANISATION = "contoso"
WHO = "ann"
#: Not that of the machine on which the samples are made.
HOST = "ops1.contoso.com"


class Died(BaseException):
    """The process dies: nobody handles this."""


def die() -> None:
    raise Died


@frozen(kw_only=True)
class Moment:
    """A moment in a healing: around the n-th call of a method, or so many seconds in.

    Attributes:
        call: The backend's method; empty for a moment in a pause.
        nth: Which call of it.
        after: Whether the call has been carried out, but its answer has not come.
        seconds: How long after the beginning, in a pause.
        then: What somebody did while nobody was at work after a death: ``approve``, ``cancel``.
    """

    call: str = ""
    nth: int = 1
    after: bool = False
    seconds: float = 0.0
    then: str = ""


class Interrupted:
    """A simulated backend, and its clock, under which something happens at a moment."""

    def __init__(self, scenario: Any, moment: Moment, act: Callable[[], None]) -> None:
        self._backend, self._moment, self._act = scenario.backend, moment, act
        self._calls = 0
        start = scenario.observed_at
        self._due = None if moment.call else start + timedelta(seconds=moment.seconds)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._backend, name)
        if name != self._moment.call:
            return found

        def called(*args: Any) -> Any:
            self._calls += 1
            if self._calls != self._moment.nth:
                return found(*args)
            if not self._moment.after:
                self._act()
            answer = found(*args)
            if self._moment.after:
                self._act()
            return answer

        return called

    @property
    def clock(self) -> Interrupted:
        """Itself, as the clock."""
        return self

    def now(self) -> datetime:
        return self._backend.clock.now()

    def monotonic(self) -> float:
        return self._backend.clock.monotonic()

    def sleep(self, seconds: float) -> None:
        left = (self._due - self.now()).total_seconds() if self._due else seconds + 1
        if left <= seconds:
            self._due = None
            self._backend.clock.sleep(left)
            self._act()
            seconds -= left
        self._backend.clock.sleep(seconds)


@frozen(kw_only=True)
class Sample:
    """An unfinished healing, and how it came to be.

    Attributes:
        about: What it is, for people.
        scenario: The scenario that was played.
        policy: What of the policy is not as by default, as JSON values.
        deaths: Where its processes died, one after the other: who went on died too.
        approver: What the person says whom they ask, if they ask one.
        later_approver: What the person says whom the process asks that goes on from the sample.
    """

    about: str
    scenario: str
    policy: dict[str, Any] = field(factory=dict)
    deaths: Sequence[Moment]
    approver: bool | None = None
    later_approver: bool | None = None


def saying(answer: bool | None) -> Callable[[Any], bool | None] | None:
    """An approver who always says the same; none for None."""
    return None if answer is None else lambda _: answer


def played(name: str, start: datetime | None = None) -> Any:
    """A scenario, in an organisation whose name does not depend on what was played before."""
    scenario = load_scenario(name, VirtualClock(start) if start else None)
    scenario.organisation.name = ORGANISATION
    return scenario


def die_as_told(sample: Sample, path: Path, **options: Any) -> Any:
    """Play a sample's scenario up to its last death; the organisation as it then is.

    The journal at that path then is what the sample was, but for the healing's id.

    Args:
        sample: What is to be played.
        path: Where the journal is to be.
        options: More of what a healing takes: the tables of another version.
    """
    scenario = played(sample.scenario)
    for moment in sample.deaths:
        with Journal(path) as journal:
            backend = Interrupted(scenario, moment, die)
            _die_once(sample, backend, journal, alert_of(scenario), options)
            _meanwhile(moment.then, journal, scenario.clock.now())
    return scenario


def _die_once(
    sample: Sample, backend: Interrupted, journal: Journal, alert: Alert, more: dict[str, Any]
) -> None:
    options = {
        **more,
        "journal": journal,
        "policy": Policy.from_json(sample.policy),
        "approver": saying(sample.approver),
    }
    begun = journal.healings(unfinished=True)
    try:
        if begun:
            resume(begun[0].id, backend, **options)
        else:
            heal(alert, backend, **options)
    except Died:
        return
    raise AssertionError(f"{sample.scenario} never comes to {sample.deaths}")


def _meanwhile(done: str, journal: Journal, at: datetime) -> None:
    (record,) = journal.healings(unfinished=True)
    if done == "approve":
        (question,) = journal.questions(record.id)
        journal.approve(record.id, question.plan, by=WHO, at=at)
    elif done == "cancel":
        journal.cancel(record.id, at=at)


def gone_on(sample: Sample, healing: str, path: Path, scenario: Any) -> dict[str, Any]:
    """Go on with a sample, or a copy of it, and tell what came of it."""
    with Journal(path, create=False) as journal:
        approver = saying(sample.later_approver)
        report = resume(healing, scenario.backend, journal=journal, approver=approver)
    return {**outcome_of(report), "effects": list(effects_on(scenario))}


def outcome_of(report: Report) -> dict[str, Any]:
    """What a healing came to, without words for people."""
    return {
        "verdict": report.verdict.value,
        "finished_at": report.finished_at.isoformat(),
        "runs": [
            {
                "procedure": run.procedure,
                "server": run.server,
                "verdict": run.verdict.value,
                "path": list(run.path),
            }
            for run in report.runs
        ],
        "debts": [[debt.kind.value, debt.server, debt.status.value] for debt in report.debts],
    }


def effects_on(scenario: Any) -> Iterator[str]:
    """What the organisation saw done to it by us, before and after the crash."""
    told = ("service", "worked", "value", "accepted", "database")
    for one in scenario.organisation.history:
        if isinstance(one, properties.EFFECTS) and one.actor == h.POPHEAL:
            facts = {name: getattr(one, name) for name in told if hasattr(one, name)}
            yield f"{one.at:%H:%M:%S} {one.kind} {one.server} {json.dumps(facts)}"


def written(path: Path) -> list[str]:
    """The history of a journal's only healing, a line for each entry, without its random id."""
    with Journal(path, create=False) as journal:
        return [_line(one) for one in journal.entries()]


def _line(one: Entry) -> str:
    run = one.run_id.partition(".")[2] or "-"
    told = (f"{one.at:%H:%M:%S}", run, one.server, one.kind.value, one.what, one.outcome)
    return " ".join(told).strip()


def judged(path: Path) -> dict[str, list[str]]:
    """What checking a journal says: the properties that hold, and those that are not decided."""
    found: dict[str, list[str]] = {}
    for one in check_journal(path).results:
        found.setdefault(one.verdict, []).append(one.checked.id)
    return found


# --- those of version 0.1.0 ----------------------------------------------------------------------

_REBOOT, _LOGGING = "mailbox-healed-by-reboot", "client-access-healed-by-logging-restart"
_BACK_END, _WAIT = "client-access-back-end-rebooted", "command-time-healed-by-restart"
_DRAIN, _LOG = "set_activation_disabled", "set_protocol_logging"
_ASKING = {"approval_from": "change"}


def _around(name: str, scenario: str, call: str, nth: int = 1) -> dict[str, Sample]:
    """Two samples: the command was not given, or it was and nobody knows."""
    return {
        f"{name}-intended": Sample(
            about=f"Killed after the intent of {call} was written, before it was commanded.",
            scenario=scenario,
            deaths=[Moment(call=call, nth=nth)],
        ),
        f"{name}-commanded": Sample(
            about=f"Killed after {call} was commanded, before what came of it was written.",
            scenario=scenario,
            deaths=[Moment(call=call, nth=nth, after=True)],
        ),
    }


SAMPLES = {
    "verifying": Sample(
        about="Killed while the alert was verified: nothing but the healing's beginning.",
        scenario=_REBOOT,
        deaths=[Moment(seconds=20)],
    ),
    **_around("restart", _REBOOT, "restart_service"),
    **_around("drain", _REBOOT, _DRAIN),
    **_around("reboot", _REBOOT, "reboot"),
    **_around("fail-back", _REBOOT, _DRAIN, 2),
    **_around("logging", _LOGGING, _LOG),
    "second-service-intended": Sample(
        about="Killed between the two services that one action restarts.",
        scenario=_WAIT,
        deaths=[Moment(call="restart_service", nth=2)],
    ),
    "waiting": Sample(
        about="Killed in the middle of the runbook's ten minutes.",
        scenario=_WAIT,
        deaths=[Moment(seconds=300)],
    ),
    "awaiting-server": Sample(
        about="Killed while the server restarted.",
        scenario=_REBOOT,
        deaths=[Moment(seconds=240)],
    ),
    "asked": Sample(
        about="Killed while a person was asked; whoever goes on asks the same, and is told yes.",
        scenario=_REBOOT,
        policy=_ASKING,
        deaths=[Moment(seconds=600)],
        later_approver=True,
    ),
    "granted": Sample(
        about="Killed while a person was asked, who approved while nobody was at work.",
        scenario=_REBOOT,
        policy=_ASKING,
        deaths=[Moment(seconds=600, then="approve")],
    ),
    "granted-and-begun": Sample(
        about="Approved; killed before the second of the effects that were approved.",
        scenario=_REBOOT,
        policy=_ASKING,
        deaths=[Moment(call=_DRAIN)],
        approver=True,
    ),
    "stopped": Sample(
        about="Killed when it had drained; somebody said stop while nobody was at work.",
        scenario=_REBOOT,
        deaths=[Moment(seconds=100, then="cancel")],
    ),
    "back-end-restart-commanded": Sample(
        about="A front end whose back end is healed: killed after the back end's restart.",
        scenario=_BACK_END,
        deaths=[Moment(call="restart_service", nth=3, after=True)],
    ),
    "back-end-reboot-commanded": Sample(
        about="A front end whose back end is healed: killed after the back end's reboot.",
        scenario=_BACK_END,
        deaths=[Moment(call="reboot", after=True)],
    ),
    "died-twice": Sample(
        about="Killed after the drain was commanded; who went on was killed before the reboot.",
        scenario=_REBOOT,
        deaths=[Moment(call=_DRAIN, after=True), Moment(call="reboot")],
    ),
    "restoring": Sample(
        about="Stopped with logging on; who went on was killed before turning it off again.",
        scenario=_LOGGING,
        deaths=[
            Moment(call=_LOG, after=True, then="cancel"),
            Moment(call=_LOG),
        ],
    ),
}


@frozen(kw_only=True)
class Healing:
    """One of the finished healings: a scenario, and what a person did meanwhile."""

    scenario: str
    policy: dict[str, Any] = field(factory=dict)
    approver: bool | None = None
    stopped_at: Moment | None = None
    died_at: Moment | None = None
    hours_later: float = 30.0


FINISHED = {
    "finished": (
        Healing(scenario="mailbox-healed-by-restart"),
        Healing(scenario=_REBOOT),
        Healing(scenario="fault-survives-the-reboot"),
        Healing(scenario=_LOGGING),
        Healing(scenario="client-access-back-end-stays-drained"),
        Healing(scenario="proxy-healed-by-restart"),
        Healing(scenario=_WAIT),
        Healing(scenario="maintenance"),
        Healing(scenario="nothing-wrong"),
        Healing(scenario="transient"),
        Healing(scenario="unreachable"),
    ),
    "finished-otherwise": (
        Healing(scenario=_REBOOT),
        # Its reboot would be the second one in a day.
        Healing(scenario=_REBOOT, hours_later=2.0),
        Healing(scenario=_REBOOT, stopped_at=Moment(call="reboot", after=True)),
        Healing(scenario=_LOGGING, stopped_at=Moment(call=_LOG, after=True)),
        Healing(scenario=_REBOOT, died_at=Moment(call="reboot", after=True)),
        Healing(scenario=_REBOOT, policy=_ASKING, approver=True),
        Healing(scenario=_REBOOT, policy={"approval_from": "disrupt"}, approver=False),
        Healing(scenario=_REBOOT, policy=_ASKING),
    ),
}


def _heal_to_its_end(one: Healing, journal: Journal, start: datetime) -> None:
    scenario = played(one.scenario, start)
    backend = scenario.backend

    def stop() -> None:
        (record,) = journal.healings(unfinished=True)
        journal.cancel(record.id, at=scenario.clock.now())

    if one.stopped_at:
        backend = Interrupted(scenario, one.stopped_at, stop)
    elif one.died_at:
        backend = Interrupted(scenario, one.died_at, die)
    options = {
        "policy": Policy.from_json(one.policy),
        "journal": journal,
        "approver": saying(one.approver),
    }
    try:
        heal(alert_of(scenario), backend, **options)
    except Died:
        (record,) = journal.healings(unfinished=True)
        resume(record.id, scenario.backend, **options)


@contextmanager
def _elsewhere() -> Iterator[None]:
    with patch.object(store, "gethostname", lambda: HOST):
        yield


def make_finished(path: Path, healings: Sequence[Healing]) -> None:
    """A journal of finished healings, and what is in it."""
    at = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
    with _elsewhere(), Journal(path) as journal:
        for one in healings:
            at += timedelta(hours=one.hours_later)
            _heal_to_its_end(one, journal, at)
    describe_finished(path)


def describe_finished(path: Path) -> None:
    """Write down what is in a journal of finished healings."""
    copy = _copied(path)
    with Journal(copy) as journal:
        found = [
            {
                "healing": record.id,
                "begun_at": record.begun_at.isoformat(),
                "entries": len(journal.entries(record.id)),
                **outcome_of(Report.from_json(record.report)),
            }
            for record in journal.healings()
        ]
    _put(path, {"healings": found, "properties": judged(copy)})
    copy.unlink()


def make_unfinished(path: Path, sample: Sample) -> None:
    """A journal of an unfinished healing, and what is made of it by whoever goes on."""
    with _elsewhere():
        scenario = die_as_told(sample, path)
    copy = _copied(path)
    entries = written(copy)
    with Journal(copy) as journal:
        (record,) = journal.healings()
    resumed = gone_on(sample, record.id, copy, scenario)
    resumed |= {"entries": written(copy)[len(entries) :], "properties": judged(copy)}
    copy.unlink()
    told = {name: value for name, value in asdict(sample).items() if value not in ({}, None)}
    _put(path, {**told, "healing": record.id, "entries": entries, "resumed": resumed})


def _copied(path: Path) -> Path:
    return Path(shutil.copyfile(path, path.with_suffix(".copy")))


def _put(path: Path, content: dict[str, Any]) -> None:
    """Write down what is to be known of a sample, and what tells that it is still the same."""
    content |= {"sha256": sha256(path.read_bytes()).hexdigest()}
    text = json.dumps(content, indent=1) + "\n"
    path.with_suffix(".json").write_text(text, encoding="utf-8")


def main() -> int:
    """The command line."""
    if len(sys.argv) != 2:
        sys.exit(f"usage: python -m {__spec__.name} FOLDER")
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        sys.exit(f"{folder} is not empty: samples are never rewritten")
    for name, healings in FINISHED.items():
        make_finished(folder / f"{name}.db", healings)
    for name, sample in SAMPLES.items():
        make_unfinished(folder / f"{name}.db", sample)
    return 0


if __name__ == "__main__":
    sys.exit(main())
