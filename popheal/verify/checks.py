"""What breaks each property: situations before a step, or after the last one of a run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from popheal.tables.actions import Impact
from popheal.tables.reachability import reached_from, turned_round
from popheal.tables.table import Verdict, arrows_of
from popheal.verify.environment import NO, YES
from popheal.verify.model import Cond, Outlook, Step, Tabular

_OUT_BY_US: Final[tuple[Cond, ...]] = (
    {"activation": ("sent", "ours")},
    {"boots": "commanded"},
)


def _sends(step: Step, *effects: str) -> bool:
    return step.answer is not None and step.answer.sends in effects


def _harms(step: Step) -> bool:
    """Whether a command goes out that changes or disrupts something."""
    if step.contract is None or step.answer is None:
        return False
    return bool(step.answer.sends) and not step.contract.action.impact.harmless


def over_active_copies(_outlook: Outlook, step: Step) -> Iterable[Cond]:
    if _sends(step, "reboot"):
        yield {"role": "mailbox", "copies": "active"}
        yield {"role": "mailbox", "verified": (NO, "drained")}


def two_members(_outlook: Outlook, step: Step) -> Iterable[Cond]:
    if _sends(step, "drain", "reboot"):
        yield {"role": "mailbox", "backend": "out"}
        yield {"role": "mailbox", "feasible": NO}
    if _sends(step, "recover"):
        yield from _OUT_BY_US


def beyond_the_budget(_outlook: Outlook, step: Step) -> Iterable[Cond]:
    if _sends(step, "reboot"):
        yield {"policy": ("look_only", "change_only", "no_reboot")}
        yield {"boots": ("others", "commanded", "back")}


def without_a_failure(_outlook: Outlook, step: Step) -> Iterable[Cond]:
    if _harms(step):
        yield {"seen": ("unseen", "well", "stale")}
    if _sends(step, "drain", "reboot"):
        yield {"seen": "hung"}
    if _sends(step, "recover"):
        yield {"found": ("unasked", "untold", "none", "unknown", "well", "off")}
    if _sends(step, "restart_elsewhere"):
        yield {}


def reboot_too_early(_outlook: Outlook, step: Step) -> Iterable[Cond]:
    if _sends(step, "reboot"):
        yield {"tried": ("nothing", "restarted")}
        yield {"found": ("untold", "unknown", "ill", "off")}
        yield {"found": "unasked", "logging": "ours"}


def failback_too_early(_outlook: Outlook, step: Step) -> Iterable[Cond]:
    if _sends(step, "allow_activation"):
        yield {"boot": ("unseen", "seen", "ill")}
        yield {"boots": "commanded"}


def beyond_the_policy(_outlook: Outlook, step: Step) -> Iterable[Cond]:
    if _harms(step) and step.contract:
        disrupts = step.contract.action.impact is Impact.DISRUPT
        yield {"policy": ("look_only", "change_only") if disrupts else "look_only"}


def logging_left_on(verdict: Verdict) -> Sequence[Cond]:
    owed: Cond = {"owes_logging": (YES, "unclear")}
    return (
        {"owes_logging": NO, "logging": ("sent", "ours")},
        {**owed, "restored": NO},
        {"restored": "due"},
        *([owed] if verdict is Verdict.RECOVERED else []),
    )


def left_drained(verdict: Verdict) -> Sequence[Cond]:
    owed: Cond = {"owes_activation": (YES, "unclear")}
    return (
        {"owes_activation": NO, "activation": ("sent", "ours")},
        *([owed] if verdict is Verdict.RECOVERED else []),
    )


def activated_blindly(_outlook: Outlook, step: Step) -> Iterable[Cond]:
    if _sends(step, "activate"):
        yield {"liftable": NO}
        yield {"owes_component": (YES, "unclear")}


def left_activated(verdict: Verdict) -> Sequence[Cond]:
    ours: Cond = {"owes_component": NO, "component": ("sent", "ours")}
    owed: Cond = {"owes_component": (YES, "unclear")}
    if verdict is Verdict.RECOVERED:
        return (owed, {**ours, "lasting": NO})
    # Where POP was last seen well, it is left active on purpose.
    return (ours, {**owed, "set_back": NO, "seen": ("ill", "hung", "unseen", "stale", "relapsed")})


def taken_offline_though_well(_outlook: Outlook, step: Step) -> Iterable[Cond]:
    if _sends(step, "deactivate"):
        yield {"seen": "well", "component": "ours", "stop": (NO, "asked")}


def unhandled(_outlook: Outlook, step: Step) -> Iterable[Cond]:
    if step.row is None:
        yield {}


def goes_too_far(outlook: Outlook, step: Step) -> Iterable[Cond]:
    impact = outlook.impacts.get(step.target)
    if step.answer and impact and impact.goes_beyond(step.answer.outcome.furthest):
        yield {}


def acts_in_vain(_outlook: Outlook, step: Step) -> Iterable[Cond]:
    if _harms(step):
        yield {"futile": YES}


def against_a_gate(_outlook: Outlook, step: Step) -> Iterable[Cond]:
    if _sends(step, "drain", "reboot"):
        yield {"gate": "closed"}


def left_out_of_service(verdict: Verdict) -> Sequence[Cond]:
    if verdict is Verdict.CANCELLED:
        return ()
    return ({"owes_activation": (YES, "unclear"), "front": "ill", "putback": NO},)


def acts_after_cancel(_outlook: Outlook, step: Step) -> Iterable[Cond]:
    if _harms(step):
        yield {"stop": "heeded"}


def undoes_others(_outlook: Outlook, step: Step) -> Iterable[Cond]:
    if _sends(step, "allow_activation"):
        yield {"activation": "others"}
    if _sends(step, "logging_off"):
        yield {"logging": "others"}
    if _sends(step, "deactivate"):
        yield {"component": "others"}


def false_verdict(verdict: Verdict) -> Sequence[Cond]:
    if verdict is Verdict.CANCELLED:
        return ({"stop": (NO, "asked")},)
    if verdict is Verdict.RECOVERED:
        return (
            {"stop": "heeded"},
            {"seen": ("ill", "hung", "unseen", "stale", "relapsed")},
            {"boots": "commanded"},
        )
    return ({"stop": "heeded"},)


def outlook_of(table: Tabular) -> Outlook:
    """What the table alone says of its states."""
    recovered = [name for name, verdict in table.endings.items() if verdict is Verdict.RECOVERED]
    hopeful = reached_from(recovered, turned_round(arrows_of(table.states)))
    return Outlook(
        impacts={one.name: one.action.impact for one in table.states},
        hopeless=frozenset({*(one.name for one in table.states), *table.endings} - hopeful),
    )


def gives_up_for_nothing(outlook: Outlook, step: Step) -> Iterable[Cond]:
    if step.contract is None or step.row is None:
        return
    lost = outlook.hopeless
    if step.target not in lost or step.state in lost:
        return
    if step.outcome in step.contract.action.last_resort:
        yield {"seen": ("ill", "hung", "unseen"), "boots": "none", "owes_component": NO}
    elif step.outcome not in step.contract.action.reasons:
        # After a hang there is nothing left to try but to heal the back end that hangs.
        yield {"seen": ("ill", "unseen", "well", "stale", "relapsed")}
