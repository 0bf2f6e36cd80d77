"""What is assumed of each effect: what it changes, and what is known of that afterwards."""

from __future__ import annotations

from typing import Final

from popheal.tables import actions
from popheal.tables.actions import Action
from popheal.tables.outcomes import COULD_NOT_TELL
from popheal.verify.environment import NO, YES
from popheal.verify.model import Answer, Cond, Contract

#: An effect that was not attempted.
REFUSED: Final = Answer(outcome="refused", sentence="Not attempted; nothing was changed.")
#: Something unforeseen came up before anything was sent.
UNTOLD: Final = Answer(
    outcome=COULD_NOT_TELL, sentence="An answer could not be used; nothing was sent.", calm=False
)
#: Policies of which the budget of reboots is not spent.
_BUDGET: Final = ("look_only", "change_only", "one_reboot")
#: When a drain, and turning logging on, is attempted at all.
_DRAINS: Final[Cond] = {"role": "mailbox", "activation": "allowed", "gate": "open"}
_TURNS_ON: Final[Cond] = {"logging": "off"}
#: When PopProxy is made active at all.
_ACTIVATES: Final[Cond] = {"component": "inactive"}
_OWED: Final = (YES, "unclear")
#: When a failback is attempted at all.
_FAILS_BACK: Final[Cond] = {"role": "mailbox", "boot": ("seen", "ill", "probed")}
#: Activation, while no command of ours that disables it is under way.
_SETTLED: Final = ("allowed", "ours", "others")


def _unclear(effect: str, variable: str, when: Cond) -> tuple[Answer, ...]:
    """The command failed, or its answer was lost: it may have been carried out, or may still be."""
    return tuple(
        Answer(
            outcome=outcome,
            sentence=f"{said}; {what}.",
            when=when,
            then={variable: value},
            sends=effect,
            owes=True,
            calm=False,
        )
        for outcome, said in (
            ("failed", "The command came back with an error"),
            (COULD_NOT_TELL, "The answer was lost"),
        )
        for value, what in (
            ("ours", "it was carried out"),
            ("sent", "it may still be carried out"),
        )
    )


def _restart(action: Action, effect: str, when: Cond | None = None, only: str = "") -> Contract:
    def answer(outcome: str, sentence: str) -> Answer:
        return Answer(outcome=outcome, sentence=sentence, when=when or {}, sends=effect)

    return Contract(
        action=action,
        sentence=f"It may work, fail, not be attempted or stay unknown{only}. Nothing else "
        "depends on it: somebody else may restart the service at any time, too.",
        answers=(
            answer("done", "The service runs as a new process."),
            answer("failed", "The service does not run."),
            REFUSED,
            UNTOLD,
            answer(COULD_NOT_TELL, "The answer was lost."),
        ),
    )


EFFECTS: Final = (
    _restart(actions.RESTART_SERVICE, "restart"),
    _restart(
        actions.restart_service(actions.BACK_END),
        "restart",
        when={"role": "mailbox"},
        only="; only a server with the Mailbox role has that service",
    ),
    _restart(actions.RELOAD_POP3, "reload"),
    Contract(
        action=actions.DRAIN,
        sentence="It sets a value; no database has moved when it is done. It is refused where "
        "somebody else has drained the server, or a gate of triage holds directly before. A "
        "command that failed, or whose answer was lost, may have been carried out, or may be yet.",
        answers=(
            Answer(
                outcome="done",
                sentence="Activation is seen to be disabled.",
                when=_DRAINS,
                then={"activation": "ours"},
                sends="drain",
                owes=True,
            ),
            *_unclear("drain", "activation", _DRAINS),
            REFUSED,
            UNTOLD,
        ),
    ),
    Contract(
        action=actions.REBOOT,
        sentence="The command is sent only to a server that is up, where the budget allows a "
        "reboot at all, and if the looks directly before it see no gate of triage that holds, and "
        "no active copy; it "
        "names the boot that it means. Where somebody else has restarted the server since the run "
        "began, nothing is sent. That the run itself has restarted it already is not looked at.",
        answers=(
            *(
                Answer(
                    outcome=outcome,
                    sentence=sentence,
                    when={
                        "server": "up",
                        "policy": _BUDGET,
                        "boots": ("none", "commanded", "back"),
                        "gate": "open",
                        "copies": ("clear", "moving"),
                    },
                    then={"boots": "commanded"},
                    sends="reboot",
                    calm=outcome == "done",
                )
                for outcome, sentence in (
                    ("done", "The restart was commanded; none of the copies was active."),
                    ("failed", "The command came back with an error; it may still have an effect."),
                    (COULD_NOT_TELL, "The answer was lost; the command may still arrive."),
                )
            ),
            Answer(
                outcome="done",
                sentence="Somebody else has restarted it since the run began; nothing was sent.",
                when={"boots": "others"},
                calm=False,
            ),
            REFUSED,
            UNTOLD,
        ),
    ),
    Contract(
        action=actions.FAIL_BACK,
        sentence="It allows activation, whoever had disabled it and whatever was seen before. Its "
        "only guard of its own: the server has not booted since the run's last look at it. A "
        "command of before whose answer was lost may arrive after it.",
        answers=(
            Answer(
                outcome="done",
                sentence="Activation is seen to be allowed.",
                when={**_FAILS_BACK, "activation": _SETTLED},
                then={"activation": "allowed"},
                sends="allow_activation",
            ),
            Answer(
                outcome="done",
                sentence="Activation is seen to be allowed, before the command that disables it "
                "arrives.",
                when={**_FAILS_BACK, "activation": "sent"},
                sends="allow_activation",
                calm=False,
            ),
            Answer(
                outcome="failed",
                sentence="Activation is seen to be as it was.",
                when=_FAILS_BACK,
                sends="allow_activation",
            ),
            REFUSED,
            UNTOLD,
            Answer(
                outcome=COULD_NOT_TELL,
                sentence="The answer was lost; the command was carried out.",
                when={**_FAILS_BACK, "activation": _SETTLED},
                then={"activation": "allowed"},
                sends="allow_activation",
                calm=False,
            ),
            Answer(
                outcome=COULD_NOT_TELL,
                sentence="The answer was lost; the command was not carried out.",
                when=_FAILS_BACK,
                sends="allow_activation",
                calm=False,
            ),
        ),
    ),
    Contract(
        action=actions.ENABLE_PROTOCOL_LOGGING,
        sentence="It turns logging on and notes the debt, unless it was on before. A command that "
        "failed, or whose answer was lost, may have been carried out, or may still be.",
        answers=(
            Answer(
                outcome="done",
                sentence="Logging is seen to be on.",
                when=_TURNS_ON,
                then={"logging": "ours"},
                sends="logging_on",
                owes=True,
            ),
            Answer(
                outcome="done",
                sentence="Logging was on before this run; nothing was sent.",
                when={"logging": "others"},
                calm=False,
            ),
            *_unclear("logging_on", "logging", _TURNS_ON),
            REFUSED,
            UNTOLD,
        ),
    ),
    Contract(
        action=actions.RESTORE_PROTOCOL_LOGGING,
        sentence="It sets logging to the value noted with the debt, and does nothing where the run "
        "owes none. A command of before whose answer was lost may arrive after it.",
        answers=(
            Answer(
                outcome="done",
                sentence="Logging is seen to be off.",
                when={"owes_logging": _OWED, "logging": ("ours", "off")},
                then={"logging": "off"},
                sends="logging_off",
            ),
            Answer(
                outcome="done",
                sentence="Logging is seen to be off, before the command that turns it on arrives.",
                when={"owes_logging": _OWED, "logging": "sent"},
                sends="logging_off",
                calm=False,
            ),
            Answer(
                outcome="done",
                sentence="This run had not turned it on; nothing was sent.",
                when={"owes_logging": NO},
                calm=False,
            ),
            Answer(
                outcome="failed",
                sentence="Logging is seen to be on.",
                when={"owes_logging": _OWED},
                sends="logging_off",
            ),
            REFUSED,
            UNTOLD,
            Answer(
                outcome=COULD_NOT_TELL,
                sentence="The answer was lost; the command was not carried out.",
                when={"owes_logging": _OWED},
                sends="logging_off",
                calm=False,
            ),
            Answer(
                outcome=COULD_NOT_TELL,
                sentence="The answer was lost; the command was carried out.",
                when={"owes_logging": _OWED, "logging": "ours"},
                then={"logging": "off"},
                sends="logging_off",
                calm=False,
            ),
        ),
    ),
    Contract(
        action=actions.ACTIVATE_COMPONENT,
        sentence="It makes PopProxy active and notes the debt, if it is inactive. A command that "
        "failed, or whose answer was lost, may have been carried out, or may still be.",
        answers=(
            Answer(
                outcome="done",
                sentence="PopProxy is seen to be active.",
                when=_ACTIVATES,
                then={"component": "ours"},
                sends="activate",
                owes=True,
            ),
            *_unclear("activate", "component", _ACTIVATES),
            REFUSED,
            UNTOLD,
        ),
    ),
    Contract(
        action=actions.DEACTIVATE_COMPONENT,
        sentence="It makes PopProxy inactive, and does nothing where the run owes none, or where "
        "it is inactive already. A command of before whose answer was lost may arrive after it.",
        answers=(
            Answer(
                outcome="done",
                sentence="PopProxy is seen to be inactive.",
                when={"owes_component": _OWED, "component": ("ours", "others")},
                then={"component": "inactive"},
                sends="deactivate",
            ),
            Answer(
                outcome="done",
                sentence="PopProxy is inactive already; nothing was sent.",
                when={"owes_component": _OWED, "component": ("inactive", "sent")},
                calm=False,
            ),
            Answer(
                outcome="done",
                sentence="This run had not made it active; nothing was sent.",
                when={"owes_component": NO},
                calm=False,
            ),
            Answer(
                outcome="failed",
                sentence="PopProxy is seen to be active.",
                when={"owes_component": _OWED},
                sends="deactivate",
            ),
            REFUSED,
            UNTOLD,
            Answer(
                outcome=COULD_NOT_TELL,
                sentence="The answer was lost; the command was not carried out.",
                when={"owes_component": _OWED},
                sends="deactivate",
                calm=False,
            ),
            Answer(
                outcome=COULD_NOT_TELL,
                sentence="The answer was lost; the command was carried out.",
                when={"owes_component": _OWED, "component": ("ours", "others")},
                then={"component": "inactive"},
                sends="deactivate",
                calm=False,
            ),
        ),
    ),
)
