"""What a run may do and how long it waits: explicit, passed in, safe by default."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from types import MappingProxyType
from typing import Any

from attrs import field, frozen, validators

from popheal.errors import ConfigurationError, PophealError
from popheal.healthsets.pop.catalog import DEPENDENCY_HEALTH_SETS
from popheal.policy.windows import Window
from popheal.tables.actions import Impact

# True is an int to Python, and NaN is neither above nor below anything.
_not_a_flag: Any = validators.not_(validators.instance_of(bool))
_flag: Any = validators.instance_of(bool)
_number: Any = validators.and_(
    validators.instance_of((int, float)),
    _not_a_flag,
    validators.ge(0),
    validators.lt(float("inf")),
)
_positive: Any = validators.and_(_number, validators.gt(0))
_count: Any = validators.and_(validators.instance_of(int), _not_a_flag, validators.ge(0))

#: What putting back is not: from the least drastic to the most.
_DRASTIC = (Impact.LOOK, Impact.CHANGE, Impact.DISRUPT)
#: Those that a window or an approval can be asked for.
_EFFECTS = (Impact.CHANGE, Impact.DISRUPT)


def _frozen(given: Mapping[str, tuple[str, ...]]) -> Mapping[str, tuple[str, ...]]:
    if any(isinstance(sets, str) for sets in given.values()):
        # A text is a sequence too, of its letters.
        raise TypeError("each dependency is a list of health sets, not one text")
    return MappingProxyType({name: tuple(sets) for name, sets in given.items()})


def _windows(given: Iterable[Window]) -> tuple[Window, ...]:
    return tuple(given)


def _reaches(impact: Impact, least: Impact | None) -> bool:
    """Whether an impact is at least that one. Looking and putting back never are."""
    if least is None or impact.harmless:
        return False
    return _DRASTIC.index(impact) >= _DRASTIC.index(least)


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
        approval_deadline: How long a person may take to approve.
        approval_poll: How often it is looked meanwhile whether somebody has.
        stop_poll: How often a pause looks whether somebody said stop.
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
    approval_deadline: float = field(default=3600.0, validator=_positive)
    approval_poll: float = field(default=5.0, validator=_positive)
    stop_poll: float = field(default=5.0, validator=_positive)


@frozen(kw_only=True)
class Policy:
    """How far a run may go.

    Attributes:
        timing: Waits, deadlines and bounds.
        highest_impact: The most drastic effect allowed: DISRUPT, or CHANGE for "never reboot",
            or LOOK for "change nothing". Putting back is always allowed.
        reboots_per_server: How often one server may be restarted within 24 hours, whoever
            restarts it, as far as popheal knows: from its journal, and from the recovery actions
            of Managed Availability.
        hours_between_reboots: How many hours lie at least between the restarts of two members
            of one database availability group. Two restarts of the same server are limited by
            ``reboots_per_server``.
        restarts_per_hour: How often the POP3 services of one server may be restarted within one
            hour, counted likewise.
        windows: When something may be done, see ``window_from``. Empty: at any time.
        window_from: The least impact that needs an open window: CHANGE or DISRUPT.
        healthy_members: How many other members of a database availability group must be
            operational and not drained before one is taken out of service. None: all of them.
        approval_from: The least impact that a person must approve: CHANGE or DISRUPT. None:
            nothing needs an approval.
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
        dependencies: The health sets that stand for each dependency of the runbook's table.
    """

    timing: Timing = field(default=Timing(), validator=validators.instance_of(Timing))
    highest_impact: Impact = field(default=Impact.DISRUPT, validator=validators.in_(_DRASTIC))
    reboots_per_server: int = field(default=1, validator=_count)
    hours_between_reboots: float = field(default=4.0, validator=_number)
    restarts_per_hour: int = field(default=6, validator=_count)
    windows: tuple[Window, ...] = field(
        default=(),
        converter=_windows,
        validator=validators.deep_iterable(validators.instance_of(Window)),
    )
    window_from: Impact = field(default=Impact.CHANGE, validator=validators.in_(_EFFECTS))
    healthy_members: int | None = field(
        default=None, validator=validators.optional([_count, _positive])
    )
    approval_from: Impact | None = field(
        default=None, validator=validators.optional(validators.in_(_EFFECTS))
    )
    heed_managed_availability: bool = field(default=True, validator=_flag)
    probe_failures: int = field(default=2, validator=[_count, _positive])
    reboot_last_of_role: bool = field(default=False, validator=_flag)
    move_databases_back: bool = field(default=False, validator=_flag)
    sibling_share: float = field(default=0.5, validator=[_positive, validators.le(1.0)])
    dependencies: Mapping[str, tuple[str, ...]] = field(
        default=DEPENDENCY_HEALTH_SETS, converter=_frozen
    )

    def allows(self, impact: Impact) -> bool:
        """Whether an action of this impact may be carried out."""
        return impact.harmless or _DRASTIC.index(impact) <= _DRASTIC.index(self.highest_impact)

    def needs_window(self, impact: Impact) -> bool:
        """Whether an action of this impact may be started in an open window only."""
        return bool(self.windows) and _reaches(impact, self.window_from)

    def needs_approval(self, impact: Impact) -> bool:
        """Whether a person must approve an action of this impact."""
        return _reaches(impact, self.approval_from)

    def to_json(self) -> dict[str, Any]:
        """The policy as plain JSON values."""
        data: dict[str, Any] = _converter().unstructure(self)
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Policy:
        """The policy that :meth:`to_json` described; what is missing has its default.

        Raises:
            ConfigurationError: A key is unknown, or a value is not what it may be.
        """
        from cattrs import BaseValidationError, transform_error

        problem = f"{data!r} is no JSON object"
        if isinstance(data, Mapping):
            try:
                policy: Policy = _converter().structure(data, cls)
            except BaseValidationError as error:
                problem = "; ".join(transform_error(error, "policy", _said))
            else:
                return policy
        raise ConfigurationError(
            source="A policy given as JSON",
            problem=problem,
            next_step="If another version of popheal wrote it, use that version.",
        )


def _said(error: BaseException, kind: type | None) -> str:
    from cattrs.v import format_exception

    if isinstance(error, PophealError):
        return error.sentence()
    if isinstance(error, (ValueError, TypeError)):
        return str(error.args[0])  # what else there is, is for programs
    return format_exception(error, kind)


def _exactly(*kinds: type) -> Any:
    """Takes a value of these types as it is; cattrs would make True of "no", and 1 of 1.5."""

    def hook(value: Any, _: Any) -> Any:
        if type(value) in kinds:
            return value
        raise TypeError(f"{value!r} is not of the type {kinds[0].__name__}")

    return hook


def _texts(value: Any, _: Any) -> tuple[str, ...]:
    if isinstance(value, (list, tuple)) and all(isinstance(one, str) for one in value):
        return tuple(value)
    raise TypeError(f"{value!r} is not a list of texts")


@cache
def _converter() -> Any:
    # Imported here: a program that never asks for JSON should not wait for it.
    from cattrs.preconf.json import make_converter

    converter = make_converter(forbid_extra_keys=True)
    converter.register_structure_hook(bool, _exactly(bool))
    converter.register_structure_hook(int, _exactly(int))
    converter.register_structure_hook(float, _exactly(float, int))
    converter.register_structure_hook(str, _exactly(str))
    converter.register_structure_hook_func(lambda kind: kind == tuple[str, ...], _texts)
    return converter
