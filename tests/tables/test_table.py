"""The laws of a table: each is broken once, and refused with the state and the reason."""

from __future__ import annotations

import pytest
from attrs import evolve

from popheal.errors import DefinitionError
from popheal.healthsets.pop import PROCEDURES
from popheal.tables import actions
from popheal.tables.citations import Ours, Section, Step
from popheal.tables.outcomes import COULD_NOT_TELL
from popheal.tables.table import CANCEL, Guard, Procedure, Verdict, on, otherwise, state

WHY = Ours("a test")
RESTART = actions.restart_service(actions.BACK_END)


def table(*states, **changes):
    """A small lawful table, or one made of these states."""
    fields = {
        "name": "test",
        "start": "restarting",
        "states": states
        or (
            state("restarting", RESTART, WHY, otherwise("probing", WHY)),
            state(
                "probing",
                actions.PROBE,
                WHY,
                on("succeeded", "well", WHY),
                otherwise("ill", WHY),
            ),
        ),
        "endings": {
            "well": Verdict.RECOVERED,
            "ill": Verdict.ESCALATED,
            "stopped": Verdict.CANCELLED,
        },
        "on_cancel": (on(CANCEL, "stopped", WHY),),
    }
    return Procedure(**{**fields, **changes})


def test_a_lawful_table_is_accepted():
    """Its states, endings and expectations can be asked for."""
    lawful = table()
    assert lawful.expected("probing") == actions.PROBE.outcomes
    assert lawful.expected("well") == ()
    assert lawful.next("probing", "failed", frozenset()).target == "ill"


PROBING = state("probing", actions.PROBE, WHY, on("succeeded", "well", WHY), otherwise("ill", WHY))

BROKEN = {
    "leads nowhere": (
        state("restarting", RESTART, WHY, on("done", "probing", WHY)),
        PROBING,
    ),
    "which does not exist": (state("restarting", RESTART, WHY, otherwise("nowhere", WHY)),),
    "can't have the outcome 'succeeded'": (
        state("restarting", RESTART, WHY, on("succeeded", "well", WHY), otherwise("probing", WHY)),
        PROBING,
    ),
    "must have one row": (
        state(
            "restarting",
            RESTART,
            WHY,
            on("done", "probing", WHY),
            on("done", "ill", WHY),
            otherwise("probing", WHY),
        ),
        PROBING,
    ),
    "one for a guard and one for its opposite": (
        state(
            "restarting",
            RESTART,
            WHY,
            on("done", "probing", WHY, given=Guard.DRAINED),
            on("done", "ill", WHY, unless=Guard.LOGGING),
            otherwise("probing", WHY),
        ),
        PROBING,
    ),
    "is never reached": (state("restarting", RESTART, WHY, otherwise("ill", WHY)), PROBING),
    "has no way to an ending": (
        state("restarting", RESTART, WHY, otherwise("probing", WHY)),
        state("probing", actions.PROBE, WHY, otherwise("probing", WHY)),
    ),
    r"comes round again \(restarting -> probing -> restarting\)": (
        state("restarting", RESTART, WHY, otherwise("probing", WHY)),
        state(
            "probing",
            actions.PROBE,
            WHY,
            on("failed", "restarting", WHY),
            otherwise("well", WHY),
        ),
    ),
    "which changes things": (
        state("restarting", RESTART, WHY, otherwise("probing", WHY)),
        state(
            "probing",
            actions.PROBE,
            WHY,
            on("succeeded", "well", WHY),
            on(COULD_NOT_TELL, "rebooting", WHY),
            otherwise("ill", WHY),
        ),
        state("rebooting", actions.REBOOT, WHY, otherwise("ill", WHY)),
    ),
    "'blocked' leads to 'restarting_again', which changes things": (
        state("restarting", RESTART, WHY, otherwise("probing", WHY)),
        state(
            "probing",
            actions.PROBE,
            WHY,
            on("succeeded", "well", WHY),
            on("blocked", "restarting_again", WHY),
            otherwise("ill", WHY),
        ),
        state("restarting_again", RESTART, WHY, otherwise("ill", WHY)),
    ),
    "'off' leads to 'recovering', which changes things": (
        state("restarting", RESTART, WHY, otherwise("checking", WHY)),
        state(
            "checking",
            actions.CHECK_BACKENDS,
            WHY,
            on("healthy", "well", WHY),
            on("off", "recovering", WHY),
            otherwise("ill", WHY),
        ),
        state("recovering", actions.RECOVER_BACKENDS, WHY, otherwise("ill", WHY)),
    ),
    "'timed_out' leads to 'rebooting', which disrupts service": (
        state("restarting", RESTART, WHY, otherwise("probing", WHY)),
        state(
            "probing",
            actions.PROBE,
            WHY,
            on("succeeded", "well", WHY),
            on("timed_out", "rebooting", WHY),
            otherwise("ill", WHY),
        ),
        state("rebooting", actions.REBOOT, WHY, otherwise("ill", WHY)),
    ),
    "two states": (
        state("restarting", RESTART, WHY, otherwise("restarting", WHY)),
        state("restarting", RESTART, WHY, otherwise("ill", WHY)),
    ),
}


@pytest.mark.parametrize("law", BROKEN)
def test_each_law_is_kept(law):
    """A table that breaks it is refused, and the error names the law."""
    with pytest.raises(DefinitionError, match=law) as error:
        table(*BROKEN[law])
    assert error.value.procedure == "test"
    assert error.value.state


def test_a_hang_may_lead_to_the_restart_of_a_service():
    """That is what cures one."""
    states = (
        state("restarting", RESTART, WHY, otherwise("probing", WHY)),
        state(
            "probing",
            actions.PROBE,
            WHY,
            on("succeeded", "well", WHY),
            on("timed_out", "restarting_again", WHY),
            otherwise("ill", WHY),
        ),
        state("restarting_again", RESTART, WHY, otherwise("ill", WHY)),
    )
    assert table(*states).next("probing", "timed_out", frozenset()).target == "restarting_again"


def test_a_table_must_start_in_a_state():
    """Not in an ending, and not in nothing."""
    with pytest.raises(DefinitionError, match="not a state"):
        table(start="well")


@pytest.mark.parametrize(
    ("rows", "law"),
    [
        ((), "cancel leads nowhere"),
        ((on(CANCEL, "nowhere", WHY),), "not valid"),
        ((on("done", "stopped", WHY),), "not valid"),
        ((on(CANCEL, "restarting", WHY),), "not a restoring action"),
        ((on(CANCEL, "stopped", WHY, given=Guard.LOGGING),), "must have one row"),
    ],
)
def test_cancelling_is_part_of_the_table(rows, law):
    """Every table says where a stop leads, and nothing but restoring follows it."""
    with pytest.raises(DefinitionError, match=law):
        table(on_cancel=rows)


def test_the_hash_is_that_of_the_behaviour():
    """Another reason or order leaves it; another target, guard or action changes it."""
    base = table()
    assert base.hash == table(*reversed(base.states)).hash
    reworded = evolve(base.states[1], cites=Ours("other words"))
    assert base.hash == base.with_states(reworded).hash
    other = state("probing", actions.PROBE, WHY, on("failed", "ill", WHY), otherwise("well", WHY))
    assert base.hash != base.with_states(other).hash
    action = evolve(actions.PROBE, argument="mailbox_side")
    other_probe = evolve(base.states[1], action=action)
    assert base.hash != base.with_states(other_probe).hash
    assert base.hash != table(on_cancel=(on(CANCEL, "ill", WHY),)).hash


@pytest.mark.parametrize("procedure", PROCEDURES.values(), ids=str)
def test_every_transition_says_why(procedure):
    """It cites a sentence of the runbook, or gives our reason in words."""
    rows = [row for one in procedure.states for row in one.transitions]
    for why in [row.why for row in (*rows, *procedure.on_cancel)]:
        assert isinstance(why, Step) or len(why.reason.split()) > 2


@pytest.mark.parametrize("procedure", PROCEDURES.values(), ids=str)
def test_each_procedure_carries_out_its_section_in_order(procedure):
    """States that cite their own section cite its steps in the order of the page."""
    steps = [
        tuple(int(part) for part in one.cites.number.split("."))
        for one in procedure.states
        if isinstance(one.cites, Step)
        and one.cites.section is procedure.section
        and not one.name.endswith(("_unhealed", "_cancelled"))
    ]
    assert steps == sorted(steps)
    assert steps[:1] == ([(1,)] if procedure.section else [])


def test_citations_read_like_the_page():
    """Section, step, and sentence where it isn't the first."""
    assert str(Section.MAILBOX.step("5", 2)) == "Deep/SelfTest 5, sentence 2"
    assert str(Section.CLIENT_ACCESS.step("3.6")) == "CTP 3.6"
    assert str(Ours("because")) == "ours: because"
