"""A second opinion: spin, on a model made from the same tables, must agree."""

from __future__ import annotations

import subprocess

import pytest

from popheal.healthsets.pop import MAILBOX, PROCEDURES
from popheal.verify.build import build
from popheal.verify.environment import STOP
from popheal.verify.explorer import explore
from popheal.verify.prove import contracts_for
from popheal.verify.verdicts import judge
from tests.evidence.literal import LITERAL, LITERAL_CONTRACTS
from tests.evidence.promela import NOT_ASKED, SpinFailed, ask_spin, promela
from tests.evidence.test_mutants import failback_first, retargeted
from tests.support.programs import needs_program

needs_spin = needs_program("spin", "gcc")

TABLES = {
    **PROCEDURES,
    **LITERAL,
    "failback_first": failback_first(),
    "verification_ignored": retargeted(MAILBOX, verifying_no_active_copies={"active": "rebooting"}),
}


@pytest.mark.slow
@pytest.mark.spin
@needs_spin
@pytest.mark.parametrize("name", TABLES)
def test_spin_agrees(name):
    """On every property, and on what is reached: control states, endings and rows."""
    table = TABLES[name]
    literal = name in LITERAL
    contracts = contracts_for(table, extra=LITERAL_CONTRACTS if literal else None)
    without = (STOP,) if literal else ()
    system = build(table, contracts, without=without)
    ours = explore(system)
    calm = explore(build(table, contracts, calm=True, without=without))
    spins = ask_spin(system)
    assert spins.broken == set(judge(ours, calm)) - NOT_ASKED
    assert spins.states == {ours.layout.read(one)[0] for one in ours.parents} - {""}
    assert spins.rows == {
        (system.steps[at].state, system.steps[at].label)
        for at, roles in ours.taken.items()
        if roles
    }
    assert spins.stored > 0


def test_the_model_is_made_from_the_table():
    """A label for each state, a choice for each way on, and every event of the world."""
    system = build(MAILBOX, contracts_for(MAILBOX))
    text = promela(system)
    for one in MAILBOX.states:
        assert f"\ns_{one.name}:\n" in text
    for event in system.events:
        assert f"/* {event.name} */" in text


def test_without_spin(monkeypatch):
    """Said plainly, not a traceback of a missing file."""

    def missing(*_args, **_options):
        raise FileNotFoundError("spin")

    monkeypatch.setattr(subprocess, "run", missing)
    with pytest.raises(SpinFailed, match="'spin' could not be run"):
        ask_spin(build(MAILBOX, contracts_for(MAILBOX)))


def test_a_failing_verifier(monkeypatch):
    """What it said is passed on."""

    def failing(command, **_options):
        return subprocess.CompletedProcess(command, 1, stdout="", stderr="no space left")

    monkeypatch.setattr(subprocess, "run", failing)
    with pytest.raises(SpinFailed, match="no space left"):
        ask_spin(build(MAILBOX, contracts_for(MAILBOX)))


def test_a_verifier_that_stops_early(monkeypatch):
    """An incomplete exploration is no opinion."""

    def early(command, **_options):
        return subprocess.CompletedProcess(command, 0, stdout="ROW 0\nsearch depth too small")

    monkeypatch.setattr(subprocess, "run", early)
    with pytest.raises(SpinFailed, match="did not explore everything"):
        ask_spin(build(MAILBOX, contracts_for(MAILBOX)))
