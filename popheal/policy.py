"""What a run may do and how long it waits: explicit, passed in, safe by default."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from attrs import field, frozen, validators

from popheal.actions import Impact
from popheal.catalogue import DEPENDENCY_HEALTH_SETS

_positive: Any = validators.and_(validators.gt(0), validators.lt(float("inf")))
_count: Any = validators.and_(
    validators.instance_of(int), validators.not_(validators.instance_of(bool))
)

#: What putting back is not: from the least drastic to the most.
_DRASTIC = (Impact.LOOK, Impact.CHANGE, Impact.DISRUPT)


def _frozen(given: Mapping[str, tuple[str, ...]]) -> Mapping[str, tuple[str, ...]]:
    return MappingProxyType({name: tuple(sets) for name, sets in given.items()})


@frozen(kw_only=True)
class Timing:
    """Waits, deadlines and bounds. Seconds, except the number of attempts.

    Attributes:
        settle: The runbook's ten minutes (CommandTime 2 and 4).
        degraded_pause: A Degraded monitor turns Unhealthy, or not, within this time.
        probe_attempts: How often a look that could not tell is tried in all.
        probe_pause: Pause between such looks.
        service_deadline: How long a service may take to restart.
        service_poll: How often it is looked at meanwhile.
        drain_deadline: How long the databases may take to leave.
        drain_poll: How often the copies are looked at meanwhile.
        reboot_deadline: How long a server may take to come back with its services.
        reboot_poll: How often it is looked for meanwhile.
        command_timeout: How long one remote command may take; used by remote backends.
    """

    settle: float = field(default=600.0, validator=_positive)
    degraded_pause: float = field(default=60.0, validator=_positive)
    probe_attempts: int = field(default=3, validator=[_count, _positive])
    probe_pause: float = field(default=30.0, validator=_positive)
    service_deadline: float = field(default=300.0, validator=_positive)
    service_poll: float = field(default=5.0, validator=_positive)
    drain_deadline: float = field(default=1800.0, validator=_positive)
    drain_poll: float = field(default=15.0, validator=_positive)
    reboot_deadline: float = field(default=2700.0, validator=_positive)
    reboot_poll: float = field(default=15.0, validator=_positive)
    command_timeout: float = field(default=300.0, validator=_positive)


@frozen(kw_only=True)
class Policy:
    """How far a run may go.

    Attributes:
        timing: Waits, deadlines and bounds.
        highest_impact: The most drastic effect allowed: DISRUPT, or CHANGE for "never reboot",
            or LOOK for "change nothing". Putting back is always allowed.
        reboots_per_server: How often one healing may restart the same server.
        probe_failures: How many runs of a probe in a row must fail before it counts as failed;
            never more than ``timing.probe_attempts``.
        reboot_last_of_role: Allow the restart of a client access server that is the only one
            of its site. Its clients are cut off meanwhile.
        move_databases_back: Move the databases that were switched over back at the end. Else
            the product does it by itself (2016 CU2 and later) or a person (2013).
        sibling_share: Escalate without acting if this share of the servers of the same role in
            the site (at least one) has the same monitor Unhealthy: the cause is elsewhere.
        dependencies: The health sets that stand for each dependency of the runbook's table.
    """

    timing: Timing = Timing()
    highest_impact: Impact = field(default=Impact.DISRUPT, validator=validators.in_(_DRASTIC))
    reboots_per_server: int = field(default=1, validator=[_count, validators.ge(0)])
    probe_failures: int = field(default=2, validator=[_count, _positive])
    reboot_last_of_role: bool = False
    move_databases_back: bool = False
    sibling_share: float = field(default=0.5, validator=[_positive, validators.le(1.0)])
    dependencies: Mapping[str, tuple[str, ...]] = field(
        default=DEPENDENCY_HEALTH_SETS, converter=_frozen
    )

    def allows(self, impact: Impact) -> bool:
        """Whether an action of this impact may be carried out."""
        return impact.harmless or _DRASTIC.index(impact) <= _DRASTIC.index(self.highest_impact)
