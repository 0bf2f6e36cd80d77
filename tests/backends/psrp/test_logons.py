"""A wrong password is tried a few times, however many endpoints there are."""

from __future__ import annotations

import pytest
from attrs import evolve

from popheal import Healer
from popheal.backends.psrp import PsrpBackend
from popheal.backends.psrp.logons import Logons
from popheal.backends.psrp.settings import winrm_connection
from popheal.backends.simulated import load_scenario
from popheal.lab import Lab, Wire, WireFault
from popheal.readiness import Judgement
from popheal.util.secrets import Secret


@pytest.mark.lab
def test_a_wrong_password_locks_no_account() -> None:
    """Three servers have six endpoints; a directory may lock an account at the third refusal."""
    scenario = load_scenario("mailbox-healed-by-reboot")
    servers = [one.fqdn for one in scenario.organisation.all_servers(scenario.server)]
    with Lab(scenario.backend, servers, password="right") as lab:
        settings = lab.settings()
        wrong = {"password": Secret("wrong")}
        settings = evolve(
            settings,
            exchange=evolve(settings.exchange, **wrong),
            winrm=evolve(settings.winrm, **wrong),
        )
        with PsrpBackend(settings) as backend:
            found = Healer(backend).check(servers)
    logons = [line for _, line in found.all_lines() if line.key == "logon"]
    assert len(logons) == 2 * len(servers) == 6
    refused = [line for line in logons if line.judgement is Judgement.BAD]
    assert len(refused) == 2
    spared = [line for line in logons if line.judgement is Judgement.COULD_NOT_TELL]
    assert len(spared) == 4
    for line in spared:
        assert line.cause.startswith("not tried: mbx")
        assert "locks the account" in line.cause
        assert line.next_step == "Mend that first, and check again."


@pytest.mark.lab
def test_a_right_that_is_missing_is_no_wrong_password() -> None:
    """Each server says so of itself: an account that is no administrator anywhere."""
    scenario = load_scenario("mailbox-healed-by-reboot")
    servers = [one.fqdn for one in scenario.organisation.all_servers(scenario.server)]
    fault = WireFault(kind=Wire.FORBIDDEN, action="Create", times=99, endpoint="plain")
    with Lab(scenario.backend, servers, password="right") as lab:
        lab.faults.add(fault)
        with PsrpBackend(lab.settings()) as backend:
            seen = [backend.inspect(server, "[winrm]", ["services"]) for server in servers]
    logons = [one for way in seen for one in way if one.question == "logon"]
    assert [one.passed for one in logons] == [False, False, False]
    assert all("HTTP 403" in one.cause for one in logons)


@pytest.mark.lab
def test_a_connection_that_is_lost_proves_no_password() -> None:
    """Whether the logon was accepted could not be told then."""
    scenario = load_scenario("nothing-wrong")
    with Lab(scenario.backend, [scenario.server], password="right") as lab:
        lab.faults.add(WireFault(kind=Wire.DROP_UNDONE, action="Create", times=99))
        with PsrpBackend(lab.settings()) as backend:
            seen = backend.inspect(scenario.server, "[winrm]", ["services"])
            how = backend.settings.winrm
            known = backend._logons.account(how)
    (session,) = [one for one in seen if one.question == "session"]
    assert session.passed is False
    (logon,) = [one for one in seen if one.question == "logon"]
    assert (logon.passed, logon.because) == (None, "session")
    for where in ("ex1", "ex2"):
        known.refuse(where)
    assert known.refused_by == ("ex1", "ex2")


def account(password: str | None = "one", logons: Logons | None = None):
    how = winrm_connection(
        auth="negotiate", username="popheal" if password else None, password=password
    )
    return (logons or Logons()).account(how)


def test_a_password_that_was_accepted_is_tried_everywhere() -> None:
    """Whoever refuses it then has another reason."""
    tried = account()
    tried.accept()
    for where in ("ex1", "ex2", "ex3"):
        tried.refuse(where)
    assert tried.refused_by == ()


def test_each_password_counts_for_itself() -> None:
    logons = Logons()
    for where in ("ex1", "ex2"):
        account("one", logons).refuse(where)
    assert account("one", logons).refused_by == ("ex1", "ex2")
    assert account("two", logons).refused_by == ()
    # There is no password to be wrong, and nothing to share.
    for where in ("ex1", "ex2"):
        account(None, logons).refuse(where)
    assert account(None, logons).refused_by == ()


def test_a_refusal_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that checks again, after somebody has unlocked the account, is not held up."""
    tried = account()
    for where in ("ex1", "ex2"):
        tried.refuse(where)
    assert tried.refused_by
    monkeypatch.setattr("popheal.backends.psrp.logons._REMEMBERED", 0.0)
    assert tried.refused_by == ()


def test_one_that_hangs_keeps_nobody() -> None:
    tried = account()
    with tried.turn(0.0), tried.turn(0.01):
        pass
