"""A plan for people: the worst case of each procedure, and the ways through it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from popheal.cli.render.lines import labelled
from popheal.engine.plan import Path, Plan, PlannedMove, PlannedRun
from popheal.healthsets.pop import PROCEDURES
from popheal.policy.in_words import undecided_in_words
from popheal.policy.policy import Policy
from popheal.tables.actions import Impact
from popheal.tables.bounds import WorstCase
from popheal.tables.table import Verdict
from popheal.util.text import span

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

#: Written behind the name of a state whose action has that impact.
_MARKS: Final = {Impact.CHANGE: "*", Impact.DISRUPT: "**"}
_LEGEND: Final = "* changes something small; ** takes the server out of service"


def plan_lines(
    out: Console, plan: Plan, policy: Policy, *, all_paths: bool = False
) -> Iterable[Text]:
    """What healing could do from here."""
    from rich.text import Text

    if not plan.runs:
        yield Text("")
        yield from labelled(out, "Plan", "Healing would change nothing.")
        return
    for number, run in enumerate(plan.runs):
        yield Text("")
        order = "first" if number == 0 else "then, if that recovered"
        order = f" ({order})" if len(plan.runs) > 1 else ""
        yield Text(f"{run.procedure} on {run.server}, for {run.monitor}{order}", "bold")
        yield from what_it_takes(out, run)
        named = run.hash or f"has no hash, as the state of the server can't be read: {run.problem}"
        yield from labelled(out, "Plan", named)
        if policy.approval_undecided:
            yield from labelled(out, "", undecided_in_words())
        yield from ways(out, run, all_paths=all_paths)
    yield Text("")
    yield Text(_LEGEND, "dim")


def what_it_takes(out: Console, run: PlannedRun) -> Iterable[Text]:
    """The worst case of a run, its databases, and what is known beforehand."""
    disrupts = run.impact is Impact.DISRUPT
    yield from labelled(out, "At most", worst_of(run))
    if not disrupts and any(one.impact is Impact.DISRUPT for one in run.tree):
        yield from labelled(
            out, "", "The policy allows no 'disrupt': it would escalate before a drain or reboot."
        )
    yield from labelled(out, "Databases", databases_of(run) or _why_none(run))
    refused = [f"a drain or restart would be refused now: {one}" for one in run.obstacles]
    for label, said in (("Refused", refused), ("Note", run.notes)):
        for number_of, one in enumerate(said):
            yield from labelled(out, "" if number_of else label, one)


def _why_none(run: PlannedRun) -> str:
    if run.impact is not Impact.DISRUPT:
        return "none is moved"
    return "none is active there" if run.facts else "can't be told"


def databases_of(run: PlannedRun) -> str:
    """The databases that would be moved, and where to they could be."""
    return ", ".join(f"{one.database} (to {_targets_of(one)})" for one in run.databases)


def _targets_of(move: PlannedMove) -> str:
    return (
        " or ".join(
            f"{one}, in another site" if one in move.other_site else one for one in move.targets
        )
        or "nowhere"
    )


def worst_of(run: PlannedRun) -> str:
    """The worst case of a planned run."""
    return worst_in_words(run.worst_case)


def worst_in_words(worst: WorstCase) -> str:
    """The most that may follow."""
    return (
        f"{_counted(worst.reboots, 'reboot')}, {_counted(worst.restarts, 'service restart')}, "
        f"{_counted(worst.actions, 'action')}, {span(worst.seconds)} of waiting"
    )


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def ways(out: Console, run: PlannedRun, *, all_paths: bool = False) -> Iterable[Text]:
    """The ways that lead to a recovery; and how many others there are, or all of them."""
    good = [path for path in run.paths if path.verdict is Verdict.RECOVERED]
    shown = run.paths if all_paths else good
    for number, path in enumerate(shown, 1):
        yield from labelled(out, f"Way {number}", _way(run, path))
    if all_paths:
        return
    others = Counter(path.verdict.value for path in run.paths if path not in good)
    for verdict, number in others.items():
        ends = "ends" if number == 1 else "end"
        yield from labelled(
            out, "", f"{_counted(number, 'other way')} {ends} as {verdict} (see --all-paths)"
        )


def _way(run: PlannedRun, path: Path) -> str:
    states = PROCEDURES[run.procedure].by_name
    return " > ".join(
        name + _MARKS.get(states[name].action.impact, "") if name in states else name
        for name in path.states
    )
