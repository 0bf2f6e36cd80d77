"""Each property, said for a journal, and what decides it; or why a journal can't tell."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from attrs import frozen

from popheal.audit import debt_checks, healing_checks, run_checks, table_checks
from popheal.audit.healing_checks import Found as InHealing
from popheal.audit.records import HealingStory
from popheal.audit.run_checks import RunCheck

HealingCheck = Callable[[HealingStory], InHealing]


@frozen(kw_only=True)
class JournalProperty:
    """A property of what was written down.

    Attributes:
        id: That of ``popheal.verify.PROPERTIES`` where it is one of them; ``J1`` and so on
            for what makes a journal one.
        sentence: What it says.
        look_at: What a person should look at where it is broken.
        runs: What decides it for each run.
        healings: What decides it for each healing.
        across: Whether it is decided between healing_checks, too.
        open: Why a journal can't tell; empty if it can.
    """

    id: str
    sentence: str
    look_at: str = ""
    runs: tuple[RunCheck, ...] = ()
    healings: tuple[HealingCheck, ...] = ()
    across: bool = False
    open: str = ""


_DATABASES: Final = "Look whether mailboxes were cut off then, and where the databases are now."
_BY_HAND: Final = "Look at the server by hand, whether it is as it should be."
_ROWS: Final = "Find out who or what has written to the file; keep a copy as it is."
_DEFECT: Final = "Report it with the journal: popheal must not do that."

PROPERTIES: Final = (
    JournalProperty(
        id="P1",
        sentence="Each restart of a server with the Mailbox role was written down after a drain "
        "that was done, and after seeing that no active copy is left.",
        look_at=_DATABASES,
        runs=(run_checks.copies_were_clear,),
    ),
    JournalProperty(
        id="P2",
        sentence="Never were two members of one availability group drained or down by us, and "
        "none before the rest was seen to be able to take over.",
        look_at=_DATABASES,
        runs=(run_checks.switchover_was_feasible,),
        across=True,
    ),
    JournalProperty(
        id="P3",
        sentence="Servers were restarted within the budget of the policy then in force, at most "
        "once in a run, and not if somebody else had restarted them meanwhile.",
        look_at="Look why the server is restarted so often.",
        runs=(run_checks.restarted_at_most_once,),
        across=True,
    ),
    JournalProperty(
        id="P4",
        sentence="Each effect was written down before it was done, and what came of it after.",
        look_at=_BY_HAND,
        runs=(run_checks.effects_were_intended,),
    ),
    JournalProperty(
        id="P5",
        sentence="Nothing was changed on a server unless the last look at POP there, made after "
        "our last restart, saw it fail or hang; and for a hang none was taken out of service.",
        look_at=_DEFECT,
        runs=(run_checks.only_where_it_fails,),
    ),
    JournalProperty(
        id="P6",
        sentence="No server was restarted before its service was, and a probe (or, after the "
        "wait, the monitor) failed since, nor while the back end was not known to be well.",
        look_at=_DEFECT,
        runs=(run_checks.service_was_tried_first,),
    ),
    JournalProperty(
        id="P7",
        sentence="Nothing was failed back before a probe of the server's mailbox side had "
        "succeeded after its latest boot.",
        look_at="Look whether POP works on the server that was failed back.",
        runs=(run_checks.failed_back_on_a_good_boot,),
    ),
    JournalProperty(
        id="P8",
        sentence="Nothing was done of a higher impact than the policy then in force allowed.",
        look_at="Compare the policy with what was done; the healing's record holds it.",
        runs=(run_checks.within_the_policy,),
    ),
    JournalProperty(
        id="P9",
        sentence="Protocol logging that was turned on was set back and the service told so, or, "
        "where that was tried in vain, handed over in writing.",
        look_at="Look whether protocol logging is on there: Get-PopSettings.",
        runs=(debt_checks.logging_is_settled,),
    ),
    JournalProperty(
        id="P10",
        sentence="Activation that was disabled was allowed again after a recovery, else handed "
        "over in writing.",
        look_at="Look whether activation is disabled there: Get-MailboxServer.",
        runs=(debt_checks.activation_is_settled,),
    ),
    JournalProperty(
        id="P11",
        sentence="A monitor that was marked as Repairing was cleared.",
        open="No action marks a monitor as Repairing.",
    ),
    JournalProperty(
        id="P12",
        sentence="Each approval that was asked for was granted, refused or expired, and what "
        "needed one was done only after it was granted.",
        look_at="Ask who approved what was done.",
        healings=(healing_checks.approvals_are_answered, healing_checks.effects_were_approved),
    ),
    JournalProperty(
        id="P13",
        sentence="Each run of a healing that has ended came to an ending.",
        look_at=_BY_HAND,
        runs=(table_checks.ended_at_an_ending,),
    ),
    JournalProperty(
        id="P14",
        sentence="Every state, transition and verdict has a witness.",
        open="A journal holds what happened, not all that can happen.",
    ),
    JournalProperty(
        id="P15",
        sentence="Each step led where the one row of the table leads that applies.",
        look_at=_DEFECT,
        runs=(table_checks.steps_follow_the_table,),
    ),
    JournalProperty(
        id="P16",
        sentence="Each outcome is one that the table handles in that state.",
        look_at=_DEFECT,
        runs=(table_checks.outcomes_are_handled,),
    ),
    JournalProperty(
        id="P17",
        sentence="Could-not-tell, or a cause that no step cures, was never followed by a step that "
        "changed or disrupted anything, and a hang never by one that disrupted.",
        look_at=_DEFECT,
        runs=(run_checks.no_outcome_led_too_far,),
    ),
    JournalProperty(
        id="P18",
        sentence="After a stop was heeded, only what restores was done.",
        look_at=_BY_HAND,
        healings=(healing_checks.after_a_stop_only_restoring,),
    ),
    JournalProperty(
        id="P19",
        sentence="A dry run decides the same and changes nothing.",
        open="Dry runs are not written down.",
    ),
    JournalProperty(
        id="P20",
        sentence="The synchronous and the asynchronous driver write equal journals.",
        open="It takes two journals of the same; a journal does not say which driver wrote it.",
    ),
    JournalProperty(
        id="P21",
        sentence="Only what we had set was undone, and to the value from before.",
        look_at=_BY_HAND,
        runs=(debt_checks.only_what_we_set,),
    ),
    JournalProperty(
        id="P22",
        sentence="The verdicts are true: recovered only if POP was last seen well, cancelled if, "
        "and only if, a person's stop was heeded, and untouched only if nothing was done.",
        look_at="Look whether POP works there now.",
        runs=(table_checks.verdict_of_the_run_is_true,),
        healings=(healing_checks.verdict_is_true,),
    ),
    JournalProperty(
        id="P23",
        sentence="Nothing was given up without a reason: a step that failed or could not tell, a "
        "hang that the restart of the service did not cure, or a probe that still failed after a "
        "restart of the server, or with PopProxy active again.",
        look_at=_DEFECT,
        runs=(table_checks.given_up_for_a_reason,),
    ),
    JournalProperty(
        id="P24",
        sentence="Once a look had said that nothing drastic helps, nothing more was changed or "
        "disrupted.",
        look_at=_DEFECT,
        runs=(run_checks.nothing_was_done_in_vain,),
    ),
    JournalProperty(
        id="P25",
        sentence="No server was drained or restarted while something held at which triage would "
        "stop.",
        open="What is asked directly before an effect is written down only where it forbids it.",
    ),
    JournalProperty(
        id="P26",
        sentence="Where only the front end was seen to be unwell after a restart of the server, "
        "that was put back, or it was tried, or a probe of its mailbox side did not succeed.",
        look_at="Look whether activation is disabled there: Get-MailboxServer.",
        runs=(debt_checks.well_servers_are_put_back,),
    ),
    JournalProperty(
        id="P27",
        sentence="PopProxy was made active only after a look that found nothing against it, and "
        "once in a run.",
        look_at="Look who keeps PopProxy inactive: Get-ServerComponentState.",
        runs=(run_checks.pop_proxy_was_checked,),
    ),
    JournalProperty(
        id="P28",
        sentence="PopProxy that was made active was set back, or handed over in writing, unless "
        "POP worked and, after the wait, it was still active.",
        look_at="Look whether POP works there, and PopProxy is active: Get-ServerComponentState.",
        runs=(debt_checks.pop_proxy_is_settled,),
    ),
    JournalProperty(
        id="J1",
        sentence="Each row can be read, and belongs to a healing.",
        look_at=_ROWS,
    ),
    JournalProperty(
        id="J2",
        sentence="The entries of a healing are in the order of their times, and none is after "
        "its end.",
        look_at="Look whether the clock of the machine was changed; else: " + _ROWS,
        healings=(healing_checks.times_are_in_order,),
    ),
    JournalProperty(
        id="J3",
        sentence="Each run was started once, before anything was done in it.",
        look_at=_ROWS,
        healings=(healing_checks.runs_begin_with_their_start,),
    ),
    JournalProperty(
        id="J4",
        sentence="Each step goes on where the one before it led: none is missing.",
        look_at=_ROWS,
        healings=(healing_checks.paths_grow_step_by_step,),
    ),
    JournalProperty(
        id="J5",
        sentence="The report of each healing says what its entries say.",
        look_at=_ROWS,
        healings=(healing_checks.report_agrees,),
    ),
    JournalProperty(
        id="J6",
        sentence="The chain of hashes is whole: no entry was changed, removed, added or moved.",
        look_at=_ROWS,
    ),
    JournalProperty(
        id="J7",
        sentence="The tables, indices and triggers are those that popheal made.",
        look_at=_ROWS,
    ),
    JournalProperty(
        id="J8",
        sentence="The rows that change say what the entries say: who carries out what, what is "
        "claimed, how healings stand and ended, and by which tables runs went.",
        look_at=_ROWS,
    ),
)
