"""What a run may do and how long it waits: explicit, passed in, safe by default."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum
from types import MappingProxyType
from typing import Any

from attrs import field, frozen

from popheal.healthsets.pop.catalog import DEPENDENCY_HEALTH_SETS
from popheal.healthsets.pop.causes import Cause
from popheal.policy.windows import Window
from popheal.tables.actions import ACTIVATE_COMPONENT, Action, Impact
from popheal.tables.timing import Timing
from popheal.util.calls import made_by_name
from popheal.util.numbers import HOURS, SHARE, whole
from popheal.util.schema import FLAG, TEXTS, Document, Reader, Rule, instance_of, member_of
from popheal.util.serialize import ADDED, to_jsonable


class Consent(Enum):
    """When something out of the ordinary may be done."""

    ASK = "ask"  #: Only if a person approves.
    NEVER = "never"
    ALLOW = "allow"  #: Like anything else of its impact.


#: What putting back is not: from the least drastic to the most.
_DRASTIC = (Impact.LOOK, Impact.CHANGE, Impact.DISRUPT)
#: Those that a window or an approval can be asked for.
_EFFECTS = (Impact.CHANGE, Impact.DISRUPT)


def _tuple(given: Any) -> Any:
    """A tuple of what is in a list or the like; anything else is left to the validator."""
    return given if isinstance(given, str) or not isinstance(given, Iterable) else tuple(given)


def _frozen(given: Any) -> Any:
    if not isinstance(given, Mapping):
        return given
    return MappingProxyType({name: _tuple(sets) for name, sets in given.items()})


_WINDOWS = Rule(
    "a list of windows",
    lambda value: isinstance(value, tuple) and all(isinstance(one, Window) for one in value),
    raw=False,
)
_CAUSES = Rule(
    "a list of causes",
    lambda value: isinstance(value, tuple) and all(isinstance(one, Cause) for one in value),
    raw=False,
)
_DEPENDENCIES = Rule(
    "a list of health sets for each dependency",
    lambda value: (
        isinstance(value, Mapping) and all(isinstance(sets, tuple) for sets in value.values())
    ),
    raw=False,
)


def _reaches(impact: Impact, least: Impact | None) -> bool:
    """Whether an impact is at least that one. Looking and putting back never are."""
    if least is None or impact.harmless:
        return False
    return _DRASTIC.index(impact) >= _DRASTIC.index(least)


@made_by_name
@frozen(kw_only=True)
class Policy:
    """How far a run may go.

    Attributes:
        timing: Waits, deadlines and bounds.
        highest_impact: The most drastic effect allowed: DISRUPT, or CHANGE for "never reboot",
            or LOOK for "change nothing". Putting back is always allowed.
        reboots_per_server: How often one server may be restarted within 24 hours, whoever
            restarts it, as far as popheal knows: from its journal, from the recovery actions of
            Managed Availability, and from its last boot.
        hours_between_reboots: How many hours lie at least between the restarts of two members
            of one database availability group, whoever restarted the other one: its last boot
            counts. Two restarts of the same server are limited by ``reboots_per_server``.
        restarts_per_hour: How often the POP3 services of one server may be restarted within one
            hour, counted likewise.
        windows: When something may be done, see ``window_from``. Empty: at any time.
        window_from: The least impact that needs an open window: CHANGE or DISRUPT.
        healthy_members: How many other members of a database availability group must be
            operational and not drained before one is taken out of service. None: all of them.
        approval_from: The least impact that a person must approve: CHANGE or DISRUPT. None:
            nothing needs an approval.
        approval_undecided: Nobody has said yet whether a person must approve what disrupts, as a
            configuration without ``approval_from`` does not. Then an approver is asked, and
            where there is none it is not done.
        approval_by_another: Whether that must be another person than the one who began the
            healing, or resumed it: told by the operating system's account, in a journal's file.
        heed_managed_availability: Read what Managed Availability does by itself, wait while it
            acts, and count its reboots and restarts.
        probe_failures: How many runs of a probe in a row must fail before it counts as failed;
            never more than ``timing.probe_attempts``.
        reboot_last_of_role: Allow the restart of a client access server that is the only one
            of its site. Its clients are cut off meanwhile.
        move_databases_back: Move the databases that were switched over back at the end. Else
            the product does it by itself (2016 CU2 and later) or a person (2013).
        sibling_share: Escalate without acting if this share of the servers of the same role in
            the site (at least one) has the same monitor Unhealthy: the cause is elsewhere.
            0: never.
        ignored_components: Server components that may be inactive without holding anything,
            whoever made them so.
        same_site_only: Switch databases over within their site only.
        healthy_copies: How many healthy copies of each database must stay elsewhere when a
            server is taken out of service, if that is more than Microsoft's own maintenance
            script asks for: two, or one where no more than two are configured (copies that lag do
            not count). None: no more than that.
        heed_backups: Take no server out of service while a database on it is being backed up.
        heed_pending_restart: Restart no server on which Windows has a restart pending: it will
            configure updates on the way.
        start_health_manager: Start the Health Manager service if it does not start by itself
            after a restart of the server.
        fail_back_unhealed: Allow activation again where only the front end still fails, once the
            mailbox side is seen to be well. Else the server stays drained.
        pop_proxy: Whether PopProxy may be made active again where Managed Availability alone has
            taken it offline: ASK, only if a person approves; NEVER; or ALLOW, as any CHANGE.
        dependencies: The health sets that stand for each dependency of the runbook's table.
        causes: Words of messages that name a cause, besides those that are known already: they
            forbid steps, and never permit any.
    """

    timing: Timing = field(default=Timing(), validator=instance_of(Timing))
    highest_impact: Impact = field(default=Impact.DISRUPT, validator=member_of(*_DRASTIC))
    reboots_per_server: int = field(default=1, validator=whole(0, 100))
    hours_between_reboots: float = field(default=4.0, validator=HOURS)
    restarts_per_hour: int = field(default=6, validator=whole(0, 1_000))
    windows: tuple[Window, ...] = field(default=(), converter=_tuple, validator=_WINDOWS)
    window_from: Impact = field(default=Impact.CHANGE, validator=member_of(*_EFFECTS))
    healthy_members: int | None = field(default=None, validator=whole(1, 16))
    approval_from: Impact | None = field(default=None, validator=member_of(*_EFFECTS))
    approval_undecided: bool = field(default=False, validator=FLAG, metadata=ADDED)
    approval_by_another: bool = field(default=False, validator=FLAG, metadata=ADDED)
    heed_managed_availability: bool = field(default=True, validator=FLAG)
    probe_failures: int = field(default=2, validator=whole(1, 100))
    reboot_last_of_role: bool = field(default=False, validator=FLAG)
    move_databases_back: bool = field(default=False, validator=FLAG)
    sibling_share: float = field(default=0.5, validator=SHARE)
    ignored_components: tuple[str, ...] = field(
        default=(), converter=_tuple, validator=TEXTS, metadata=ADDED
    )
    same_site_only: bool = field(default=False, validator=FLAG, metadata=ADDED)
    healthy_copies: int | None = field(default=None, validator=whole(1, 16), metadata=ADDED)
    heed_backups: bool = field(default=True, validator=FLAG, metadata=ADDED)
    heed_pending_restart: bool = field(default=False, validator=FLAG, metadata=ADDED)
    start_health_manager: bool = field(default=False, validator=FLAG, metadata=ADDED)
    fail_back_unhealed: bool = field(default=True, validator=FLAG, metadata=ADDED)
    pop_proxy: Consent = field(default=Consent.ASK, validator=member_of(*Consent), metadata=ADDED)
    dependencies: Mapping[str, tuple[str, ...]] = field(
        default=DEPENDENCY_HEALTH_SETS, converter=_frozen, validator=_DEPENDENCIES
    )
    causes: tuple[Cause, ...] = field(
        default=(), converter=_tuple, validator=_CAUSES, metadata=ADDED
    )

    def allows(self, impact: Impact) -> bool:
        """Whether an action of this impact may be carried out."""
        return impact.harmless or _DRASTIC.index(impact) <= _DRASTIC.index(self.highest_impact)

    def needs_window(self, impact: Impact) -> bool:
        """Whether an action of this impact may be started in an open window only."""
        return bool(self.windows) and _reaches(impact, self.window_from)

    def needs_approval(self, impact: Impact) -> bool:
        """Whether a person must approve an action of this impact."""
        if self.approval_undecided and impact is Impact.DISRUPT:
            return True
        return _reaches(impact, self.approval_from)

    def asks_about(self, action: Action) -> bool:
        """Whether a person must approve of an action: of its impact, or of it alone."""
        special = action.name == ACTIVATE_COMPONENT.name and self.pop_proxy is Consent.ASK
        return special or self.needs_approval(action.impact)

    def to_json(self) -> dict[str, Any]:
        """The policy as plain JSON values."""
        data: dict[str, Any] = to_jsonable(self)
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Policy:
        """The policy that :meth:`to_json` described; what is missing has its default.

        Raises:
            ConfigurationError: A key is unknown, or a value is not what it may be.
        """
        document = Document(
            name="A policy given as JSON",
            content=data,
            otherwise="If another version of popheal wrote it, use that version.",
        )
        return Reader(document).record(cls, (), data)
