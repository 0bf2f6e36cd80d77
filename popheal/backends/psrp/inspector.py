"""Looking at one way to a server, step by step, until one of the steps fails.

Each step answers one question or several. What comes after a failed one is not asked, and says
because of which.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from attrs import frozen

from popheal.backends.psrp.client import ConnectionFailure
from popheal.backends.psrp.inside import cmdlet_questions, cmdlets, logon, who
from popheal.backends.psrp.logons import Logons
from popheal.backends.psrp.outside import door, endpoint
from popheal.backends.psrp.recording import Recorder
from popheal.backends.psrp.script_conditions import condition_questions, conditions
from popheal.backends.psrp.settings import PsrpSettings
from popheal.backends.psrp.way_in import EXCHANGE, WINRM, Failed, Question, WayIn, cause_of
from popheal.errors import PophealError
from popheal.exchange.inspection import Inspection

Each = Callable[[WayIn], Iterable[Question]]


@frozen(kw_only=True)
class _Step:
    """Some questions, and how they are asked."""

    ask: Callable[[WayIn], None]
    questions: Each


def _named(*names: str) -> Each:
    return lambda _: [(one, "") for one in names]


_BEFORE: Final = (
    _Step(ask=door, questions=_named("name", "tcp")),
    _Step(ask=endpoint, questions=_named("tls", "http", "offers")),
    _Step(ask=logon, questions=_named("logon", "session", "answer_time")),
)
_STEPS: Final = {
    EXCHANGE: (*_BEFORE, _Step(ask=cmdlets, questions=cmdlet_questions)),
    WINRM: (
        *_BEFORE,
        _Step(ask=who, questions=_named("language", "powershell", "host")),
        _Step(ask=conditions, questions=condition_questions),
    ),
}


def inspect_way(
    settings: PsrpSettings,
    server: str,
    way: str,
    methods: Sequence[str],
    recorder: Recorder | None = None,
    logons: Logons | None = None,
) -> Sequence[Inspection]:
    """Every question about a way, answered or not. Never raises for what it meets.

    Args:
        settings: Where the organisation is.
        server: The server.
        way: ``[exchange]`` or ``[winrm]``.
        methods: What the backend will be asked.
        recorder: Writes down what is asked and answered; None for nobody.
        logons: What is known of passwords from other ways.
    """
    it = WayIn(
        settings=settings,
        server=server,
        way=way,
        methods=methods,
        recorder=recorder,
        logons=logons or Logons(),
    )
    because = ""
    try:
        for step in _STEPS[way]:
            wanted = list(step.questions(it))
            if not because:
                because = _ask(step, it, wanted)
            asked = {(one.question, one.about) for one in it.seen}
            it.seen += [
                Inspection(question=name, about=about, passed=None, because=because)
                for name, about in wanted
                if (name, about) not in asked
            ]
    finally:
        it.close()
    return tuple(it.seen)


def _ask(step: _Step, it: WayIn, wanted: Sequence[Question]) -> str:
    """Ask; returns the question that failed, so that no further step can be taken."""
    try:
        step.ask(it)
    except Failed:
        return it.seen[-1].question
    except (ConnectionFailure, PophealError) as error:
        cause = cause_of(error)
        asked = [one.question for one in it.seen]
        question = next((name for name, _ in wanted if name not in asked), wanted[-1][0])
        it.bad(
            question,
            passed=None,
            cause=cause,
            next_step="Try it again; and look there by hand.",
            blocks=it.taken_by,
        )
        return question
    return ""
