"""What the history variables remember when a step is taken."""

from __future__ import annotations

from collections.abc import Iterator

from popheal.tables.actions import COULD_NOT_TELL, Action
from popheal.verify.environment import NO, YES
from popheal.verify.model import Answer, Cond, Contract, Note

_LOOKS_AT_POP = ("probe", "check_health")
_WELL = ("succeeded", "healthy")
_ILL = ("failed", "unhealthy")
_DISTURBS = ("restart", "restart_elsewhere", "reload", "reboot")


def notes(action: Action, contract: Contract, answer: Answer) -> Iterator[Note]:
    """What to remember of this answer to this action."""
    if answer.outcome != COULD_NOT_TELL and contract.looks_at_server:
        yield from _of_a_look(action, answer)
    if contract.action in _LOOKS_AT_POP and answer.outcome in _ILL:
        yield Note(when={"seen": "unseen"}, then={"seen": "ill"})
        yield Note(when={"seen": ("well", "stale")}, then={"seen": "relapsed"})
        yield Note(when={**_settled(action), "tried": "restarted"}, then={"tried": "reprobed"})
    if contract.action == "wait":
        yield Note(when={}, then={"settled": YES})
    yield from _of_an_effect(answer)
    if contract.action == "restore_protocol_logging":
        yield _of_a_restoration(answer)
    if contract.action == "reload_pop3":
        yield Note(when={"restored": "due"}, then={"restored": YES})


def _settled(action: Action) -> Cond:
    """When a look at POP counts: a probe at once, a monitor's health after the wait."""
    return {"settled": YES} if action.name == "check_health" else {}


def _of_a_restoration(answer: Answer) -> Note:
    if answer.outcome != "done":
        return Note(when={}, then={"restored": YES})
    if answer.sends:
        return Note(when={}, then={"restored": "due"})
    return Note(when={"restored": NO}, then={"restored": YES})


def _of_a_look(action: Action, answer: Answer) -> Iterator[Note]:
    if action.name == "probe" and answer.outcome in _WELL:
        yield Note(when={}, then={"boot": "probed"})
    else:
        yield Note(when={"boot": "unseen"}, then={"boot": "seen"})
    # The probe that a state names itself is not the failing monitor's own: it can't clear it.
    if action.name in _LOOKS_AT_POP and not action.argument and answer.outcome in _WELL:
        yield Note(when=_settled(action), then={"seen": "well"})
    if answer.outcome == "clear":
        yield Note(when={"verified": "drained"}, then={"verified": YES})
    if answer.outcome == "feasible":
        yield Note(when={}, then={"feasible": YES})


def _of_an_effect(answer: Answer) -> Iterator[Note]:
    if answer.sends in _DISTURBS:
        yield Note(when={"seen": "ill"}, then={"seen": "unseen"})
        yield Note(when={"seen": ("well", "relapsed")}, then={"seen": "stale"})
        yield Note(when={}, then={"settled": NO})
    if answer.sends == "restart" and answer.outcome != COULD_NOT_TELL:
        yield Note(when={"tried": "nothing"}, then={"tried": "restarted"})
    if answer.sends == "drain":
        yield Note(when={}, then={"verified": "drained" if answer.outcome == "done" else NO})
    if answer.sends == "recover":
        yield Note(when={}, then={"feasible": NO})
    if answer.sends == "logging_on":
        yield Note(when={}, then={"restored": NO})
