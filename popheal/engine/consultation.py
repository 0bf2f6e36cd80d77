"""What the second opinion says, as a finding. It is told, and decides nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from popheal.engine.requests import Consult
from popheal.reports.report import Finding, FindingKind
from popheal.second_opinion import Answer, Consulted

if TYPE_CHECKING:
    from popheal.engine.case import Case

_SAYS: Final = {
    Answer.WORKED: "worked",
    Answer.REFUSED: "was refused",
    Answer.COULD_NOT_TELL: "could not tell",
}
#: Whose back end it tested. Above all a logon that worked must not be read as more.
_OF_WHOM: Final = (
    "it goes to the Mailbox server where that mailbox's database is active, so it says nothing "
    "of the back end of another"
)


async def consult(case: Case, when: str) -> None:
    """Ask for the second opinion, where one is configured, and note it.

    Args:
        case: The healing.
        when: At which point of it, for people.
    """
    if not case.session.consults:
        return
    consulted = await Consult()
    if consulted is not None:
        await case.find(_finding(case.server, consulted, when))


def _finding(server: str, consulted: Consulted, when: str) -> Finding:
    opinion = consulted.opinion
    said = f" ({opinion.detail})" if opinion.answer is not Answer.WORKED else ""
    return Finding(
        kind=FindingKind.SECOND_OPINION,
        server=server,
        detail=f"{when}, a POP3 logon of {consulted.username} at {consulted.where} "
        f"{_SAYS[opinion.answer]}{said}; {_OF_WHOM}",
    )
