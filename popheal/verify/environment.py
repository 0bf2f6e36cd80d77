"""What is assumed of the world: variables and events.

Written from Microsoft's documentation and from what operators report, and shared with nothing
that runs: a proof made with it says nothing about the simulator, and the other way round.
The world is one server under repair, the rest of its availability group as far as it matters,
and a back end that a run may heal on the way.
"""

from __future__ import annotations

from typing import Final

from popheal.verify.model import Cond, Event, Variable

NO, YES = "no", "yes"
#: The event by which a person ends a run early.
STOP: Final = "a person says stop"

VARIABLES: Final = (
    Variable(
        name="role",
        values=("no_mailbox", "mailbox"),
        initial=("mailbox", "no_mailbox"),
        sentence="Whether the server has the Mailbox role. It does not change.",
    ),
    Variable(
        name="policy",
        values=("look_only", "change_only", "no_reboot", "one_reboot"),
        initial=("one_reboot", "no_reboot", "change_only", "look_only"),
        sentence="What the policy still allows: to change nothing; no drain and no reboot; a "
        "drain, but the budget of reboots is spent; or one reboot.",
    ),
    Variable(
        name="server",
        values=("up", "down"),
        initial=("up",),
        sentence="Whether Windows runs on the server.",
    ),
    Variable(
        name="boots",
        values=("none", "others", "commanded", "back"),
        initial=("none",),
        sentence="What has restarted the server since the run began: nothing; somebody else; "
        "this run has sent the command (it may arrive late, or never); it has booted since.",
    ),
    Variable(
        name="boot",
        values=("unseen", "seen", "ill", "probed"),
        initial=("seen",),
        sentence="What the run has seen of the server's latest boot: nothing; the server itself; "
        "the failing monitor's own probe of the mailbox side, failing since the server was seen "
        "to be back; a probe of the mailbox side that succeeded: after a failure of the own one, "
        "only that one counts.",
    ),
    Variable(
        name="copies",
        values=("clear", "active", "moving"),
        initial=("active", "clear"),
        sentence="The databases: none active on the server and all mounted elsewhere; at least "
        "one active on the server; none active here, but one not mounted elsewhere yet.",
    ),
    Variable(
        name="activation",
        values=("allowed", "sent", "ours", "others"),
        initial=("allowed",),
        sentence="Database activation: allowed; allowed, while a command of this run to disable "
        "it may still arrive; disabled by this run; disabled by somebody else.",
    ),
    Variable(
        name="backend",
        values=("in", "out"),
        initial=("in",),
        sentence="Whether another member of the availability group was left drained or down by "
        "us: the back end that was healed on the way.",
    ),
    Variable(
        name="found",
        values=("unasked", "untold", "none", "unknown", "well", "ill", "off"),
        initial=("unasked",),
        sentence="What the run knows of the Mailbox servers that served the probe: it has not "
        "looked; it could not tell; there are none; which they are; that they are well; that one "
        "is ill; that POP is switched off on one.",
    ),
    Variable(
        name="gate",
        values=("open", "closed"),
        initial=("open",),
        sentence="Whether something holds at which triage would stop: somebody's work on the "
        "server, PopProxy taken offline, Setup, a fault of what POP depends on. Triage saw none.",
    ),
    Variable(
        name="logging",
        values=("off", "sent", "ours", "others"),
        initial=("off",),
        sentence="Protocol logging: off; off, while a command of this run to turn it on may still "
        "arrive; turned on by this run; turned on by somebody else.",
    ),
    Variable(
        name="owes_activation",
        values=(NO, YES, "unclear"),
        initial=(NO,),
        sentence="Whether the run owes the restoration of activation; unclear: it does not know "
        "whether its command was carried out.",
    ),
    Variable(
        name="owes_logging",
        values=(NO, YES, "unclear"),
        initial=(NO,),
        sentence="The same for protocol logging.",
    ),
    Variable(
        name="component",
        values=("inactive", "sent", "ours", "others"),
        initial=("inactive",),
        sentence="PopProxy, for the run that is about it: inactive; inactive, while a command of "
        "this run to make it active may still arrive; made active by this run; by somebody else.",
    ),
    Variable(
        name="owes_component",
        values=(NO, YES, "unclear"),
        initial=(NO,),
        sentence="The same for PopProxy: whether the run owes to set it back, or to have seen that "
        "it helps.",
    ),
    Variable(
        name="stop",
        values=(NO, "asked", "heeded"),
        initial=(NO,),
        sentence="Whether a person said stop, and whether the run has taken its cancel row since. "
        "An action that is being carried out is finished first.",
    ),
    # --- what only the properties ask for --------------------------------------------------------
    Variable(
        name="seen",
        values=("ill", "hung", "unseen", "well", "stale", "relapsed"),
        initial=("ill", "hung"),
        sentence="What the last look at POP saw: ill; hanging; either, but the service or server "
        "was restarted since; well; well at some time, but restarted since; ill again after it "
        "had been well. Triage saw it ill, or hanging.",
        history=True,
    ),
    Variable(
        name="futile",
        values=(NO, YES),
        initial=(NO,),
        sentence="Whether a look said that nothing drastic helps: it named a cause that no restart "
        "of a server cures, or something held at which triage would stop, or POP is switched off "
        "on the Mailbox server behind.",
        history=True,
    ),
    Variable(
        name="front",
        values=("before", "back", "ill"),
        initial=("before",),
        sentence="What was seen of the front end since the server was seen to be back from its "
        "restart: it was not seen to be back; nothing since; that it is not well.",
        history=True,
    ),
    Variable(
        name="putback",
        values=(NO, "unproved", YES),
        initial=(NO,),
        sentence="Whether, since then, it was tried to put the server back; unproved: the probe of "
        "its mailbox side that this takes did not succeed.",
        history=True,
    ),
    Variable(
        name="tried",
        values=("nothing", "restarted", "reprobed"),
        initial=("nothing",),
        sentence="How far the run got before a reboot: a service restart was carried out; a probe "
        "failed after it.",
        history=True,
    ),
    Variable(
        name="settled",
        values=(NO, YES),
        initial=(NO,),
        sentence="Whether the run has waited since it last restarted something: a monitor's "
        "health says nothing before.",
        history=True,
    ),
    Variable(
        name="verified",
        values=(NO, "drained", YES),
        initial=(NO,),
        sentence="Whether the server was seen to be drained, and whether, after that, its "
        "databases were seen to be mounted elsewhere.",
        history=True,
    ),
    Variable(
        name="feasible",
        values=(NO, YES),
        initial=(NO,),
        sentence="Whether the rest of the availability group was seen to be able to take over, "
        "since a member of it was last touched.",
        history=True,
    ),
    Variable(
        name="liftable",
        values=(NO, YES),
        initial=(NO,),
        sentence="Whether it was seen, since the run last made PopProxy active, that nothing else "
        "keeps it inactive, and that nothing would take it offline again at once.",
        history=True,
    ),
    Variable(
        name="set_back",
        values=(NO, YES),
        initial=(NO,),
        sentence="Whether it was tried, since the run made PopProxy active, to set it back.",
        history=True,
    ),
    Variable(
        name="lasting",
        values=(NO, YES),
        initial=(NO,),
        sentence="Whether POP was seen well after the wait, since the run last restarted anything.",
        history=True,
    ),
    Variable(
        name="restored",
        values=(NO, "due", YES),
        initial=(NO,),
        sentence="Whether it was tried, since logging was turned on, to turn it off again; due: "
        "it was, but the service has not been told.",
        history=True,
    ),
)

#: A server without the Mailbox role has no databases.
IMPOSSIBLE: Final[tuple[Cond, ...]] = ({"role": "no_mailbox", "copies": ("active", "moving")},)

_MAILBOX: Final = {"role": "mailbox"}
_BLOCKED: Final = ("ours", "others")
_UNBLOCKED: Final = ("allowed", "sent")

EVENTS: Final = (
    Event(
        name=STOP,
        actor="a person",
        sentence="A person says stop, at any time; once.",
        when={"stop": NO},
        then={"stop": "asked"},
        calm=True,
    ),
    Event(
        name="a gate closes",
        actor="somebody else",
        sentence="At any time something may come up at which triage would stop: somebody begins to "
        "work on the server, PopProxy is taken offline, a dependency fails.",
        when={"gate": "open"},
        then={"gate": "closed"},
    ),
    Event(
        name="a gate opens",
        actor="somebody else",
        sentence="It is over.",
        when={"gate": "closed"},
        then={"gate": "open"},
    ),
    # --- databases -------------------------------------------------------------------------------
    Event(
        name="databases leave",
        actor="Exchange",
        sentence="The databases leave the server: drained, failed over, or moved by a person. It "
        "takes its time, and may never happen: no healthy copy, targets blocked or full.",
        when={**_MAILBOX, "copies": "active"},
        then={"copies": "moving"},
        calm=True,
    ),
    Event(
        name="databases mount",
        actor="Exchange",
        sentence="The databases that left are mounted elsewhere.",
        when={**_MAILBOX, "copies": "moving"},
        then={"copies": "clear"},
        calm=True,
    ),
    Event(
        name="databases come back",
        actor="Exchange",
        sentence="While activation is allowed, databases may become active on the server at any "
        "time: rebalanced, failed over, or moved by a person.",
        when={**_MAILBOX, "server": "up", "activation": _UNBLOCKED, "copies": ("clear", "moving")},
        then={"copies": "active"},
    ),
    Event(
        name="another member goes down",
        actor="Exchange",
        sentence="Disabled activation holds only while other healthy copies exist: when another "
        "member goes down, its databases may become active on the server all the same.",
        when={**_MAILBOX, "server": "up", "activation": _BLOCKED, "copies": ("clear", "moving")},
        then={"copies": "active"},
    ),
    # --- boots -----------------------------------------------------------------------------------
    Event(
        name="the server goes down",
        actor="somebody else",
        sentence="Managed Availability, a person or a fault restarts the server at any time.",
        when={"server": "up"},
        then={"server": "down"},
    ),
    Event(
        name="our restart arrives",
        actor="the server",
        sentence="A restart that this run has commanded takes the server down: at once, late, or "
        "never. It is void once the server has booted: it names the boot that it means.",
        when={"server": "up", "boots": "commanded"},
        then={"server": "down"},
        calm=True,
    ),
    Event(
        name="the server boots",
        actor="the server",
        sentence="The server comes back; or never does.",
        when={"server": "down", "boots": ("none", "others")},
        then={"server": "up", "boots": "others", "boot": "unseen"},
        calm=True,
    ),
    Event(
        name="the server boots after our restart",
        actor="the server",
        sentence="The server comes back, whoever took it down; or never does.",
        when={"server": "down", "boots": ("commanded", "back")},
        then={"server": "up", "boots": "back", "boot": "unseen"},
        calm=True,
    ),
    # --- settings --------------------------------------------------------------------------------
    Event(
        name="our drain arrives",
        actor="Exchange",
        sentence="A command to disable activation whose answer was lost is carried out late, or "
        "never.",
        when={"activation": "sent"},
        then={"activation": "ours"},
    ),
    Event(
        name="somebody drains the server",
        actor="somebody else",
        sentence="Somebody else disables activation at any time, except while this run owes its "
        "restoration: then nobody could tell the two apart.",
        when={**_MAILBOX, "activation": "allowed", "owes_activation": NO},
        then={"activation": "others"},
    ),
    Event(
        name="somebody allows activation",
        actor="somebody else",
        sentence="Somebody else allows activation again at any time, whoever had disabled it.",
        when={"activation": _BLOCKED},
        then={"activation": "allowed"},
    ),
    Event(
        name="our logging arrives",
        actor="Exchange",
        sentence="A command to turn protocol logging on whose answer was lost is carried out "
        "late, or never.",
        when={"logging": "sent"},
        then={"logging": "ours"},
    ),
    Event(
        name="somebody turns logging on",
        actor="somebody else",
        sentence="Somebody else turns protocol logging on at any time, except while this run owes "
        "its restoration: then nobody could tell the two apart.",
        when={"logging": "off", "owes_logging": NO},
        then={"logging": "others"},
    ),
    Event(
        name="somebody turns logging off",
        actor="somebody else",
        sentence="Somebody else turns protocol logging off at any time, whoever had turned it on.",
        when={"logging": ("ours", "others")},
        then={"logging": "off"},
    ),
    # --- PopProxy --------------------------------------------------------------------------------
    Event(
        name="our activation arrives",
        actor="Exchange",
        sentence="A command to make PopProxy active whose answer was lost is carried out late, or "
        "never.",
        when={"component": "sent"},
        then={"component": "ours"},
    ),
    Event(
        name="PopProxy is taken offline again",
        actor="Exchange",
        sentence="Managed Availability, or a person, takes PopProxy offline at any time.",
        when={"component": ("ours", "others")},
        then={"component": "inactive"},
    ),
    Event(
        name="somebody makes PopProxy active",
        actor="somebody else",
        sentence="Somebody else makes PopProxy active at any time, except while this run owes to "
        "set it back: then nobody could tell the two apart.",
        when={"component": "inactive", "owes_component": NO},
        then={"component": "others"},
    ),
)
