"""The closed set of things a procedure can do, and what can come of each.

An action is a name, an impact, and the outcomes that it can have. A procedure's table says
which action a state performs; :mod:`popheal.engine.actions` says how each is carried out.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from attrs import evolve, frozen

from popheal.tables.debts import DebtKind


class Impact(Enum):
    """What an action does to the world."""

    LOOK = "look"  #: Nothing: it observes.
    RESTORE = "restore"  #: Puts something back as it was found.
    CHANGE = "change"  #: Changes something small: a service restart, a setting.
    DISRUPT = "disrupt"  #: Takes a server out of service: drain, reboot.

    @property
    def harmless(self) -> bool:
        """Whether it may follow "could not tell"."""
        return self in (Impact.LOOK, Impact.RESTORE)


#: The outcome that every action but a wait can have: nobody knows.
COULD_NOT_TELL: Final = "could_not_tell"

#: What an effect can come to. ``refused``: not attempted, nothing was changed.
#: ``failed``: attempted, and it did not do what it should; what it did change may remain.
EFFECT_OUTCOMES: Final = ("done", "failed", "refused", COULD_NOT_TELL)


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
        sentence: What it does, for people.
    """

    name: str
    impact: Impact
    outcomes: tuple[str, ...]
    argument: str = ""
    incurs: DebtKind | None = None
    pays: DebtKind | None = None
    sentence: str = ""

    def __str__(self) -> str:
        return f"{self.name}({self.argument})" if self.argument else self.name


def _look(name: str, *outcomes: str, sentence: str) -> Action:
    return Action(
        name=name, impact=Impact.LOOK, outcomes=(*outcomes, COULD_NOT_TELL), sentence=sentence
    )


#: Which of the two POP3 services a restart is about.
FRONT_END: Final = "front_end"
BACK_END: Final = "back_end"
#: Front end where the server has the Client Access role, back end where it has the Mailbox role.
BY_ROLE: Final = "by_role"

# --- looks --------------------------------------------------------------------------------------

PROBE: Final = _look(
    "probe", "succeeded", "failed", sentence="Rerun the probe of the failing monitor"
)
PROBE_SELF_TEST: Final = evolve(
    PROBE, argument="PopSelfTestProbe", sentence="Run PopSelfTestProbe on the server"
)
CHECK_HEALTH: Final = _look(
    "check_health",
    "healthy",
    "unhealthy",
    sentence="Read the monitor's health, evaluated since the last change",
)
CHECK_SWITCHOVER: Final = _look(
    "check_switchover",
    "feasible",
    "infeasible",
    sentence="Check that every active database can be switched over to another server",
)
VERIFY_COPIES: Final = _look(
    "verify_copies",
    "clear",
    "active",
    sentence="Wait until the server hosts no active copy",
)
FIND_BACKENDS: Final = _look(
    "find_backends",
    "found",
    "not_found",
    sentence="Find the Mailbox server that served the failed probe",
)
CHECK_BACKENDS: Final = _look(
    "check_backends",
    "healthy",
    "unhealthy",
    sentence="Read the POP health of the Mailbox servers found",
)
WAIT: Final = Action(
    name="wait",
    impact=Impact.LOOK,
    outcomes=("elapsed",),
    sentence="Wait (the runbook's ten minutes)",
)

# --- effects ------------------------------------------------------------------------------------


def restart_service(which: str) -> Action:
    """Restart the POP3 service: FRONT_END, BACK_END or BY_ROLE."""
    services = {
        FRONT_END: "the POP3 service",
        BACK_END: "the POP3 back-end service",
        BY_ROLE: "the POP3 services of the server's roles",
    }
    return Action(
        name="restart_service",
        argument=which,
        impact=Impact.CHANGE,
        outcomes=EFFECT_OUTCOMES,
        sentence=f"Restart {services[which]}",
    )


ENABLE_PROTOCOL_LOGGING: Final = Action(
    name="enable_protocol_logging",
    impact=Impact.CHANGE,
    outcomes=EFFECT_OUTCOMES,
    incurs=DebtKind.PROTOCOL_LOGGING,
    sentence="Turn POP3 protocol logging on",
)
DRAIN: Final = Action(
    name="drain",
    impact=Impact.DISRUPT,
    outcomes=EFFECT_OUTCOMES,
    incurs=DebtKind.ACTIVATION_DISABLED,
    sentence="Disable database activation and switch the active databases over",
)
REBOOT: Final = Action(
    name="reboot",
    impact=Impact.DISRUPT,
    outcomes=EFFECT_OUTCOMES,
    sentence="Look at the copies once more, then restart the server",
)
RECOVER_BACKENDS: Final = Action(
    name="recover_backends",
    impact=Impact.DISRUPT,
    outcomes=EFFECT_OUTCOMES,
    sentence="Heal each unhealthy Mailbox server found, one at a time",
)
#: Not a mere look: services that ran before the reboot and don't start by themselves are started.
AWAIT_SERVER: Final = Action(
    name="await_server",
    impact=Impact.RESTORE,
    outcomes=("up", "not_back", COULD_NOT_TELL),
    sentence="Wait for the server and for the services that ran before",
)
FAIL_BACK: Final = Action(
    name="fail_back",
    impact=Impact.RESTORE,
    outcomes=EFFECT_OUTCOMES,
    pays=DebtKind.ACTIVATION_DISABLED,
    sentence="Allow database activation again, as it was before",
)
RESTORE_PROTOCOL_LOGGING: Final = Action(
    name="restore_protocol_logging",
    impact=Impact.RESTORE,
    outcomes=EFFECT_OUTCOMES,
    sentence="Set POP3 protocol logging back as it was",
)
#: The restart that makes a restored logging setting take effect. Only this pays the debt: until
#: then the running service goes on logging.
RELOAD_POP3: Final = Action(
    name="reload_pop3",
    impact=Impact.RESTORE,
    outcomes=EFFECT_OUTCOMES,
    pays=DebtKind.PROTOCOL_LOGGING,
    sentence="Restart the POP3 service, so that the restored setting takes effect",
)
