"""A process dies, and another one goes on.

At the points around each effect, and at a fixed sample of the others, of each third path, or of
all with --campaigns; `python -m tests.evidence.crashes` takes every point of every scenario, and
docs/crashes.md has its figures.
"""

from __future__ import annotations

import sys
from unittest.mock import patch

import pytest

from popheal.journal import Lease
from popheal.journal.entries import EffectIntended, Entry
from tests.evidence import crashes

pytest.importorskip("psrpcore", reason="needs popheal[lab]")

JOBS = 2
#: The shortest path of each procedure that changes something.
SHORT = (
    "mailbox-healed-by-restart",
    "client-access-healed-by-restart",
    "proxy-healed-by-restart",
    "command-time-healed-by-restart",
)
#: One with every effect that takes a server out of service.
LONG = "mailbox-healed-by-reboot"


@pytest.mark.slow
@pytest.mark.campaign
def test_in_process_on_every_path(pytestconfig):
    """Each path that a scenario takes, or each third: around each effect, and at each seventh."""
    whole = pytestconfig.getoption("--campaigns")
    names = crashes.covering() if whole else crashes.covering()[1::3]
    tally = crashes.enumerate_all(names, JOBS, every=7)
    assert tally.wrong == []
    # Whichever kind of point there is, one of it was tried.
    assert set(tally.kinds) == {one for name in names for one in crashes.undisturbed(name).labels}
    assert {"before effect reboot", "after effect reboot", "in transaction end"} <= set(tally.kinds)
    assert tally.points > 150


@pytest.mark.slow
@pytest.mark.campaign
def test_in_process_at_every_point():
    """Of a short path, and of each scenario in which a second process may come to another end."""
    names = {SHORT[0], *(name for name, _ in crashes.EXPLAINED)}
    tally = crashes.enumerate_all(sorted(names), JOBS)
    assert tally.wrong == []
    assert tally.needless() == []
    assert tally.points == sum(len(crashes.undisturbed(name).labels) for name in names)


@pytest.mark.slow
@pytest.mark.campaign
def test_who_goes_on_dies_too():
    """At each point in a sample of what goes on after each point in it."""
    tally = crashes.enumerate_all(["mailbox-healed-by-restart"], JOBS, deaths=2, every=3)
    assert tally.wrong == []
    assert tally.points > 60


@pytest.mark.slow
@pytest.mark.campaign
@pytest.mark.lab
def test_over_the_lab_a_process_is_killed_on_the_short_paths():
    """Around each effect, and at a few points more."""
    tally = crashes.enumerate_over_lab(SHORT, JOBS, every=24)
    assert tally.wrong == []
    assert tally.points > 12


@pytest.mark.slow
@pytest.mark.campaign
@pytest.mark.lab
def test_over_the_lab_a_process_is_killed_around_each_effect_of_a_long_path():
    tally = crashes.enumerate_over_lab([LONG], JOBS, every=sys.maxsize)
    assert tally.wrong == []
    assert {one for one in tally.kinds if "effect" in one} == {
        f"{when} effect {effect}"
        for when in ("before", "after")
        for effect in ("restart_service", "set_activation_disabled", "reboot")
    }
    assert tally.points == 8


# --- the enumeration finds what it is there to find -----------------------------------------------


def without_intents(pipe, scenario: str) -> None:
    """In a process of its own: a popheal that acts without writing down what it is about to do."""
    write = Lease.write

    def forget(self, entry: Entry, args: tuple = ()) -> None:
        if isinstance(entry, EffectIntended):
            self._intended |= {(entry.effect, *args)}
        else:
            write(self, entry)

    with patch.object(Lease, "write", forget):
        pipe.send(crashes.enumerate_in_process(scenario))


@pytest.mark.slow
@pytest.mark.campaign
def test_a_popheal_that_forgets_what_it_did_is_found_out():
    reference, endings = crashes.in_process(SHORT[0], play=without_intents)
    tally = crashes.Tally()
    tally.note(SHORT[0], reference, endings)
    found = "\n".join(tally.wrong)
    assert "undisturbed: P4: ('restart_service', 'mbx1') was commanded 1 times" in found
    assert "after effect restart_service: P4: ('restart_service', 'mbx1') was commanded" in found
    # Nothing of the run was on the disk: whoever goes on takes what it did for somebody else's.
    assert "after effect restart_service: verdict transient, not recovered" in found


def test_an_explanation_that_is_not_needed_is_found_out():
    tally = crashes.Tally()
    tally.note("restarted-by-managed-availability", crashes.undisturbed(SHORT[0]).ending, [])
    assert tally.needless() == [("restarted-by-managed-availability", "nothing_wrong")]


def test_the_command_line_tells_what_was_enumerated(capsys, monkeypatch):
    asked = ["crashes", "--scenarios", "transient", "nothing-wrong", "--jobs", "1"]
    monkeypatch.setattr(sys, "argv", asked)
    assert crashes.main() == 0
    printed = capsys.readouterr().out
    assert printed.startswith("scenarios: 2\npoints: ")
    assert "after transaction end" in printed
    assert "\nwrong: 0\n" in printed
