"""What a person can do, by the reason for which a person is needed.

A reason is a kind of finding; where none is known, it is the outcome of an action, which
:mod:`popheal.reports.advice_by_outcome` has. Each has a headline for the summary, steps in words,
what makes it well first, and commands that can be pasted into the Exchange Management Shell. What
has to be put back stands with the debts, not here; what an error advises stands with its class.

In steps and headlines ``{server}`` and ``{monitor}`` are names; in commands they and ``{probe}``
are arguments. What names something that is not known in a case is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from attrs import field, frozen

from popheal.reports import commands
from popheal.reports.report import FindingKind


def _tuple(texts: str | tuple[str, ...]) -> tuple[str, ...]:
    return (texts,) if isinstance(texts, str) else texts


@frozen(kw_only=True)
class Advice:
    """What a person can do for one reason.

    Attributes:
        headline: What is so, as the beginning of a sentence.
        steps: What to do, the first thing first; one text or several.
        commands: What helps to see the cause, or to make it well; one or several.
        is_down: A server is out of service: this comes before everything else.
        waits: Mostly it is enough to ask again later.
    """

    headline: str
    steps: tuple[str, ...] = field(default=(), converter=_tuple)
    commands: tuple[str, ...] = field(default=(), converter=_tuple)
    is_down: bool = False
    waits: bool = False


#: How most advice ends.
LATER: Final = "Then ask popheal again."

LOOK_AT_CONSOLE: Final = (
    "Look at the console of {server} now, by its management board or the hypervisor: is it off, "
    "does it install updates, does it hang at the start, or is only the network away?"
)

STAYED: Final = Advice(
    headline="databases did not leave {server}",
    steps=(
        "{server} was not restarted, as that would have been an outage of these databases. "
        "Find out why they stayed, and move them by hand if they have a healthy copy."
    ),
    commands=(commands.ACTIVE_HERE, commands.COPIES, "Move-ActiveMailboxDatabase -Server {server}"),
)
#: What a person is told who has stopped popheal, or finds it stopped.
STOPPED: Final = (
    "popheal was stopped by a person, and whoever that was has the case. To let it go on, ask it "
    "again: it looks before it acts."
)
#: What a person is told who has stopped popheal while a server restarts.
RESTARTING: Final = Advice(
    headline="{server} was told to restart, and has not been seen to be well since",
    steps=(
        "See that {server} comes up, and that its services run, before databases are let back: "
        "nobody waits for it any more."
    ),
    commands=(commands.BOOT_TIME, commands.NOT_STARTED),
    is_down=True,
)
SWITCHED_OFF: Final = Advice(
    headline="POP is switched off at {server}",
    steps=(
        "Ask whether POP is meant to run there. If not, nothing is broken: the monitor may be "
        "switched off, too. If so, the commands set the service to start by itself, and start "
        "it. No restart of the server turns it on."
    ),
    commands=(commands.SERVICES, commands.START_BY_ITSELF, commands.START),
)

FOR_KIND: Final[Mapping[FindingKind, Advice]] = MappingProxyType(
    {
        # --- the fault itself
        FindingKind.VERIFIED: Advice(
            headline="the fault on {server} is real",
            steps="Nothing was done about it. See what healing would do: popheal plan {server}.",
            commands=commands.HEALTH,
        ),
        FindingKind.CAUSE: Advice(
            headline="POP fails on {server} for a cause that no restart of the server cures",
            steps="Do away with that cause, and not with the server. " + LATER,
            commands=commands.RUN_PROBE,
        ),
        FindingKind.OTHER_PROTOCOLS: Advice(
            headline="the other protocols of {server} fail like POP",
            steps=(
                "The cause is not in POP, and no restart of POP helps. Look for what they share: "
                "the databases, Active Directory, the logon, the mailboxes of the probes."
            ),
            commands=commands.ALL_HEALTH,
        ),
        FindingKind.DEPENDENCY: Advice(
            headline="something that POP needs is unhealthy on {server}",
            steps=(
                "Make well first what POP depends on; it is named above. POP may then be well by "
                "itself. If it isn't, ask popheal again."
            ),
            commands=commands.ALL_HEALTH,
        ),
        FindingKind.SIBLINGS: Advice(
            headline="other servers fail like {server}",
            steps=(
                "Look for what they share: network, name service, certificate, load balancer, "
                "Active Directory. Don't restart them one after the other: that would only cut "
                "off more clients."
            ),
            commands=commands.ALL_HEALTH,
        ),
        FindingKind.COMPONENT_INACTIVE: Advice(
            headline="PopProxy has been taken offline on {server}",
            steps=(
                "While PopProxy is offline, the front end serves nobody, and no restart helps. "
                "Find out who took it offline. If it was HealthAPI, it was the server itself, as "
                "the proxy probe had failed: it does so again while the cause stays."
            ),
            commands=(commands.COMPONENTS, commands.SERVICES),
        ),
        FindingKind.NOT_RUNNING: Advice(
            headline="a service that POP needs does not run on {server}",
            steps=(
                "See in the events why it does not run, then start it. A restart of the server "
                "does not help a service that can't start."
            ),
            commands=(commands.SERVICES, commands.SERVICE_EVENTS, commands.START),
        ),
        FindingKind.SWITCHED_OFF: SWITCHED_OFF,
        FindingKind.STUCK: Advice(
            headline="a service of {server} hangs, and does not stop",
            steps=(
                "Look for the process of the service that is stuck. If it still does not stop, "
                "end that process by its id, on that server, then start the service. "
                "popheal ends no process."
            ),
            commands=(commands.PROCESSES, commands.SERVICE_EVENTS),
        ),
        FindingKind.NO_RECIPE: Advice(
            headline="{server} has an unhealthy monitor that the runbook has no recovery for",
            steps=(
                "Read what the monitor says. The runbook has no step for it, so popheal does not "
                "act on it."
            ),
            commands=commands.MONITOR,
        ),
        FindingKind.COULD_NOT_TELL: Advice(
            headline="what is so on {server} could not be told",
            steps="Look by hand whether POP works on {server}. " + LATER,
            commands=(commands.HEALTH, commands.PROBES),
        ),
        # --- somebody else's
        FindingKind.REPAIRING: Advice(
            headline="somebody is repairing {server}",
            steps="Ask who marked the monitor Repairing. When they are done, take the mark away.",
            commands="Set-ServerMonitor -Server {server} -Name {monitor} -Repairing $false",
        ),
        FindingKind.MAINTENANCE: Advice(
            headline="somebody maintains {server}",
            steps="Ask who maintains {server}, and let them finish. " + LATER,
            commands=commands.COMPONENTS,
            waits=True,
        ),
        FindingKind.DRAINED: Advice(
            headline="somebody else has drained {server}",
            steps=(
                "Find out who drained {server}, and let them finish. If nobody is at work there "
                "any more, the last command allows databases again: popheal does not put back "
                "what others have set."
            ),
            commands=(commands.ACTIVATION, commands.ALLOW_ACTIVATION),
            waits=True,
        ),
        FindingKind.SETUP_RUNNING: Advice(
            headline="Exchange Setup is running on {server}",
            steps="Let Setup finish. " + LATER,
            waits=True,
        ),
        FindingKind.UNDER_WAY: Advice(
            headline="something else is under way on {server}",
            steps="Let it end, or stop it if it should not be. " + LATER,
            commands=commands.RESTARTS,
            waits=True,
        ),
        FindingKind.MANAGED_AVAILABILITY: Advice(
            headline="Exchange is healing {server} by itself",
            steps="Let it end, then look again.",
            commands=commands.HEALTH,
            waits=True,
        ),
        FindingKind.LEFT_ALONE: Advice(
            headline="an administrator has switched monitors of {server} off",
            steps=(
                "Ask who switched the monitor off, and why. popheal leaves alone what an "
                "administrator has switched off."
            ),
            commands=(
                "Get-ServerMonitoringOverride -Server {server}",
                "Get-GlobalMonitoringOverride",
            ),
        ),
        FindingKind.BUSY: Advice(
            headline="another healing holds {server}, or a member of its group",
            steps="Two healings never act on one server, or one group, at a time.",
            waits=True,
        ),
        # --- the limits
        FindingKind.POLICY: Advice(
            headline="popheal may not go on with {server}",
            steps=(
                "Decide whether the next step is right. If it is, allow it in the policy and ask "
                "popheal again, or do it by hand, by the runbook."
            ),
        ),
        FindingKind.WINDOW: Advice(
            headline="popheal may not act on {server} now",
            steps="If POP can't wait until then, widen the windows of the policy.",
            waits=True,
        ),
        FindingKind.BUDGET: Advice(
            headline="nothing more is restarted on {server} now",
            steps=(
                "Find out what was restarted before, and why. Don't restart {server} by hand till "
                "then: what a restart of it did not cure for long, another one hardly will, and "
                "after one of another member copies need their time."
            ),
            commands=(commands.RESTARTS, commands.RUN_PROBE),
            waits=True,
        ),
        FindingKind.APPROVAL: Advice(
            headline="what would be done on {server} has no approval",
            steps=(
                "Look at the plan: popheal plan {server}. If it is right, ask popheal again, and "
                "approve."
            ),
        ),
        FindingKind.UNDECIDED: Advice(
            headline="nobody has decided whether popheal may take {server} out of service",
            steps=(
                "Look at the plan: popheal plan {server}. Then decide it once, under [policy] in "
                'the configuration: approval_from = "disrupt" to be asked each time, or "never" '
                "to leave it to popheal. Or this time only: popheal heal {server} --yes."
            ),
        ),
        FindingKind.NOT_AUTHORISED: Advice(
            headline="popheal has no right to do what it has to on {server}",
            steps=(
                "Check the account: its password, its group in Windows, and its role in Exchange "
                'for the command that was refused. The page "Configuration and rights" of the '
                "documentation lists the rights."
            ),
            commands=commands.ROLES,
        ),
        FindingKind.UNREACHABLE: Advice(
            headline="{server} could not be reached",
            steps=(
                "See whether {server} is up, and whether its remoting answers from the host that "
                "popheal runs on."
            ),
            commands=commands.REMOTING,
        ),
        # --- why a server is not taken out of service
        FindingKind.NO_PROOF: Advice(
            headline="{server} was not restarted, as nothing could prove afterwards that it's well",
            steps=(
                "Nothing was moved. Find a probe of the mailbox side that can be run by hand "
                "there. If you restart the server yourself, log on by POP3 to a mailbox on it "
                "before you let databases come back."
            ),
            commands=commands.PROBES,
        ),
        FindingKind.NOWHERE_TO_GO: Advice(
            headline="{server} was not restarted, as its databases have nowhere to go",
            steps=(
                "Nothing was moved. See to a healthy copy on a server that may activate it. If "
                "there is none, restart the server at a time when its mailboxes may be out of "
                "service."
            ),
            commands=(commands.COPIES, commands.ACTIVATION_OF_ALL),
        ),
        FindingKind.REDUNDANCY: Advice(
            headline="{server} was not restarted, as too few healthy copies would be left",
            steps=(
                "Nothing was moved. Mend the copies on the other servers first, or let a running "
                "reseed end. " + LATER
            ),
            commands=commands.COPIES,
        ),
        FindingKind.QUORUM: Advice(
            headline="{server} was not restarted, as its group might lose its majority",
            steps=(
                "Nothing was moved. Mend the member or the witness that does not pass. Until "
                "then no member of the group may go down: all databases would."
            ),
            commands=(commands.GROUP, commands.REPLICATION),
        ),
        FindingKind.OUT_OF_SERVICE: Advice(
            headline="{server} was not restarted, as another member of its group is out of service",
            steps=(
                "Bring the other member back first, or let whoever works on it finish. Two members "
                "are never out of service at once."
            ),
            commands=(commands.GROUP, commands.ACTIVATION_OF_ALL),
            waits=True,
        ),
        FindingKind.STAYED: STAYED,
        FindingKind.DEFECT: Advice(
            headline="popheal itself failed while it was at work on {server}",
            steps=(
                "That is a mistake in popheal, and says nothing about {server}. Go on by hand, by "
                "the runbook, and report the mistake with what popheal export has of this healing."
            ),
            commands=(commands.HEALTH, commands.ACTIVATION),
        ),
        # --- the worst
        FindingKind.NOT_BACK: Advice(
            headline="{server} did not come back after its restart",
            steps=(
                LOOK_AT_CONSOLE,
                "Once it is up, see that its services run, and start those that don't.",
            ),
            commands=(commands.REMOTING, commands.BOOT_TIME, commands.NOT_STARTED),
            is_down=True,
        ),
    }
)
