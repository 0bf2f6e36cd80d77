"""What a trial has come to, in words: the same on a terminal and on a page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Final

from popheal.backends.simulated.named_faults import TRIED
from popheal.policy.in_words import in_words
from popheal.policy.policy import Policy
from popheal.tabletop.exercise import Tabletop, Trial
from popheal.util.text import moment, one_line, span

#: Beyond this many letters a reason is for the report of a rehearsal.
_LONGEST: Final = 300


def heading_of(table: Tabletop) -> tuple[str, ...]:
    """What was done, and under which policy: a sentence each."""
    said = (
        f"Each kind of fault on each server, rehearsed as of {moment(table.at)}, in a simulated "
        "organisation of its own; no server was touched."
    )
    own = f" Left out: the faults that the scenario has itself ({table.own_faults})."
    return (f"{said}{own if table.own_faults else ''}", *_policy(table.policy))


def _policy(policy: Policy) -> Iterator[str]:
    usual, own = Policy().to_json(), policy.to_json()
    own.pop("approval_undecided", None)  # no setting: what it means is said below
    other = {name: value for name, value in own.items() if value != usual.get(name)}
    shown = ", ".join(
        f"{name} = {value}" if isinstance(value, (str, int, float)) else name
        for name, value in other.items()
    )
    yield f"The policy is the default one{f' but for {shown}' if shown else ''}."
    yield " ".join(in_words(policy))


def cures_of(trial: Trial) -> str:
    """What would have cured it."""
    if trial.cures == TRIED:
        return "whatever cures it"
    *others, last = trial.cures
    return f"{', '.join(others)}, or {last}" if others else last


def effects_of(trial: Trial, *, moves: bool = True) -> Iterator[str]:
    """What popheal does, one thing after another; nothing where it touches nothing.

    Args:
        trial: The trial.
        moves: Whether it says where databases go.
    """
    if trial.restarted:
        yield f"restarts {_services(trial)}"
    moved = f" ({moves_of(trial)})" if trial.moves and moves else ""
    if trial.drained:
        yield f"drains {', '.join(trial.drained)}{moved}"
    if trial.rebooted:
        yield f"reboots {', '.join(trial.rebooted)}"
    # The reason may say the same.
    left = (one for one in trial.left if one.partition(":")[0] not in trial.summary)
    yield from (one_line(one) for one in left)


def _services(trial: Trial) -> str:
    """The services, by server; the trial's own server needs no name."""
    pairs = [one.rpartition(" on ")[::2] for one in trial.restarted]
    said = []
    for server, of_server in groupby(pairs, key=lambda pair: pair[1]):
        names = " and ".join(service for service, _ in of_server)
        said.append(names if server == trial.server else f"{names} on {server}")
    return ", ".join(said)


def moves_of(trial: Trial) -> str:
    """Where each database goes."""
    return _to((one.database, one.target) for one in trial.moves)


def targets_of(trials: Iterable[Trial]) -> str:
    """Where each database of a server could go, as its plans say; empty if nothing is planned."""
    planned = next((one.targets for one in trials if one.targets), ())
    return _to((one.database, " or ".join(one.targets) or "nowhere") for one in planned)


def _to(pairs: Iterable[tuple[str, str]]) -> str:
    """Databases and where they go, those of one way together."""
    ways: dict[str, list[str]] = {}
    for database, target in pairs:
        ways.setdefault(target, []).append(database)
    return "; ".join(f"{', '.join(names)} to {target}" for target, names in ways.items())


def asked_of(trial: Trial) -> str:
    """What a person is asked first."""
    return "; ".join(one_line(one) for one in trial.asked)


def why(trial: Trial) -> str:
    """Why it did not end well; empty where it did."""
    return "" if trial.verdict.good else one_line(trial.summary, _LONGEST)


def at_most(trial: Trial) -> str:
    """How long it could take."""
    return span(trial.at_most) if trial.at_most is not None else ""
