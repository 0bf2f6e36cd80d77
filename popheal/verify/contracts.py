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

from popheal.tables.actions import ACTIONS, RECOVER_BACKENDS, for_each_action
from popheal.tables.outcomes import COULD_NOT_TELL, DONE, FAILED
from popheal.tables.table import Verdict
from popheal.verify.effects import EFFECTS, REFUSED
from popheal.verify.looks import LOOKS
from popheal.verify.model import Answer, Contract

#: How a child run has ended, and whether it left its server drained or down.
ChildEnd = tuple[Verdict, bool]


def recover_backends(ends: Iterable[ChildEnd]) -> Contract:
    """The contract of healing a back end, from every way in which a run on it can end.

    Args:
        ends: The verdicts of the back end's own procedure, each with whether the back end may
            then be left drained or down: found by exploring that procedure by itself.
    """
    known = {*ends, (Verdict.NOTHING_WRONG, False), (Verdict.HELD, False)}
    outcomes = {(verdict.good, left_out) for verdict, left_out in known}
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
        for outcome in ((DONE,) if well else (FAILED, COULD_NOT_TELL))
    ]
    return Contract(
        action=RECOVER_BACKENDS,
        sentence="A run of its own heals the back end, a member of the same availability group. It "
        "ends in any way in which the procedure for it can end when explored by itself. Where "
        "the back end is the server itself, what is done to it is as if somebody else did it.",
        answers=(*answers, REFUSED),
    )


#: Contracts of all actions but the recovery of back ends, whose contract is computed, by the
#: action's name; with its argument where the contract is for that one alone.
CONTRACTS: Final[Mapping[str, Contract]] = MappingProxyType(
    {str(one.action): one for one in (*LOOKS, *EFFECTS)}
)
for_each_action(
    {one.action: one for one in (*LOOKS, *EFFECTS)},
    [one for one in ACTIONS.values() if one is not RECOVER_BACKENDS],
)
