"""What is assumed of each action: its contract.

The contracts are weak on purpose. What carries an action out checks more than is written here
(a failback, for one, demands the passed probe itself); but what is proved is proved of the
table, with nothing but these contracts to help it. Whatever a real action does must be one of
these answers. Any outcome that is not spoken of further can come at any time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from popheal.tables.actions import COULD_NOT_TELL, Impact
from popheal.tables.table import Verdict
from popheal.verify.effects import EFFECTS, REFUSED
from popheal.verify.looks import LOOKS
from popheal.verify.model import Answer, Contract

#: Verdicts of a back end's healing after which it counts as well.
WELL: Final = (Verdict.NOTHING_WRONG, Verdict.TRANSIENT, Verdict.RECOVERED)
#: How a child run has ended, and whether it left its server drained or down.
ChildEnd = tuple[Verdict, bool]


def recover_backends(ends: Iterable[ChildEnd]) -> Contract:
    """The contract of healing a back end, from every way in which a run on it can end.

    Args:
        ends: The verdicts of the back end's own procedure, each with whether the back end may
            then be left drained or down: found by exploring that procedure by itself.
    """
    known = {*ends, (Verdict.NOTHING_WRONG, False), (Verdict.HELD, False)}
    outcomes = {(verdict in WELL, left_out) for verdict, left_out in known}
    answers = [
        Answer(
            outcome=outcome,
            sentence=f"The back end is {'well' if well else 'not healed'} and {said}.",
            then={
                **({"backend": "out"} if left_out else {}),
                **({"found": "well"} if well else {}),
            },
            sends="recover",
        )
        for well, left_out in sorted(outcomes, reverse=True)
        for said in ("is left drained or down" if left_out else "is in service",)
        for outcome in (("done",) if well else ("failed", COULD_NOT_TELL))
    ]
    return Contract(
        action="recover_backends",
        impact=Impact.DISRUPT,
        sentence="A run of its own heals the back end, a member of the same availability group. It "
        "ends in any way in which the procedure for it can end when explored by itself. Where "
        "the back end is the server itself, what is done to it is as if somebody else did it.",
        answers=(*answers, REFUSED),
        good=("done",),
        reasons=("failed", "refused", COULD_NOT_TELL),
    )


#: Contracts of all actions but ``recover_backends``, whose contract is computed.
CONTRACTS: Final[Mapping[str, Contract]] = MappingProxyType(
    {one.action: one for one in (*LOOKS, *EFFECTS)}
)
