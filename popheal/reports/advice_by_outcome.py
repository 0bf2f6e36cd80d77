"""What a person can do, by what an action came to: where no kind is known, or says less."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from attrs import evolve

from popheal.reports import commands
from popheal.reports.advice import FOR_KIND, LATER, STAYED, SWITCHED_OFF, Advice
from popheal.reports.report import FindingKind
from popheal.tables.actions import (
    ACTIVATE_COMPONENT,
    AWAIT_SERVER,
    CHECK_BACKENDS,
    CHECK_COMPONENT,
    CHECK_HEALTH,
    CHECK_SWITCHOVER,
    DRAIN,
    ENABLE_PROTOCOL_LOGGING,
    FAIL_BACK,
    FIND_BACKENDS,
    KEEP_COMPONENT,
    PROBE,
    REBOOT,
    RECOVER_BACKENDS,
    RELOAD_POP3,
    RESTART_SERVICE,
    RESTORE_PROTOCOL_LOGGING,
    VERIFY_COPIES,
)
from popheal.tables.outcomes import COULD_NOT_TELL, FAILED, REFUSED

_SEE_WHY: Final = "Do away with the reason. " + LATER

_STUCK: Final = evolve(FOR_KIND[FindingKind.STUCK], is_down=True)
_OFF_BEHIND: Final = Advice(
    headline="POP is switched off at a Mailbox server behind {front_end}",
    steps=(
        "Nothing is broken at {front_end}. Ask whether POP is meant to run at the Mailbox server "
        "named above. If so, set MSExchangePOP3BE there to start by itself, and start it."
    ),
    commands=SWITCHED_OFF.commands,
)
_NOT_TURNED_OFF: Final = Advice(
    headline="protocol logging could not be turned off at {server}",
    steps="Turn logging off by hand: it fills the disk.",
    commands=commands.LOGGING,
)
_NOT_TOLD_ON: Final = Advice(
    headline="whether protocol logging is on at {server} could not be told",
    steps="See whether it is. Left on, it fills the disk.",
    commands=commands.LOGGING,
)
_NOT_UP: Final = Advice(
    headline="POP3 does not run on {server} after its restart",
    steps=(
        "Start the service: nobody is served by it until then. If it does not stay up, the events "
        "say why."
    ),
    commands=(commands.SERVICES, commands.START, commands.SERVICE_EVENTS),
    is_down=True,
)

#: By the name of the action, and what it came to or the kind of that. Asked where there is
#: something to say about just that action, or where no kind is known.
FOR_ACTION: Final[Mapping[tuple[str, FindingKind | str], Advice]] = MappingProxyType(
    {
        (AWAIT_SERVER.name, FindingKind.STUCK): Advice(
            headline="{server} {told} to restart, and did not",
            steps=(
                "Look at the console of {server}: something may keep it from shutting down. It "
                "may still go down at any moment, so don't put databases on it, and don't "
                "restart it again before you have looked."
            ),
            commands=(commands.BOOT_TIME, commands.RESTARTS),
            is_down=True,
        ),
        (AWAIT_SERVER.name, "not_back"): FOR_KIND[FindingKind.NOT_BACK],
        (AWAIT_SERVER.name, COULD_NOT_TELL): Advice(
            headline="whether {server} is well after its restart could not be told",
            steps=(
                "See that it is up, that its services run, and that its health is measured "
                "again. The Health Manager (MSExchangeHM) must run for that."
            ),
            commands=(commands.BOOT_TIME, commands.NOT_STARTED, commands.HEALTH),
            is_down=True,
        ),
        (PROBE.name, FAILED): Advice(
            headline="POP still fails on {server}{tried}",
            steps=(
                "Look for the cause on {server}, and don't repeat what was done. What the probe "
                "said stands in this report; the POP3 protocol log tells more, if it was on."
            ),
            commands=(commands.RUN_PROBE, commands.LOGGING, commands.ALL_HEALTH),
        ),
        (PROBE.name, "timed_out"): Advice(
            headline="POP still hangs on {server}{tried}",
            steps=(
                "The probe got no answer within its time. A restart of the service did not cure "
                "it, and for a hang alone popheal restarts no server. See what POP waits for."
            ),
            commands=(commands.RUN_PROBE, commands.PROCESSES, commands.ALL_HEALTH),
        ),
        (PROBE.name, "blocked"): Advice(
            headline="POP still fails on {server}, and something holds popheal back",
            steps=(_SEE_WHY),
            commands=commands.RUN_PROBE,
        ),
        (PROBE.name, COULD_NOT_TELL): Advice(
            headline="whether POP works on {server} could not be told",
            steps="Look by hand whether POP works on {server}, best with a mail program.",
            commands=(commands.RUN_PROBE, commands.PROBES),
        ),
        (CHECK_HEALTH.name, "unhealthy"): Advice(
            headline="the monitor of {server} is still Unhealthy{tried}",
            steps="Look for the cause on {server}, and don't repeat what was done.",
            commands=(commands.HEALTH, commands.LOGGING, commands.ALL_HEALTH),
        ),
        (CHECK_HEALTH.name, "blocked"): Advice(
            headline="the monitor of {server} is still Unhealthy, and something holds popheal back",
            steps=(_SEE_WHY),
            commands=commands.HEALTH,
        ),
        (CHECK_HEALTH.name, COULD_NOT_TELL): Advice(
            headline="whether the monitor of {server} is well could not be told",
            steps="Look at it by hand. The Health Manager (MSExchangeHM) must run there.",
            commands=commands.HEALTH,
        ),
        (RESTART_SERVICE.name, FAILED): _NOT_UP,
        (RESTART_SERVICE.name, FindingKind.NOT_RUNNING): _NOT_UP,
        (RESTART_SERVICE.name, FindingKind.STUCK): evolve(
            FOR_KIND[FindingKind.STUCK], is_down=True
        ),
        (RESTART_SERVICE.name, REFUSED): Advice(
            headline="POP3 was not restarted on {server}",
            steps="Nothing was changed by that. " + _SEE_WHY,
            commands=commands.SERVICES,
        ),
        (RESTART_SERVICE.name, COULD_NOT_TELL): Advice(
            headline="whether POP3 was restarted on {server} could not be told",
            steps="See whether the service runs, and start it if it doesn't.",
            commands=(commands.SERVICES, commands.SERVICE_EVENTS),
        ),
        (CHECK_SWITCHOVER.name, "infeasible"): Advice(
            headline="{server} can't be taken out of service now",
            steps="Nothing was moved or restarted. " + _SEE_WHY,
            commands=(commands.COPIES, commands.ACTIVATION_OF_ALL),
        ),
        (CHECK_SWITCHOVER.name, COULD_NOT_TELL): Advice(
            headline="whether {server} may be taken out of service could not be told",
            steps="Nothing was moved or restarted. " + _SEE_WHY,
            commands=(commands.GROUP, commands.COPIES),
        ),
        (DRAIN.name, REFUSED): Advice(
            headline="{server} was not drained",
            steps="Nothing was moved or restarted. " + _SEE_WHY,
            commands=commands.ACTIVATION,
        ),
        (DRAIN.name, FAILED): Advice(
            headline="draining {server} failed",
            steps="It was not restarted. See which databases are where.",
            commands=(commands.ACTIVATION, commands.MOUNTED),
        ),
        (DRAIN.name, COULD_NOT_TELL): Advice(
            headline="whether {server} was drained could not be told",
            steps="It was not restarted. It may still be drained: see which databases are where.",
            commands=(commands.ACTIVATION, commands.MOUNTED),
        ),
        (VERIFY_COPIES.name, "active"): STAYED,
        (VERIFY_COPIES.name, COULD_NOT_TELL): Advice(
            headline="whether the databases have left {server} could not be told",
            steps="It was not restarted. See which databases are where.",
            commands=(commands.ACTIVE_HERE, commands.MOUNTED),
        ),
        (REBOOT.name, REFUSED): Advice(
            headline="{server} was not restarted",
            steps=(_SEE_WHY),
            commands=(commands.BOOT_TIME, commands.RESTARTS),
        ),
        (REBOOT.name, FAILED): Advice(
            headline="{server} could not be restarted",
            steps="See that it has not gone down. Do away with the reason, then ask again.",
            commands=(commands.BOOT_TIME, commands.RESTARTS),
        ),
        (REBOOT.name, COULD_NOT_TELL): Advice(
            headline="whether {server} was restarted could not be told",
            steps="It may still go down. Look at its boot time before anything else.",
            commands=(commands.BOOT_TIME, commands.RESTARTS),
        ),
        (FIND_BACKENDS.name, COULD_NOT_TELL): Advice(
            headline="which Mailbox server {server} passed the probe to could not be told",
            steps=(
                "Look into the POP3 protocol log of {server}: the lines of the probe name the "
                "Mailbox server after Proxy. Then see whether that one is well."
            ),
            commands=(commands.LOGGING, commands.RUN_PROBE),
        ),
        (CHECK_BACKENDS.name, "off"): _OFF_BEHIND,
        (CHECK_BACKENDS.name, FindingKind.SWITCHED_OFF): _OFF_BEHIND,
        (CHECK_BACKENDS.name, FindingKind.NOT_RUNNING): Advice(
            headline="MSExchangePOP3BE does not run at a Mailbox server behind {front_end}",
            steps=(
                "Nothing is broken at {front_end}. Start the service at the Mailbox server named "
                "above, and see in the events there why it did not run."
            ),
            commands=FOR_KIND[FindingKind.NOT_RUNNING].commands,
        ),
        (CHECK_BACKENDS.name, COULD_NOT_TELL): Advice(
            headline="whether the Mailbox server behind {front_end} is well could not be told",
            steps="Look at the Mailbox server named above, before anything is done to {front_end}.",
        ),
        (RECOVER_BACKENDS.name, FAILED): Advice(
            headline="a Mailbox server behind {server} is not well",
            steps="Heal the Mailbox server first; {server} may then be well by itself.",
        ),
        (RECOVER_BACKENDS.name, REFUSED): Advice(
            headline="a Mailbox server behind {server} is unhealthy, and was not healed",
            steps="Heal the Mailbox server first; {server} may then be well by itself.",
        ),
        (FAIL_BACK.name, REFUSED): Advice(
            headline="{server} was not put back into service",
            steps="See that POP works there, before databases come back.",
            commands=(commands.BOOT_TIME, commands.RUN_PROBE),
        ),
        (FAIL_BACK.name, FAILED): Advice(
            headline="{server} could not be put back into service",
            steps="POP works there. Allow activation by hand.",
            commands=commands.ACTIVATION,
        ),
        (FAIL_BACK.name, COULD_NOT_TELL): Advice(
            headline="whether {server} is back in service could not be told",
            steps="POP works there. See whether activation is allowed again.",
            commands=commands.ACTIVATION,
        ),
        (ENABLE_PROTOCOL_LOGGING.name, REFUSED): Advice(
            headline="protocol logging could not be turned on at {server}",
            steps="Nothing was changed by that. " + _SEE_WHY,
            commands=commands.LOGGING,
        ),
        (ENABLE_PROTOCOL_LOGGING.name, FAILED): _NOT_TOLD_ON,
        (ENABLE_PROTOCOL_LOGGING.name, COULD_NOT_TELL): _NOT_TOLD_ON,
        (RESTORE_PROTOCOL_LOGGING.name, FAILED): _NOT_TURNED_OFF,
        (RESTORE_PROTOCOL_LOGGING.name, REFUSED): _NOT_TURNED_OFF,
        (RESTORE_PROTOCOL_LOGGING.name, COULD_NOT_TELL): Advice(
            headline="whether {server} still writes protocol logs could not be told",
            steps="See whether logging is on, and turn it off: it fills the disk.",
            commands=commands.LOGGING,
        ),
        (RELOAD_POP3.name, FAILED): _NOT_UP,
        (CHECK_COMPONENT.name, "infeasible"): Advice(
            headline="PopProxy is offline on {server}, and is better left so for now",
            steps="Find out why it was taken offline, and make that well first.",
            commands=(commands.COMPONENTS, commands.SERVICES),
        ),
        (CHECK_COMPONENT.name, COULD_NOT_TELL): Advice(
            headline="why PopProxy is offline on {server} could not be told",
            steps="Nothing was changed. See who has taken it offline.",
            commands=commands.COMPONENTS,
        ),
        (ACTIVATE_COMPONENT.name, REFUSED): Advice(
            headline="PopProxy is offline on {server}, and was left so",
            steps="Nothing was changed by that. " + _SEE_WHY,
            commands=commands.COMPONENTS,
        ),
        (ACTIVATE_COMPONENT.name, FAILED): Advice(
            headline="PopProxy could not be made active on {server}",
            steps="See who holds it inactive: any entry of another requester wins.",
            commands=commands.COMPONENTS,
        ),
        (ACTIVATE_COMPONENT.name, COULD_NOT_TELL): Advice(
            headline="whether PopProxy is active on {server} could not be told",
            steps="See whether it is, and whether POP works.",
            commands=(commands.COMPONENTS, commands.RUN_PROBE),
        ),
        (KEEP_COMPONENT.name, "inactive"): Advice(
            headline="PopProxy was made active on {server}, and went offline again",
            steps=(
                "The server itself takes it offline while the proxy probe fails. Find out why "
                "that fails: it tests the front end at the loopback address."
            ),
            commands=(commands.COMPONENTS, commands.RUN_PROBE),
        ),
        (KEEP_COMPONENT.name, COULD_NOT_TELL): Advice(
            headline="whether PopProxy has stayed active on {server} could not be told",
            steps="See whether it is, and whether POP works.",
            commands=(commands.COMPONENTS, commands.RUN_PROBE),
        ),
    }
)

#: For what is not there: an action of one's own, an outcome that says all there is to say.
FOR_OUTCOME: Final[Mapping[str, str]] = MappingProxyType(
    {
        COULD_NOT_TELL: "Look by hand how it stands, before anything else is done.",
        REFUSED: "Nothing was changed by that. " + _SEE_WHY,
        FAILED: "See what it has changed, before anything else is done.",
    }
)
