"""Does anything notice a table with a mistake? The score, and what survives.

A mutant is *killed* by a law (it can't even be built as a procedure), or by properties that
do not hold for it. One that nothing kills must be on :data:`HARMLESS`, with the reason.

    python -m tests.evidence.mutation_score         # every mutant; the tests take a sample

That takes minutes. What it has found stands in :data:`FOUND`, which the documentation shows; a test
sees that it is about the tables as they are.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from attrs import evolve, frozen

from popheal.healthsets.pop import PROCEDURES
from popheal.tables.table import Procedure
from popheal.verify.build import build
from popheal.verify.explorer import explore
from popheal.verify.model import Contract
from popheal.verify.properties import PROPERTIES
from popheal.verify.prove import contracts_for, verify
from popheal.verify.verdicts import judge
from tests.evidence.literal_actions import LITERAL_CONTRACTS
from tests.evidence.mutants import Mutant, Table, mutants_of

LAW: Final = "law"
#: What :func:`main` has found.
FOUND: Final = Path(__file__).with_name("mutation_score.json")
#: In a table of more states than this, it is enough that something is noticed: what a law has
#: noticed is not explored as well, and exploring ends with the first property found broken.
_LARGE: Final = 15
_WILLING: Final = {"policy": "one_reboot"}


@frozen(kw_only=True)
class Score:
    """What became of the mutants.

    Attributes:
        mutants: All of them, with what noticed each.
        left_out: Procedures that break a property themselves.
    """

    mutants: tuple[Mutant, ...]
    left_out: tuple[str, ...] = ()

    @property
    def killed(self) -> int:
        """How many were noticed."""
        return sum(1 for one in self.mutants if one.kills)

    @property
    def survivors(self) -> tuple[Mutant, ...]:
        """Those that nothing noticed."""
        return tuple(one for one in self.mutants if not one.kills)

    @property
    def by_killer(self) -> Mapping[str, int]:
        """How many mutants the laws, and each property, have noticed."""
        return Counter(kill for one in self.mutants for kill in one.kills)

    def unexplained(self) -> tuple[Mutant, ...]:
        """Survivors for which :data:`HARMLESS` has no reason."""
        return tuple(one for one in self.survivors if harmless(one) is None)

    def to_json(self) -> dict[str, Any]:
        """What the documentation tells of it, as plain JSON values."""
        reasons = Counter(str(harmless(one)) for one in self.survivors)
        return {
            "tables": tried(),
            "mutants": len(self.mutants),
            "noticed": self.killed,
            "unexplained": len(self.unexplained()),
            "noticed_by": dict(sorted(self.by_killer.items(), key=lambda one: -one[1])),
            "harmless": dict(reasons.most_common()),
        }


def killers(table: Table, contracts: Mapping[str, Contract]) -> tuple[str, ...]:
    """Everything that notices a mutant: the laws, and each property that does not hold.

    A calm world, in which nothing fails and nobody interferes, is part of the whole one, so
    what is broken there is broken. Only what survives it is explored in the whole world, under a
    policy that allows a reboot: what matters to the others has shown itself before.
    """
    found: list[str] = [] if table.lawful() else [LAW]
    large = len(table.states) > _LARGE
    if found and large:
        return tuple(found)
    if large:
        calm = explore(build(table, contracts, calm=True, given=_WILLING), until_broken=True)
        if calm.broken:
            return _named(calm.broken)
    calm = explore(build(table, contracts, calm=True), until_broken=large)
    broken = judge(None, calm, thorough=False)
    if not found and not broken:
        whole = explore(build(table, contracts, given=_WILLING), until_broken=True)
        broken = judge(whole, calm, thorough=False)
    return (*found, *_named(broken))


def _named(broken: Iterable[str]) -> tuple[str, ...]:
    return tuple(one.id for one in PROPERTIES if one.id in set(broken))


def score(procedures: Iterable[Procedure] | None = None, every: int = 1) -> Score:
    """Make every mutant of the runbook's procedures (or those given), and try to kill it.

    A procedure that breaks a property itself is left out: its mutants would show nothing.

    Args:
        procedures: Whose mutants.
        every: Of each kind of mutant of a large table only each n-th, and the first; of others
            all.
    """
    given = PROCEDURES.values() if procedures is None else procedures
    mutants: list[Mutant] = []
    left_out: list[str] = []
    for procedure in given:
        if not verify(procedure).ok:
            left_out.append(procedure.name)
            continue
        contracts = contracts_for(procedure, extra=LITERAL_CONTRACTS)
        step = every if len(procedure.states) > _LARGE else 1
        mutants += [
            evolve(one, kills=killers(one.table, contracts))
            for one in each_nth_of_a_kind(mutants_of(procedure), step)
        ]
    return Score(mutants=tuple(mutants), left_out=tuple(left_out))


def each_nth_of_a_kind(mutants: Iterable[Mutant], n: int) -> Iterator[Mutant]:
    """The first mutant of each kind, and of that kind each n-th after it."""
    seen = Counter[str]()
    for one in mutants:
        if seen[one.kind] % n == 0:
            yield one
        seen[one.kind] += 1


# --- survivors -----------------------------------------------------------------------------------

_AGAIN = "looks once more before it goes on or ends"
_RELOADS = "restarts POP3 once more before it gives up, and does nothing where nothing is owed"

#: Why a mutant that nothing kills does no harm: what its name is like, and the reason.
HARMLESS: Final[tuple[tuple[str, str], ...]] = (
    (
        r"rebooting failed to awaiting_server$",
        "a command that failed may still have an effect: the boot time will tell",
    ),
    (
        (
            r"(failing_back done|healthy|succeeded|not_found)( \[.*\])? "
            r"to (reprobing|checking_health|waiting|awaiting)_\w+$"
        ),
        _AGAIN,
    ),
    (
        (
            r"(draining|verifying_no_active_copies|failing_back|reprobing_mailbox_side) "
            r"(failed|refused|active|could_not_tell) to "
            r"(reprobing_mailbox_side|failing_back)(_unhealed|_on_proof)?$"
        ),
        "tries to put the server back once more, on the same proof, before it is handed over",
    ),
    (
        (
            r"reprobing timed_out to escalated$"
            r"|checking_backends_hung unhealthy to disabling_protocol_logging_unhealed$"
            r"|skipped: checking_backends_hung, straight to disabling_protocol_logging_unhealed$"
        ),
        "a hang that the restart did not cure is handed over, without healing whose hang it is",
    ),
    (
        (
            r"(reprobing_after_reboot \w+ \[(not )?drained\]|failing_back_unhealed done) "
            r"to (reprobing_mailbox_side|disabling_protocol_logging)$"
        ),
        "puts back what is to be put back, and looks once more before it ends",
    ),
    (
        (
            r"reprobing_after_failback succeeded to escalated$"
            r"|skipped: reprobing_after_failback, straight to escalated$"
        ),
        "a server that is put back and well is handed over: a person looks once too often",
    ),
    (
        r"rebooting: impact \w+( \w+)? ?understated$|impact understated$",
        "a policy that forbids it has already forbidden what comes before it",
    ),
    (
        (
            r"restarting_pop3 (refused|could_not_tell) to (reprobing|enabling_protocol_logging)$"
            r"|skipped: restarting_pop3, straight to reprobing$"
        ),
        "the restart with logging on still comes before any reboot",
    ),
    (r"to restarting_pop3_(unhealed|cancelled)$", _RELOADS),
    (
        r"enabling_protocol_logging (failed|could_not_tell) to checking_backends(_hung)?$",
        "no back end was looked for, so none can be checked, and it gives up",
    ),
    (
        (
            r"restarting_pop3_for_logging (refused|could_not_tell) to \w+$"
            r"|skipped: restarting_pop3_for_logging, straight to reprobing_with_logging$"
        ),
        "without that restart the log lacks the probe, so no back end can be told, and it gives up",
    ),
    (
        (
            r"disabling_protocol_logging \w+ to disabling_protocol_logging_unhealed$"
            r"|restarting_pop3_after_logging \w+ to disabling_protocol_logging_unhealed$"
        ),
        "tries once more to set logging back before it gives up",
    ),
    (
        (
            r"restarting_pop3_after_logging failed to escalated$"
            r"|swapped: restarting_pop3_after_logging failed and (refused|could_not_tell)$"
        ),
        "gives up and hands over, with one try more or less",
    ),
    (
        (
            r"pop_proxy: .*(starting_pop3 \w+|reprobing (failed|could_not_tell)) "
            r"to (reprobing|waiting)$"
            r"|pop_proxy: .*skipped: (starting_pop3|reprobing), straight to (reprobing|waiting)$"
        ),
        "is probed after the wait all the same, and set back if POP does not work then",
    ),
    (
        r"keeping_pop_proxy inactive to escalated$",
        "it is offline again, as it was before: a person is told to set back what is so already",
    ),
    (
        r"deactivating_(unhealed|cancelled): debt not settled$",
        "hands over what has in fact been settled: a person looks once too often",
    ),
    (
        r"(restarting_pop3_(unhealed|cancelled)|failing_back_unhealed): debt not settled$",
        "hands over what has in fact been settled: a person looks once too often",
    ),
)


def harmless(mutant: Mutant) -> str | None:
    """The reason why a survivor does no harm; None if there is none."""
    return next((reason for like, reason in HARMLESS if re.search(like, mutant.name)), None)


def tried() -> dict[str, str]:
    """The tables that the mutants are made from, by their hashes."""
    return {name: table.hash for name, table in sorted(PROCEDURES.items())}


def main() -> int:
    """The command line; 1 if there is a survivor without a reason."""
    found = score()
    FOUND.write_text(json.dumps(found.to_json(), indent=2) + "\n", encoding="utf-8")
    print(f"mutants: {len(found.mutants)}, killed: {found.killed}")
    print(*(f"  {n:5} {name}" for name, n in found.by_killer.items()), sep="\n")
    print(f"unexplained: {len(found.unexplained())}")
    print(*(one.name for one in found.unexplained()), sep="\n")
    return bool(found.unexplained())


if __name__ == "__main__":
    sys.exit(main())
