"""The closed set of things a procedure can do, and what can come of each.

An action is a name, an impact, and the outcomes that it can have. A procedure's table says
which action a state performs; :mod:`popheal.engine.actions` says how each is carried out.
Whatever else is true of an action for everybody stands here too: how long it may take, what it
may command, when giving up after it is justified. What a person is then told to do stands in
``popheal.reports.advice``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Final, TypeVar

from attrs import Factory, evolve, field, frozen

from popheal.tables.debts import DebtKind
from popheal.tables.impacts import Impact as Impact  # noqa: PLC0414 - the place to import it from
from popheal.tables.outcomes import (
    BLOCKED,
    COULD_NOT_TELL,
    DONE,
    EFFECT_OUTCOMES,
    FAILED,
    OFF,
    REFUSED,
    TIMED_OUT,
    Outcome,
    outcome_of,
)
from popheal.tables.timing import Timing

T = TypeVar("T")


def _outcomes(words: Iterable[str]) -> tuple[Outcome, ...]:
    return tuple(map(outcome_of, words))


@frozen(kw_only=True)
class Action:
    """One thing a state does.

    Attributes:
        name: What is done, an imperative.
        impact: What it does to the world.
        outcomes: Every outcome it can have.
        argument: What it is done to, where the action leaves a choice.
        incurs: The debt it leaves, unless it was refused.
        pays: The debt it settles when done.
        effects: What it may command, each by the name under which a journal has it.
        looks: How many looks it takes, one after another, that are repeated with pauses, each
            as often as the timing allows.
        deadline: The field of the timing that says how long it waits, or polls, besides.
        prolonged: The field that says so where a reason seen at run time makes it last longer.
        restarts: How many services it restarts at most, each with its looks and deadline.
        reboots: How often it restarts the server at most.
        sees_pop: Whether it sees if POP works on the server.
        proves: Whether its success shows that the mailbox side of the server serves POP: only
            then may databases be allowed there again.
        last_resort: The outcomes that justify giving up only once everything else was tried.
        reasons: The outcomes that justify it at once: by default every other one but the good.
        sentence: What it does, for people.
    """

    name: str
    impact: Impact
    outcomes: tuple[Outcome, ...] = field(converter=_outcomes)
    argument: str = ""
    incurs: DebtKind | None = None
    pays: DebtKind | None = None
    effects: tuple[str, ...] = ()
    looks: int = 0
    deadline: str = ""
    prolonged: str = ""
    restarts: int = 0
    reboots: int = 0
    sees_pop: bool = False
    proves: bool = False
    last_resort: tuple[str, ...] = ()
    reasons: tuple[str, ...] = Factory(
        lambda self: tuple(
            one for one in self.outcomes if not one.good and one not in self.last_resort
        ),
        takes_self=True,
    )
    sentence: str = ""

    def __str__(self) -> str:
        return f"{self.name}({self.argument})" if self.argument else self.name

    def waits(self, timing: Timing) -> float:
        """How long it waits, or polls, besides its repeated looks, in seconds."""
        return float(getattr(timing, self.deadline)) if self.deadline else 0.0

    def longest(self, timing: Timing) -> float:
        """The longest that it may pause and wait in all, in seconds.

        The time in which remote commands answer comes on top outside of deadlines.
        """
        pauses = self.looks * (timing.probe_attempts - 1) * timing.probe_pause
        waits = self.waits(timing)
        if self.prolonged:
            waits = max(waits, float(getattr(timing, self.prolonged)))
        return (pauses + waits) * max(1, self.restarts)


#: Which of the two POP3 services a restart is about.
FRONT_END: Final = "front_end"
BACK_END: Final = "back_end"
#: Front end where the server has the Client Access role, back end where it has the Mailbox role.
BY_ROLE: Final = "by_role"

_look = partial(Action, impact=Impact.LOOK)
_effect = partial(Action, outcomes=EFFECT_OUTCOMES)

# --- looks --------------------------------------------------------------------------------------

PROBE: Final = _look(
    name="probe",
    outcomes=("succeeded", FAILED, TIMED_OUT, BLOCKED, COULD_NOT_TELL),
    looks=3,  # the boot time before and after it, too
    sees_pop=True,
    last_resort=(FAILED,),
    sentence="Rerun the probe of the failing monitor",
)
#: The same where that probe is one of the mailbox side.
PROBE_BACK_END: Final = evolve(PROBE, proves=True)
#: The probes of the mailbox side that can be run by hand, one after the other until one succeeds:
#: the proof that a failback needs, whatever the failing monitor is.
PROBE_MAILBOX_SIDE: Final = evolve(
    PROBE,
    argument="mailbox_side",
    outcomes=("succeeded", FAILED, COULD_NOT_TELL),
    proves=True,
    reasons=(COULD_NOT_TELL,),
    sentence="Run a probe of the server's mailbox side",
)
CHECK_HEALTH: Final = _look(
    name="check_health",
    outcomes=("healthy", "unhealthy", BLOCKED, COULD_NOT_TELL),
    looks=1,
    sees_pop=True,
    last_resort=("unhealthy",),
    sentence="Read the monitor's health, evaluated since the last change",
)


def after_reboot(look: Action) -> Action:
    """The same look after a restart of the server: repeated until POP has had time to come up."""
    return evolve(look, deadline="reboot_settle")


CHECK_SWITCHOVER: Final = _look(
    name="check_switchover",
    outcomes=("feasible", "infeasible", COULD_NOT_TELL),
    looks=11,  # triage's blockers, the limits, the group with the copies, and what comes after
    sentence="Check that every active database can be switched over to another server",
)
VERIFY_COPIES: Final = _look(
    name="verify_copies",
    outcomes=("clear", "active", COULD_NOT_TELL),
    deadline="drain_deadline",
    sentence="Wait until the server hosts no active copy",
)
FIND_BACKENDS: Final = _look(
    name="find_backends",
    outcomes=("found", "not_found", COULD_NOT_TELL),
    looks=3,
    reasons=(COULD_NOT_TELL,),
    sentence="Find the Mailbox server that served the failed probe",
)
CHECK_BACKENDS: Final = _look(
    name="check_backends",
    outcomes=("healthy", "unhealthy", OFF, COULD_NOT_TELL),
    looks=2,  # the service, and the monitors
    reasons=(OFF, COULD_NOT_TELL),
    sentence="Look at the POP3 service, and the POP health, of the Mailbox servers found",
)
WAIT: Final = _look(
    name="wait",
    outcomes=("elapsed",),
    deadline="settle",
    sentence="Wait (the runbook's ten minutes)",
)

# --- effects ------------------------------------------------------------------------------------

#: Without its argument, it stands for each :func:`restart_service`.
RESTART_SERVICE: Final = _effect(
    name="restart_service",
    impact=Impact.CHANGE,
    effects=("restart_service",),
    looks=1,
    deadline="service_deadline",
    restarts=1,
    reasons=(REFUSED, COULD_NOT_TELL),
    sentence="Restart a POP3 service",
)


def restart_service(which: str) -> Action:
    """Restart the POP3 service: FRONT_END, BACK_END or BY_ROLE."""
    services = {
        FRONT_END: "the POP3 service",
        BACK_END: "the POP3 back-end service",
        BY_ROLE: "the POP3 services of the server's roles",
    }
    return evolve(
        RESTART_SERVICE,
        argument=which,
        restarts=2 if which == BY_ROLE else 1,
        sentence=f"Restart {services[which]}",
    )


ENABLE_PROTOCOL_LOGGING: Final = _effect(
    name="enable_protocol_logging",
    impact=Impact.CHANGE,
    incurs=DebtKind.PROTOCOL_LOGGING,
    effects=("set_protocol_logging",),
    looks=1,
    deadline="service_deadline",
    sentence="Turn POP3 protocol logging on",
)
DRAIN: Final = _effect(
    name="drain",
    impact=Impact.DISRUPT,
    incurs=DebtKind.ACTIVATION_DISABLED,
    effects=("set_activation_disabled",),
    looks=11,  # what speaks against it is asked again right before
    deadline="service_deadline",
    sentence="Disable database activation and switch the active databases over",
)
REBOOT: Final = _effect(
    name="reboot",
    impact=Impact.DISRUPT,
    effects=("reboot",),
    looks=14,  # the same, with patience while copies and cluster settle
    reboots=1,
    reasons=(FAILED, REFUSED),
    sentence="Look at the copies once more, then restart the server",
)
#: Each of them is healed by a run of its own, with bounds of its own.
RECOVER_BACKENDS: Final = _effect(
    name="recover_backends",
    impact=Impact.DISRUPT,
    sentence="Heal each unhealthy Mailbox server found, one at a time",
)
#: Not a mere look: services that ran before the reboot and don't start by themselves are started.
AWAIT_SERVER: Final = Action(
    name="await_server",
    impact=Impact.RESTORE,
    outcomes=("up", "not_back", COULD_NOT_TELL),
    effects=("start_service",),
    deadline="reboot_deadline",
    prolonged="update_deadline",
    sentence="Wait for the server and for the services that ran before",
)
FAIL_BACK: Final = _effect(
    name="fail_back",
    impact=Impact.RESTORE,
    pays=DebtKind.ACTIVATION_DISABLED,
    effects=("set_activation_disabled", "move_database"),
    looks=2,
    deadline="service_deadline",
    sentence="Allow database activation again, as it was before",
)
#: The same where only the front end still fails, so that nothing has been healed: activation is
#: allowed again as soon as the mailbox side is seen to be well.
FAIL_BACK_UNHEALED: Final = evolve(
    FAIL_BACK,
    argument="unhealed",
    looks=6,  # copies, replication, and what holds, too
    sentence="Allow database activation again, as only the front end still fails",
)
RESTORE_PROTOCOL_LOGGING: Final = _effect(
    name="restore_protocol_logging",
    impact=Impact.RESTORE,
    effects=("set_protocol_logging",),
    deadline="service_deadline",
    sentence="Set POP3 protocol logging back as it was",
)
#: The restart that makes a restored logging setting take effect. Only this pays the debt: until
#: then the running service goes on logging.
RELOAD_POP3: Final = _effect(
    name="reload_pop3",
    impact=Impact.RESTORE,
    pays=DebtKind.PROTOCOL_LOGGING,
    effects=("restart_service",),
    looks=1,
    deadline="service_deadline",
    restarts=1,
    sentence="Restart the POP3 service, so that the restored setting takes effect",
)

# --- PopProxy -----------------------------------------------------------------------------------

CHECK_COMPONENT: Final = _look(
    name="check_component",
    outcomes=("feasible", "infeasible", COULD_NOT_TELL),
    looks=5,
    sentence="Check that HealthAPI alone keeps PopProxy inactive, and that nothing would at once "
    "take it offline again",
)
ACTIVATE_COMPONENT: Final = _effect(
    name="activate_component",
    impact=Impact.CHANGE,
    incurs=DebtKind.COMPONENT_ACTIVATED,
    effects=("set_component_state",),
    looks=6,  # everything once more, right before
    deadline="service_deadline",
    sentence="Make PopProxy active again, in the name of HealthAPI",
)
#: Pays, as what is seen to help is to stay.
KEEP_COMPONENT: Final = _look(
    name="keep_component",
    outcomes=(DONE, "inactive", COULD_NOT_TELL),
    pays=DebtKind.COMPONENT_ACTIVATED,
    looks=1,
    sentence="See that PopProxy is still active, and leave it so",
)
DEACTIVATE_COMPONENT: Final = _effect(
    name="deactivate_component",
    impact=Impact.RESTORE,
    pays=DebtKind.COMPONENT_ACTIVATED,
    effects=("set_component_state",),
    looks=1,
    deadline="service_deadline",
    sentence="Make PopProxy inactive again, in the name of HealthAPI, as it was before",
)

# --- all of them --------------------------------------------------------------------------------

#: Every action by its name, whatever its argument.
ACTIONS: Final[Mapping[str, Action]] = MappingProxyType(
    {
        one.name: one
        for one in (
            PROBE,
            CHECK_HEALTH,
            CHECK_SWITCHOVER,
            VERIFY_COPIES,
            FIND_BACKENDS,
            CHECK_BACKENDS,
            WAIT,
            RESTART_SERVICE,
            ENABLE_PROTOCOL_LOGGING,
            DRAIN,
            REBOOT,
            RECOVER_BACKENDS,
            AWAIT_SERVER,
            FAIL_BACK,
            RESTORE_PROTOCOL_LOGGING,
            RELOAD_POP3,
            CHECK_COMPONENT,
            ACTIVATE_COMPONENT,
            KEEP_COMPONENT,
            DEACTIVATE_COMPONENT,
        )
    }
)


def for_each_action(
    table: Mapping[Action, T], actions: Iterable[Action] = ACTIONS.values()
) -> Mapping[str, T]:
    """A table with an entry for each action, by its name.

    Args:
        table: The entries; for one that takes an argument, one for the action without it.
        actions: Those that there must be an entry for.

    Raises:
        ValueError: If an action has no entry, or an entry no action. A module that is made of
            such a table can't be imported then.
    """
    if odd := {one.name for one in table} ^ {one.name for one in actions}:
        raise ValueError(f"neither more nor less than each action: {', '.join(sorted(odd))}")
    return MappingProxyType({one.name: entry for one, entry in table.items()})
