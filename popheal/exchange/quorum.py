"""Whether the cluster of a database availability group holds without one of its members. Pure.

Without a majority of its votes the cluster stops, and every database of the group with it. Each
member has a vote; where their number is even, the file share witness has one too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from attrs import frozen

from popheal.exchange.models import Dag, ReplicationCheck
from popheal.exchange.names import same_server

#: What Test-ReplicationHealth must have found in order on each member that stays: the cluster and
#: its quorum, and what takes databases over.
NEEDED_CHECKS: Final = (
    "ClusterService",
    "QuorumGroup",
    "ActiveManager",
    "ReplayService",
    "TcpListener",
)
#: Whether the witness can be reached. That it is in use (``WitnessShareInUse``) doesn't say so.
WITNESS_CHECK: Final = "FileShareQuorum"

_WITNESS_IN_USE: Final = {"primary", "alternate"}
_NO_WITNESS: Final = {"none", "invalidconfiguration"}


def has_even_votes(dag: Dag) -> bool:
    """Whether the members alone could be split in halves, so that a witness votes."""
    return len(dag.members) % 2 == 0


def needs_witness(dag: Dag) -> bool:
    """Whether the witness has a vote, or is not said to have none."""
    return has_even_votes(dag) and dag.witness.casefold() not in _NO_WITNESS


def keeps_majority(dag: Dag, staying: int) -> bool:
    """Whether that many members, with the witness if it has a vote, are more than half of it.

    Where it isn't told whether there is a witness, it counts as one that doesn't answer.
    """
    witness = has_even_votes(dag) and dag.witness.casefold() in _WITNESS_IN_USE
    votes = len(dag.members) + (1 if needs_witness(dag) else 0)
    return 2 * (staying + witness) > votes


@frozen(kw_only=True)
class QuorumSeen:
    """What the checks of one member say.

    Attributes:
        failed: Those that matter here and did not pass.
        missing: Names of those that matter and were not told: could not tell.
    """

    failed: tuple[ReplicationCheck, ...] = ()
    missing: tuple[str, ...] = ()


def read_checks(server: str, checks: Sequence[ReplicationCheck], *, witness: bool) -> QuorumSeen:
    """What a member's checks say of the quorum.

    Args:
        server: The member. Rows of other servers are left out.
        checks: The rows of ``Test-ReplicationHealth``, as they came.
        witness: Whether the check of the witness must be there; where it is, it must pass anyway.
    """
    mine = {one.check.casefold(): one for one in checks if same_server(one.server, server)}
    needed = (*NEEDED_CHECKS, WITNESS_CHECK) if witness else NEEDED_CHECKS
    matter = [mine.get(name.casefold()) for name in (*NEEDED_CHECKS, WITNESS_CHECK)]
    return QuorumSeen(
        failed=tuple(one for one in matter if one and one.result.casefold() != "passed"),
        missing=tuple(name for name in needed if name.casefold() not in mine),
    )
