"""What must always hold: each property with its sentence, its formula and how it is decided.

Most are decided while exploring: a *step check* says in which situations taking a step breaks
the property, an *end check* in which situations ending so does. History variables
(:mod:`popheal.verify.history_variables`) remember what a precedence property speaks of. Response
on all paths is an end check together with termination (P13): what must happen before the end
happens.
"""

from __future__ import annotations

from typing import Final

from attrs import frozen

from popheal.verify import checks
from popheal.verify.model import EndCheck, StepCheck


@frozen(kw_only=True)
class Property:
    """One property.

    Attributes:
        id: ``P1`` and so on.
        sentence: What it says, in English.
        formula: The same in CTL (``AG``, ``AF``, ``EF``) or LTL (``W``, ``->``).
        form: Invariant, precedence, response, termination, witnesses or table law.
        on_step: What breaks it when a step is taken.
        on_end: What breaks it when a run ends.
        open: Why it is not decided here; empty if it is.
    """

    id: str
    sentence: str
    formula: str
    form: str
    on_step: StepCheck | None = None
    on_end: EndCheck | None = None
    open: str = ""


# --- all of them ---------------------------------------------------------------------------------

_OF_THE_JOURNAL: Final = (
    "A table has no part in it: the driver commands no effect that is not in the journal, and "
    "popheal check-journal looks for one in any journal."
)

PROPERTIES: Final = (
    Property(
        id="P1",
        sentence="No server is restarted with an active copy on it, or before it was drained and "
        "its databases were then seen to be mounted elsewhere.",
        formula="AG (reboot -> no_mailbox | (copies != active & verified))",
        form="invariant",
        on_step=checks.over_active_copies,
    ),
    Property(
        id="P2",
        sentence="Never are two members of one availability group drained or down by us, and "
        "none is before the rest of the group was seen to be able to take over.",
        formula="AG (drain | reboot -> backend = in) & (!(drain | reboot) W feasible)",
        form="invariant",
        on_step=checks.two_members,
    ),
    Property(
        id="P3",
        sentence="A server is restarted only within the budget, at most once in a run, and not at "
        "all if somebody else has restarted it meanwhile.",
        formula="AG (reboot -> policy = one_reboot & boots = none)",
        form="invariant",
        on_step=checks.beyond_the_budget,
    ),
    Property(
        id="P4",
        sentence="Nothing takes effect without an intent in the journal.",
        formula="AG (effect -> intended)",
        form="invariant",
        open=_OF_THE_JOURNAL,
    ),
    Property(
        id="P5",
        sentence="Nothing is changed on a server unless the last look at POP there, made after "
        "our last restart, saw it fail, or hang; and for a hang no server is taken out of service.",
        formula="AG (change -> seen in (ill, relapsed, hung)) & "
        "AG (drain | reboot -> seen in (ill, relapsed))",
        form="precedence",
        on_step=checks.without_a_failure,
    ),
    Property(
        id="P6",
        sentence="No server is restarted before its service was restarted and a probe (or, after "
        "the wait, the monitor) failed since, nor, once logging was turned on to find it, while "
        "the back end that served the probe is not known to be well.",
        formula="!reboot W (restart & F failed_probe) & AG (reboot -> found in (none, well))",
        form="precedence",
        on_step=checks.reboot_too_early,
    ),
    Property(
        id="P7",
        sentence="Nothing is failed back before a probe of the server's mailbox side has succeeded "
        "after its latest boot, whoever caused that boot (where the failing monitor's own is one "
        "and has failed, that very one), nor while a restart of ours may still arrive.",
        formula="AG (boot | reboot -> (!failback W mailbox_side_probe_succeeded))",
        form="precedence",
        on_step=checks.failback_too_early,
    ),
    Property(
        id="P8",
        sentence="Nothing is done of a higher impact than the policy allows.",
        formula="AG (change -> policy > look_only) & AG (disrupt -> policy > change_only)",
        form="invariant",
        on_step=checks.beyond_the_policy,
    ),
    Property(
        id="P9",
        sentence="Protocol logging that we turned on is set back and the service told so, or, "
        "where that was tried in vain and the run has not recovered, handed over in writing.",
        formula="AG (logging_on -> AF (restored | handed_over))",
        form="response",
        on_end=checks.logging_left_on,
    ),
    Property(
        id="P10",
        sentence="Activation that we disabled is allowed again after a recovery, else handed over "
        "in writing.",
        formula="AG (drain -> AF (restored | (handed_over & !recovered)))",
        form="response",
        on_end=checks.left_drained,
    ),
    Property(
        id="P11",
        sentence="A monitor that we marked as Repairing is cleared.",
        formula="AG (repairing -> AF cleared)",
        form="response",
        open="No action marks a monitor as Repairing.",
    ),
    Property(
        id="P12",
        sentence="An approval that was asked for is granted, refused or expires.",
        formula="AG (asked -> AF (granted | refused | expired))",
        form="response",
        open="A table knows only that an effect was refused, not that a person did it; popheal "
        "check-journal looks for a question without an answer in any journal.",
    ),
    Property(
        id="P13",
        sentence="Every run ends, within a computed bound.",
        formula="AF ended",
        form="termination",
    ),
    Property(
        id="P14",
        sentence="Every state, transition and verdict has a witness, and whatever is begun can "
        "go well, if nothing fails and nobody interferes.",
        formula="EF s, for each s; calm -> AG EF good",
        form="witnesses",
    ),
    Property(
        id="P15",
        sentence="The tables are deterministic: never do two rows apply.",
        formula="AG !(row_i & row_j)",
        form="table law",
    ),
    Property(
        id="P16",
        sentence="Every outcome that a state's action can have is handled.",
        formula="AG (outcome -> some row)",
        form="table law",
        on_step=checks.unhandled,
    ),
    Property(
        id="P17",
        sentence="Could-not-tell, or a cause that no step cures, never leads to a step that "
        "changes or disrupts anything, and a hang never to one that disrupts.",
        formula="AG (could_not_tell | blocked | off -> AX !(change | disrupt)) & "
        "AG (timed_out -> AX !disrupt)",
        form="table law",
        on_step=checks.goes_too_far,
    ),
    Property(
        id="P18",
        sentence="After a cancel, only what restores is done.",
        formula="AG (stop = heeded -> !(change | disrupt))",
        form="invariant",
        on_step=checks.acts_after_cancel,
    ),
    Property(
        id="P19",
        sentence="A dry run decides the same and changes nothing.",
        formula="dry and real runs visit the same states",
        form="two runs",
        open="A matter of what performs the actions; a table has no part in it.",
    ),
    Property(
        id="P20",
        sentence="The synchronous and the asynchronous driver write equal journals.",
        formula="both drivers visit the same states",
        form="two runs",
        open="A matter of the drivers, compared by tests; a table has no part in it.",
    ),
    Property(
        id="P21",
        sentence="What somebody else had set (drained, logging on) is never undone by us.",
        formula="AG (restore -> set_by_us)",
        form="invariant",
        on_step=checks.undoes_others,
    ),
    Property(
        id="P22",
        sentence="A verdict is true: recovered only if the last look at POP, made after our last "
        "restart, saw it well (a monitor: after the wait); cancelled if, and only if, a person "
        "said stop.",
        formula="AG (recovered -> seen = well) & AG (verdict = cancelled <-> stop = heeded)",
        form="invariant",
        on_end=checks.false_verdict,
    ),
    Property(
        id="P23",
        sentence="Nothing is given up without a reason: a step that failed or could not tell, a "
        "hang that the restart of the service did not cure, or a probe that still fails after a "
        "restart of the server, or with PopProxy active again.",
        formula="AG (hope & AX !hope -> reason)",
        form="invariant",
        on_step=checks.gives_up_for_nothing,
    ),
    Property(
        id="P24",
        sentence="Once a look has said that nothing drastic helps (a cause that no reboot cures is "
        "named, a gate of triage holds, POP is switched off behind it), nothing more is changed "
        "or disrupted.",
        formula="AG (blocked | off -> AG !(change | disrupt))",
        form="precedence",
        on_step=checks.acts_in_vain,
    ),
    Property(
        id="P25",
        sentence="No server is drained or restarted while something holds at which triage would "
        "stop, whenever it came up.",
        formula="AG (drain | reboot -> gate = open)",
        form="invariant",
        on_step=checks.against_a_gate,
    ),
    Property(
        id="P26",
        sentence="Where only the front end is seen to be unwell after a restart of the server, the "
        "server is put back, or that was tried (the policy may refuse it), or a probe of its "
        "mailbox side did not succeed.",
        formula="AG (drained & front_end_unwell -> AF (failback_tried | mailbox_side_unproved))",
        form="response",
        on_end=checks.left_out_of_service,
    ),
    Property(
        id="P27",
        sentence="PopProxy is made active only after it was seen that HealthAPI alone keeps it "
        "inactive and nothing would take it offline again at once, and not while that is owed.",
        formula="(!activate W liftable) & AG (activate -> !owes_component)",
        form="precedence",
        on_step=checks.activated_blindly,
    ),
    Property(
        id="P28",
        sentence="PopProxy that we made active is set back, or that is tried and it is handed over "
        "in writing, unless POP works after the wait; and POP that was last seen to work is taken "
        "offline again only if a person says stop.",
        formula="AG (activate -> AF (set_back | handed_over | (recovered & lasting))) & "
        "AG (deactivate -> seen != well | stop = heeded)",
        form="response",
        on_step=checks.taken_offline_though_well,
        on_end=checks.left_activated,
    ),
)
