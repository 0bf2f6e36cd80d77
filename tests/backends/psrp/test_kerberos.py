"""Logging on by Kerberos, against a real KDC and with sealed messages: what works, what is said.

The lab takes the tickets. A process of MIT's KDC gives them, on loopback.
"""

from __future__ import annotations

from datetime import timedelta

import pytest
from attrs import evolve

from popheal import Alert, Verdict, heal
from popheal.backends.psrp import PsrpBackend
from popheal.backends.simulated import load_scenario
from popheal.errors import NotAuthorised
from popheal.journal import Journal
from popheal.lab import Lab
from popheal.lab import logon as lab_logon
from popheal.lab.logon import KerberosLogon
from popheal.reports.events import WaitHindered
from popheal.reports.report import FindingKind
from popheal.util.secrets import Secret
from tests.support.certificates import self_signed
from tests.support.kdc import PASSWORD, kdc
from tests.support.programs import needs_program

pytest.importorskip("gssapi", reason="needs popheal[kerberos]")
pytestmark = [pytest.mark.lab, needs_program("krb5kdc", "kadmin.local", "kinit")]


#: Longer than any healing may take.
LONG = "9h"


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


def logged_on(scenario, certificate="", **options):
    """The organisation served to whoever has a ticket."""
    return Lab(
        scenario.backend,
        servers_of(scenario),
        is_up=scenario.organisation.answers,
        kerberos=KerberosLogon(**options),
        certificate=certificate,
    )


@pytest.mark.parametrize(
    "schemes", [("Negotiate", "Kerberos"), ("Negotiate",), ("Kerberos",)], ids="+".join
)
def test_a_ticket_heals(realm, scenario, schemes):
    """A whole recovery, each message sealed."""
    realm.get_ticket("popheal", LONG)
    with logged_on(scenario, schemes=schemes) as lab, PsrpBackend(lab.settings()) as backend:
        report = heal(Alert(server="MBX1"), backend, clock=scenario.clock)
    assert report.verdict is Verdict.RECOVERED


def told_without(scenario, given=None, **options):
    """What is said of a look that can't log on.

    Args:
        scenario: What is looked at.
        given: Settings of both connections, where they differ from the lab's.
        options: The logon that is offered.
    """
    server = servers_of(scenario)[0]
    with logged_on(scenario, **options) as lab:
        settings = with_logon(lab.settings(), **(given or {}))
        with PsrpBackend(settings) as backend, pytest.raises(NotAuthorised) as it:
            backend.server_health(server)
    return it.value


def with_logon(settings, **fields):
    """The same settings with another logon on both kinds of endpoint."""
    exchange, winrm = evolve(settings.exchange, **fields), evolve(settings.winrm, **fields)
    return evolve(settings, exchange=exchange, winrm=winrm)


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


def test_where_only_another_logon_is_offered(realm, scenario):
    realm.get_ticket("popheal")
    error = told_without(scenario, schemes=("Basic",))
    assert "does not offer" in error.cause
    assert "Basic" in error.cause
    assert 'auth to "basic"' in error.next_step


# --- with a password -----------------------------------------------------------------------------

SCHEMES = {"kerberos": ("Kerberos",), "negotiate": ("Negotiate",)}


@pytest.mark.parametrize("auth", SCHEMES)
def test_a_password_gets_a_ticket_of_its_own(realm, scenario, auth):
    given = {"auth": auth, "username": "popheal@CONTOSO.COM", "password": Secret(PASSWORD)}
    server = servers_of(scenario)[0]
    lab = logged_on(scenario, schemes=SCHEMES[auth])
    with lab, PsrpBackend(with_logon(lab.settings(), **given)) as backend:
        assert backend.server_health(server)
        assert backend.logon_lasts(server) is None
    assert not (realm.folder / "tickets").exists()


@pytest.mark.parametrize(
    ("user", "password", "said"),
    [("popheal", "not that", "password"), ("nobody", PASSWORD, "does not know this account")],
)
def test_a_password_or_a_name_that_is_wrong(realm, scenario, user, password, said):
    name = f"{user}@CONTOSO.COM"
    given = {"auth": "kerberos", "username": name, "password": Secret(password)}
    error = told_without(scenario, given, schemes=("Kerberos",))
    assert said in error.cause
    assert error.next_step
    assert password not in str(error)


# --- under TLS -----------------------------------------------------------------------------------


@pytest.mark.parametrize("auth", SCHEMES)
def test_a_logon_is_tied_to_its_tls_connection(realm, scenario, tmp_path, auth):
    """It names the certificate that it is made under, and messages are not sealed once more."""
    realm.get_ticket("popheal")
    path = self_signed(tmp_path / "server.pem", servers_of(scenario))
    lab = logged_on(scenario, certificate=path, schemes=SCHEMES[auth])
    with lab, PsrpBackend(with_logon(lab.settings(), auth=auth)) as backend:
        assert backend.server_health(servers_of(scenario)[0])


def test_a_logon_made_under_another_certificate_is_refused(realm, scenario, tmp_path, monkeypatch):
    """Who sits in between with a certificate of its own can't pass a logon on."""
    realm.get_ticket("popheal")
    path = self_signed(tmp_path / "between.pem", servers_of(scenario))
    channel = lab_logon._channel_of(self_signed(tmp_path / "server.pem", servers_of(scenario)))
    monkeypatch.setattr(lab_logon, "_channel_of", lambda _certificate: channel)
    told_without(scenario, certificate=path)


# --- how long it lasts ---------------------------------------------------------------------------


@pytest.fixture
def drained(realm):
    """What is healed by a reboot."""
    found = load_scenario("mailbox-healed-by-reboot")
    for server in servers_of(found):
        realm.add_service(server)
    return found


def healed(scenario, backend, observers=()):
    """The report of a healing that no other one is known to have come before."""
    with Journal() as journal:
        return heal(
            Alert(server="MBX1"),
            backend,
            clock=scenario.clock,
            journal=journal,
            observers=observers,
        )


def test_a_ticket_that_will_not_last_is_known_before_the_first_effect(realm, drained):
    realm.get_ticket("popheal", "1h")
    with logged_on(drained) as lab, PsrpBackend(lab.settings()) as backend:
        left = backend.logon_lasts("MBX1")
        report = healed(drained, backend)
    assert timedelta(minutes=59) < left <= timedelta(hours=1)
    assert report.verdict is Verdict.HELD
    assert "expires at" in report.summary
    held = [one for one in report.findings if one.kind is FindingKind.NOT_AUTHORISED]
    assert "kinit" in held[0].next_step
    assert not report.runs


def test_a_keytab_renews_it(realm, drained, monkeypatch):
    """Even one that has expired meanwhile."""
    monkeypatch.setenv("KRB5_CLIENT_KTNAME", realm.client_keytab("popheal"))
    realm.get_expired_ticket("popheal")
    with logged_on(drained) as lab, PsrpBackend(lab.settings()) as backend:
        assert backend.logon_lasts("MBX1") is None
        report = healed(drained, backend)
    assert report.verdict is Verdict.RECOVERED


@pytest.mark.parametrize("expired", [False, True], ids=["no ticket", "expired"])
def test_what_is_said_of_a_ticket_before_anything_is_asked(realm, drained, expired):
    if expired:
        realm.get_expired_ticket("popheal")
    with logged_on(drained) as lab:
        # By Negotiate there may be other ways to log on.
        settings = with_logon(lab.settings(), auth="kerberos")
    with PsrpBackend(settings) as backend, pytest.raises(NotAuthorised) as it:
        backend.logon_lasts("MBX1")
    assert ("has expired" if expired else "no Kerberos ticket") in it.value.cause


def drop_tickets_at_the_reboot(realm, backend):
    def observe(event):
        if event.name == "action_started" and event.state == "awaiting_server":
            realm.drop_tickets()
            backend.close()

    return observe


def test_a_ticket_that_ends_in_the_middle_of_a_wait(realm, drained):
    """That is told at once, with what to do; and the wait goes on as soon as it can."""
    told = []

    def renew(event):
        if isinstance(event, WaitHindered):
            told.append(event)
            realm.get_ticket("popheal", LONG)

    realm.get_ticket("popheal", LONG)
    with logged_on(drained) as lab, PsrpBackend(lab.settings()) as backend:
        observers = [drop_tickets_at_the_reboot(realm, backend), renew]
        report = healed(drained, backend, observers)
    assert report.verdict is Verdict.RECOVERED
    assert len(told) == 1
    assert "kinit" in told[0].error


def test_a_ticket_that_nobody_renews(realm, drained):
    """It is not told that the server does not come back: nobody could look."""
    realm.get_ticket("popheal", LONG)
    with logged_on(drained) as lab, PsrpBackend(lab.settings()) as backend:
        observers = [drop_tickets_at_the_reboot(realm, backend)]
        report = healed(drained, backend, observers)
    assert report.verdict is Verdict.ESCALATED
    step = next(one for one in report.runs[0].steps if one.state == "awaiting_server")
    assert step.outcome == "could_not_tell"
    assert step.kind is FindingKind.NOT_AUTHORISED
    assert "kinit" in step.detail
