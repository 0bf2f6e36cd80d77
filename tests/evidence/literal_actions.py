"""The commands of the runbook's text, as it has them, and what is assumed of each.

The page knows no command that fails and no answer that is lost, so neither do these.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from attrs import evolve

from popheal.tables import actions
from popheal.tables.actions import Action, Impact
from popheal.tables.outcomes import EFFECT_OUTCOMES
from popheal.verify.contracts import CONTRACTS
from popheal.verify.model import Answer, Contract


def _command(name: str, impact: Impact, sentence: str, **bounds: Any) -> Action:
    return Action(name=name, impact=impact, outcomes=("done",), sentence=sentence, **bounds)


PROBE = evolve(actions.PROBE, outcomes=("succeeded", "failed"))
CHECK_HEALTH = evolve(actions.CHECK_HEALTH, outcomes=("healthy", "unhealthy"))
CHECK_BACKENDS = evolve(actions.CHECK_BACKENDS, outcomes=("healthy", "unhealthy"))
FIND = evolve(actions.FIND_BACKENDS, outcomes=("found",))
VERIFY = evolve(actions.VERIFY_COPIES, outcomes=("clear", "active"))
MOVE_OUT = _command("move_databases_out", Impact.DISRUPT, "Set ...AndMoveNow to $true")
ALLOW = _command("allow_activation", Impact.RESTORE, "Set ...AndMoveNow to $false")
#: The restart as the text has it: just that.
LITERAL_RESTART: Final = "restart_server"
RESTART = _command(
    LITERAL_RESTART,
    Impact.DISRUPT,
    "Restart the server",
    reboots=1,
    reasons=("failed", "refused"),
)
EVERYWHERE = _command(
    "restart_everywhere",
    Impact.CHANGE,
    "Restart POP3 on the servers that run the CAS role",
    restarts=1,
)
LOGGING_ON = _command("turn_logging_on", Impact.CHANGE, "Turn protocol logging on")
LOGGING_OFF = _command("turn_logging_off", Impact.RESTORE, "Turn protocol logging off")
FOLLOW = _command(
    "follow_mailbox_section", Impact.DISRUPT, "Follow the steps of the mailbox section there"
)


def plain(service: Action) -> Action:
    return evolve(service, outcomes=("done",))


def _bare(action: Action, said: str, sends: str, *ways: tuple[str, dict[str, str]]) -> Contract:
    """A command that does what the text says of it, whatever the world is like."""
    return Contract(
        action=action,
        sentence=said,
        answers=tuple(
            Answer(outcome="done", sentence=one, then=then, sends=sends) for one, then in ways
        ),
    )


#: A drain that does not ask directly before whether something holds at which triage would stop.
UNASKED: Final = "drain_unasked"


def _unasked() -> Contract:
    drain = CONTRACTS[actions.DRAIN.name]
    return evolve(
        drain,
        action=evolve(drain.action, name=UNASKED),
        answers=tuple(
            evolve(one, when={name: value for name, value in one.when.items() if name != "gate"})
            for one in drain.answers
        ),
    )


#: What is assumed of the text's commands.
LITERAL_CONTRACTS: Final[Mapping[str, Contract]] = MappingProxyType(
    {
        one.action.name: one
        for one in (
            _unasked(),
            Contract(
                action=MOVE_OUT,
                sentence="It sets a value, whatever it was before; the databases may follow.",
                answers=(
                    Answer(
                        outcome="done",
                        sentence="Activation is disabled.",
                        when={"activation": "allowed"},
                        then={"activation": "ours"},
                        sends="drain",
                    ),
                    Answer(
                        outcome="done",
                        sentence="Activation was disabled already, by somebody else.",
                        when={"activation": "others"},
                        sends="drain",
                    ),
                ),
            ),
            _bare(
                ALLOW,
                "It sets a value, whatever it was before and whoever had set it.",
                "allow_activation",
                ("Activation is allowed.", {"activation": "allowed"}),
            ),
            Contract(
                action=RESTART,
                sentence="It restarts the server that is up, whatever is on it.",
                answers=(
                    Answer(
                        outcome="done",
                        sentence="The server goes down.",
                        when={"server": "up"},
                        then={"boots": "commanded", "server": "down"},
                        sends="reboot",
                    ),
                    *(Answer(outcome=one, sentence="It failed.") for one in EFFECT_OUTCOMES[1:]),
                ),
            ),
            _bare(
                EVERYWHERE,
                "It restarts the service here, and on every other server of the role.",
                "restart_elsewhere",
                ("The service was restarted on each.", {}),
            ),
            Contract(
                action=LOGGING_ON,
                sentence="It sets a value, whatever it was before.",
                answers=(
                    Answer(
                        outcome="done",
                        sentence="Logging is on.",
                        when={"logging": "off"},
                        then={"logging": "ours"},
                        sends="logging_on",
                    ),
                    Answer(
                        outcome="done",
                        sentence="Logging was on already, by somebody else's doing.",
                        when={"logging": ("ours", "others")},
                        sends="logging_on",
                    ),
                ),
            ),
            _bare(
                LOGGING_OFF,
                "It sets a value, whatever it was before and whoever had set it.",
                "logging_off",
                ("Logging is off.", {"logging": "off"}),
            ),
            _bare(
                FOLLOW,
                "The steps of that section on another member of the group; their last one "
                "may leave it drained.",
                "recover",
                ("The Mailbox server is well.", {"found": "well"}),
                ("Support was called; the Mailbox server is left drained.", {"backend": "out"}),
            ),
        )
    }
)
