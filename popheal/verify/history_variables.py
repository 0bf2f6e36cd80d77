"""What the history variables remember when a step is taken."""

from __future__ import annotations

from collections.abc import Iterator

from popheal.tables import actions
from popheal.tables.actions import Action
from popheal.tables.outcomes import COULD_NOT_TELL, DONE, TIMED_OUT, Outcome
from popheal.verify.environment import NO, YES
from popheal.verify.model import Answer, Cond, Contract, Note

_DISTURBS = ("restart", "restart_elsewhere", "reload", "reboot")


def notes(action: Action, contract: Contract, answer: Answer) -> Iterator[Note]:
    """What to remember of this answer to this action."""
    known, outcome = contract.action, answer.outcome
    if not outcome.unknown and contract.looks_at_server:
        yield from _of_a_look(action, answer)
    if known.sees_pop and not outcome.good and not outcome.unknown:
        yield from _of_a_failure(action, outcome)
    if outcome.futile:
        yield Note(when={}, then={"futile": YES})
    yield from _of_the_way_back(action, contract, answer)
    yield from _of_pop_proxy(action, known, answer)
    if known.name == actions.WAIT.name:
        yield Note(when={}, then={"settled": YES})
    yield from _of_an_effect(answer)
    if known.name == actions.RESTORE_PROTOCOL_LOGGING.name:
        yield _of_a_restoration(answer)
    if known.name == actions.RELOAD_POP3.name:
        yield Note(when={"restored": "due"}, then={"restored": YES})


def _of_a_failure(action: Action, outcome: Outcome) -> Iterator[Note]:
    """POP was seen to fail; or to hang, which counts for less."""
    if outcome == TIMED_OUT:
        yield Note(when={}, then={"seen": "hung"})
        return
    yield Note(when={"seen": ("unseen", "hung")}, then={"seen": "ill"})
    yield Note(when={"seen": ("well", "stale")}, then={"seen": "relapsed"})
    if not outcome.futile:
        yield Note(when={**_settled(action), "tried": "restarted"}, then={"tried": "reprobed"})


def _of_the_way_back(action: Action, contract: Contract, answer: Answer) -> Iterator[Note]:
    """What was seen, and tried, of a server that is back from its restart."""
    known, outcome = contract.action, answer.outcome
    if known.name == actions.AWAIT_SERVER.name and outcome.good:
        yield Note(when={}, then={"front": "back", "putback": NO})
    elif known.name == actions.PROBE.name and action.proves:
        if not outcome.good:
            yield Note(when={"putback": NO}, then={"putback": "unproved"})
    elif known.name == actions.PROBE.name:
        if not outcome.good:
            yield Note(when={"front": "back"}, then={"front": "ill"})
    elif known.name == actions.FAIL_BACK.name:
        yield Note(when={}, then={"putback": YES})


def _of_pop_proxy(action: Action, known: Action, answer: Answer) -> Iterator[Note]:
    if known.name == actions.CHECK_COMPONENT.name and answer.outcome.good:
        yield Note(when={}, then={"liftable": YES})
    if known.name == actions.DEACTIVATE_COMPONENT.name:
        yield Note(when={}, then={"set_back": YES})
    if known.sees_pop and not action.argument and answer.outcome.good:
        yield Note(when={"settled": YES}, then={"lasting": YES})
    if answer.sends in _DISTURBS:
        yield Note(when={}, then={"lasting": NO})
    if answer.sends == "activate":
        yield Note(when={}, then={"liftable": NO, "set_back": NO})


def _settled(action: Action) -> Cond:
    """When a look at POP counts: a probe at once, a monitor's health after the wait."""
    return {"settled": YES} if action.name == actions.CHECK_HEALTH.name else {}


def _of_a_restoration(answer: Answer) -> Note:
    if answer.outcome != DONE:
        return Note(when={}, then={"restored": YES})
    if answer.sends:
        return Note(when={}, then={"restored": "due"})
    return Note(when={"restored": NO}, then={"restored": YES})


def _of_a_look(action: Action, answer: Answer) -> Iterator[Note]:
    yield from _of_a_boot(action, answer)
    # The probe that a state names itself is not the failing monitor's own: it can't clear it.
    if action.sees_pop and not action.argument and answer.outcome.good:
        yield Note(when=_settled(action), then={"seen": "well"})
    if answer.outcome == "clear":
        yield Note(when={"verified": "drained"}, then={"verified": YES})
    if answer.outcome == "feasible":
        yield Note(when={}, then={"feasible": YES})


def _of_a_boot(action: Action, answer: Answer) -> Iterator[Note]:
    proves, good = action.name == actions.PROBE.name and action.proves, answer.outcome.good
    if proves and not action.argument:  # the failing monitor's own
        yield Note(when={}, then={"boot": "probed" if good else "ill"})
    elif proves and good:
        yield Note(when={"boot": ("unseen", "seen")}, then={"boot": "probed"})
    elif action.name == actions.AWAIT_SERVER.name:
        yield Note(when={"boot": ("unseen", "ill")}, then={"boot": "seen"})
    else:
        yield Note(when={"boot": "unseen"}, then={"boot": "seen"})


def _of_an_effect(answer: Answer) -> Iterator[Note]:
    if answer.sends in _DISTURBS:
        yield Note(when={"seen": ("ill", "hung")}, then={"seen": "unseen"})
        yield Note(when={"seen": ("well", "relapsed")}, then={"seen": "stale"})
        yield Note(when={}, then={"settled": NO})
    if answer.sends == "restart" and answer.outcome != COULD_NOT_TELL:
        yield Note(when={"tried": "nothing"}, then={"tried": "restarted"})
    if answer.sends == "drain":
        yield Note(when={}, then={"verified": "drained" if answer.outcome == DONE else NO})
    if answer.sends == "recover":
        yield Note(when={}, then={"feasible": NO})
    if answer.sends == "logging_on":
        yield Note(when={}, then={"restored": NO})
