"""Logging on by Kerberos, against a real KDC and with sealed messages: what works, what is said.

The lab takes the tickets. A process of MIT's KDC gives them, on loopback.
"""

from __future__ import annotations

import pytest

from popheal import Alert, Verdict, heal
from popheal.backends.psrp import PsrpBackend
from popheal.backends.simulated import load_scenario
from popheal.errors import NotAuthorised
from popheal.lab import Lab
from popheal.lab.logon import KerberosLogon
from tests.support.kdc import kdc
from tests.support.programs import needs_program

pytest.importorskip("gssapi", reason="needs popheal[kerberos]")
pytestmark = [pytest.mark.lab, needs_program("krb5kdc", "kinit")]


@pytest.fixture
def realm(tmp_path, monkeypatch):
    """A KDC that knows popheal's account and the servers of the scenario."""
    with kdc(tmp_path) as running:
        for name, value in running.environment.items():
            monkeypatch.setenv(name, value)
        running.add_user("popheal")
        yield running


@pytest.fixture
def scenario(realm):
    found = load_scenario("mailbox-healed-by-restart")
    for server in servers_of(found):
        realm.add_service(server)
    return found


def servers_of(scenario):
    return [one.fqdn for one in scenario.organisation.world.servers]


def logged_on(scenario, **options):
    """The organisation served to whoever has a ticket."""
    return Lab(
        scenario.backend,
        servers_of(scenario),
        is_up=scenario.organisation.answers,
        kerberos=KerberosLogon(**options),
    )


@pytest.mark.parametrize(
    "schemes", [("Negotiate", "Kerberos"), ("Negotiate",), ("Kerberos",)], ids="+".join
)
def test_a_ticket_heals(realm, scenario, schemes):
    """A whole recovery, each message sealed."""
    realm.get_ticket("popheal")
    with logged_on(scenario, schemes=schemes) as lab, PsrpBackend(lab.settings()) as backend:
        report = heal(Alert(server="MBX1"), backend, clock=scenario.clock)
    assert report.verdict is Verdict.RECOVERED


def told_without(scenario, **options):
    """What is said of a look that can't log on."""
    server = servers_of(scenario)[0]
    denied = pytest.raises(NotAuthorised)
    with (
        logged_on(scenario, **options) as lab,
        PsrpBackend(lab.settings()) as backend,
        denied as it,
    ):
        backend.server_health(server)
    return it.value


def test_without_a_ticket(scenario):
    error = told_without(scenario)
    assert "no Kerberos ticket" in error.cause
    assert "kinit" in error.next_step


def test_with_a_ticket_that_has_expired(realm, scenario):
    realm.get_expired_ticket("popheal")
    error = told_without(scenario)
    assert "has expired" in error.cause
    assert "kinit" in error.next_step


def test_while_the_kdc_is_down(realm, scenario):
    realm.get_ticket("popheal")
    realm.stop()
    error = told_without(scenario)
    assert "KDC" in error.cause
    assert "KDC" in error.next_step


def test_a_server_that_the_kdc_does_not_know(realm, scenario):
    """The service part of the name is set wrongly, mostly."""
    realm.get_ticket("popheal")
    error = told_without(scenario, service="HTTP")
    assert "does not know" in error.cause
    assert "negotiate_service" in error.next_step
