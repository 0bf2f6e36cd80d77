"""Troubles between popheal and a server, planted in a lab: what the client itself meets."""

from __future__ import annotations

import contextlib
import socket
import threading

import pytest
from attrs import evolve, field, frozen

from popheal import Healer, Policy
from popheal.backends.psrp import PsrpSettings, inside, kerberos, rights
from popheal.backends.psrp.inspector import inspect_way
from popheal.backends.simulated import SimulatedBackend
from popheal.backends.simulated.scenario import build_scenario
from popheal.errors import NotAuthorised
from popheal.exchange.backend import Inspectable
from popheal.lab import Lab
from popheal.lab.cmdlets import CMDLETS
from popheal.lab.logon import KerberosLogon
from popheal.lab.wire_faults import Wire, WireFault
from popheal.readiness import Judgement
from popheal.util.secrets import Secret
from tests.support.certificates import self_signed
from tests.support.readiness import Told, see_only

pytestmark = pytest.mark.lab

MBX1 = "mbx1.contoso.com"
EX, WIN = "[exchange]", "[winrm]"
UNTOLD = Judgement.COULD_NOT_TELL


class Inspected(SimulatedBackend):
    """The ways in are those of a lab; everything else is looked at in process."""

    settings: PsrpSettings
    entrances = (MBX1,)

    def ways(self, server):
        return (EX, WIN)

    def inspect(self, server, way, methods):
        return inspect_way(self.settings, server, way, methods)

    def apart(self, without=(), turn=0):
        return contextlib.nullcontext(self)


@pytest.fixture(scope="module")
def organisation():
    content = {
        "title": "An organisation that is checked",
        "alert": {"server": "MBX1", "health_set": "POP"},
        "organisation": {"preset": "standalone"},
    }
    return build_scenario(content).organisation


@pytest.fixture(scope="module")
def lab(organisation):
    with Lab(SimulatedBackend(organisation), [MBX1], password="right") as lab:
        yield lab


@pytest.fixture(scope="module")
def settings(lab):
    short = {"connect_timeout": 1, "request_timeout": 3, "command_timeout": 10, "busy_timeout": 0}
    return lab.settings(**short)


@pytest.fixture(scope="module")
def check(organisation):
    def check(settings):
        backend = Inspected(organisation)
        backend.settings = settings
        assert isinstance(backend, Inspectable)
        return Healer(backend, policy=Policy()).check([MBX1])

    return check


@pytest.fixture(scope="module")
def sound(check, settings):
    return check(settings)


def test_nothing_is_wrong_where_nothing_is_planted(sound):
    wrong = [line.name for _, line in sound.all_lines() if line.judgement is not Judgement.GOOD]
    assert wrong == ["journal"]


@frozen(kw_only=True)
class Planted:
    """A trouble: settings that are changed, and what else is planted."""

    told: Told
    settings: dict = field(factory=dict)
    plant: object = None


def planted(line, says, step, *, judgement=Judgement.BAD, plant=None, **settings):
    told = Told(line=line, says=says, step=step, judgement=judgement)
    return Planted(told=told, settings=settings, plant=plant)


def manner(**changed):
    """Of the server's own endpoint."""

    def plant(lab, monkeypatch):
        monkeypatch.setitem(lab.manners, MBX1, evolve(lab.manners[MBX1], **changed))

    return plant


def without(cmdlet, *parameters):
    """Of the account's roles."""

    def plant(lab, monkeypatch):
        known = CMDLETS[cmdlet.lower()]
        if not parameters:
            monkeypatch.delitem(CMDLETS, cmdlet.lower())
            return
        left = known.parameters - {one.lower() for one in parameters}
        monkeypatch.setitem(CMDLETS, cmdlet.lower(), evolve(known, parameters=left))

    return plant


def meets(kind, endpoint):
    """Each new shell on an endpoint."""

    def plant(lab, monkeypatch):
        lab.faults.add(WireFault(kind=kind, action="Create", times=99, endpoint=endpoint))

    return plant


def slow(lab, monkeypatch):
    monkeypatch.setattr(inside, "_SLOW", 0.0)


def no_list(lab, monkeypatch):
    monkeypatch.setattr(rights, "_CONTROL", "Get-Nothing")


TROUBLES = {
    "wrong path": planted(f"http {EX}", "no remoting endpoint", "the path", path="Nowhere"),
    "wrong logon": planted(f"offers {EX}", "does not offer ntlm", 'auth = "basic"', auth="ntlm"),
    "wrong password": planted(
        f"logon {EX}", "not accepted", "locked", password=Secret("wrong")
    ),
    "wrong session": planted(
        f"session {EX}", "doesn't offer this session", "path", configuration="Contoso.Helpdesk"
    ),
    "account barred": planted(
        f"logon {EX}", "HTTP 403", "locked", plant=meets(Wire.FORBIDDEN, "exchange")
    ),
    "too many shells": planted(
        f"session {WIN}", "no more shells", "Close other", plant=meets(Wire.SHELL_LIMIT, "plain")
    ),
    "remoting stopped": planted(
        f"session {WIN}", "HTTP 503", "Get-PSSession", plant=meets(Wire.UNAVAILABLE, "plain")
    ),
    "constrained language": planted(
        f"language {WIN}", "ConstrainedLanguage", "full language mode",
        plant=manner(language="ConstrainedLanguage"),
    ),
    "no language": planted(
        f"language {WIN}", "no-language mode", "in full language mode that the account",
        plant=manner(language="NoLanguage"),
    ),
    "old PowerShell": planted(
        f"powershell {WIN}", "2.0", "Windows Management Framework", plant=manner(version="2.0")
    ),
    "wrong host": planted(
        f"host {WIN}", "EX7 the machine that is reached is not mbx1", "[addresses]",
        plant=manner(name="EX7"),
    ),
    "no administrator": planted(
        f"condition {WIN} administrator", "no local administrator", "popheal rights",
        plant=manner(administrator=False),
    ),
    "a command missing": planted(
        f"condition {WIN} commands", "Restart-Service", "session configuration",
        plant=manner(lacking=("Restart-Service",)),
    ),
    "registry closed": planted(
        f"condition {WIN} registry", "Requested registry access", "local administrator",
        plant=manner(registry="Requested registry access is not allowed."),
    ),
    "a restart marked": planted(
        f"condition {WIN} restart mark", "a restart was begun", "Remove-Item",
        plant=manner(marked=True),
    ),
    "no shutdown.exe": planted(
        f"condition {WIN} shutdown.exe", "not in System32", "System32", plant=manner(shutdown=False)
    ),
    "role missing": planted(
        f"cmdlet {EX} Set-MailboxServer", "no role of the account", "popheal rights",
        plant=without("Set-MailboxServer"),
    ),
    "role of a look missing": planted(
        f"cmdlet {EX} Get-PopSettings", "no role of the account", "popheal rights",
        plant=without("Get-PopSettings"),
    ),
    "parameter missing": planted(
        f"cmdlet {EX} Get-MailboxDatabase", "leave out: Status", "with Status",
        plant=without("Get-MailboxDatabase", "Status"),
    ),
    "slow": planted(f"answer_time {WIN}", "to open and to answer", "loads at", plant=slow),
}  # fmt: skip


@pytest.mark.parametrize("name", TROUBLES)
def test_a_trouble_has_a_line_of_its_own(check, lab, settings, sound, monkeypatch, name):
    trouble = TROUBLES[name]
    if trouble.settings:
        changed = evolve(settings.exchange, **trouble.settings)
        settings = evolve(settings, exchange=changed)
    if trouble.plant:
        trouble.plant(lab, monkeypatch)
    try:
        after = check(settings)
    finally:
        lab.faults.clear()
    if name == "slow":  # which both are
        told, other = (after.servers[0].lines, f"answer_time {EX}")
        assert [one.judgement for one in told if one.name == other] == [Judgement.BAD]
        return
    line = see_only(trouble.told, sound, after, MBX1)
    assert line.next_step
    assert "right" not in str(after.to_json()).replace("Right", "").replace("rights", "")


def test_a_list_of_cmdlets_that_says_nothing_proves_nothing(check, settings, monkeypatch):
    no_list(None, monkeypatch)
    after = check(settings)
    told = [line for line in after.servers[0].lines if line.key == "cmdlet"]
    assert {line.judgement for line in told} == {UNTOLD}
    assert all(line.next_step for line in told)


# --- before there is any endpoint ----------------------------------------------------------------


def at(settings, address):
    return evolve(settings, addresses={MBX1: address})


def test_a_name_that_leads_nowhere(check, settings, monkeypatch):
    def unknown(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    after = check(at(settings, "no-such-name.contoso.com:80"))
    for way in (EX, WIN):
        (line,) = [one for one in after.servers[0].lines if one.name == f"name {way}"]
        assert line.judgement is Judgement.BAD
        assert "[addresses]" in line.next_step
    _all_else_waits(after, "name")


def test_a_port_that_is_closed(check, settings):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    after = check(at(settings, f"127.0.0.1:{port}"))
    line = _line(after, f"tcp {EX}")
    assert "refused" in line.cause
    assert "firewall" in line.next_step
    _all_else_waits(after, "tcp")


def test_a_server_that_says_nothing(check, settings):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        after = check(at(settings, f"127.0.0.1:{silent.getsockname()[1]}"))
    assert "no answer came in time" in _line(after, f"http {EX}").cause
    assert "Enable-PSRemoting" in _line(after, f"http {WIN}").next_step
    _all_else_waits(after, "http")


def test_something_else_that_answers(check, settings):
    said = b"HTTP/1.1 302 Found\r\nLocation: https://owa.contoso.com/?secret=1\r\n\r\n"
    with _server(said) as port:
        after = check(at(settings, f"127.0.0.1:{port}"))
    line = _line(after, f"http {EX}")
    assert "redirects to https://owa.contoso.com/" in line.cause
    assert "secret" not in line.cause
    assert "not an alias" in line.next_step


def test_a_ticket_that_is_missing(organisation, check, monkeypatch):
    def none(server, user, only):
        raise NotAuthorised(
            server=server, command="log on", cause="there is no ticket", next_step="kinit"
        )

    with Lab(SimulatedBackend(organisation), [MBX1], kerberos=KerberosLogon()) as lab:
        monkeypatch.setattr(kerberos, "lasts", none)
        after = check(lab.settings(connect_timeout=1))
    assert _line(after, f"offers {EX}").judgement is Judgement.GOOD
    for way in (EX, WIN):
        line = _line(after, f"ticket {way}")
        assert (line.judgement, line.cause) == (Judgement.BAD, "there is no ticket")
        assert "kinit" in line.next_step
        assert _line(after, f"logon {way}").because == f"ticket {way}"


CERTIFICATES = {
    "expired": ([MBX1], -1, "expired", "certificate_validation"),
    "for another name": (["mbx9.contoso.com"], 90, "", "full name"),
    "of an authority that is not known": ([MBX1], 90, "self", "trusts"),
    "about to expire": ([MBX1], 5, "expires in", "Renew it"),
    "long enough": ([MBX1], 90, "", ""),
}


@pytest.mark.parametrize("name", CERTIFICATES)
def test_certificates(organisation, check, tmp_path, name):
    names, days, says, step = CERTIFICATES[name]
    path = self_signed(tmp_path / "server.pem", names, days=days)
    with Lab(SimulatedBackend(organisation), [MBX1], certificate=path) as lab:
        settings = lab.settings(connect_timeout=2)
        if "authority" in name:
            both = {
                one: evolve(getattr(settings, one), certificate_validation=True)
                for one in ("exchange", "winrm")
            }
            settings = evolve(settings, **both)
        after = check(settings)
    line = _line(after, f"tls {EX}")
    assert "A test's own server" in line.value
    if not step:
        assert line.judgement is Judgement.GOOD
        assert after.exit_status == 1  # for want of a journal
        return
    assert line.judgement is Judgement.BAD
    assert says in line.cause
    assert step in line.next_step
    accepted = name == "about to expire"
    assert (_line(after, f"http {EX}").judgement is Judgement.GOOD) == accepted
    if not accepted:
        _all_else_waits(after, "tls")


def _line(found, name):
    (line,) = [one for one in found.servers[0].lines if one.name == name]
    return line


def _all_else_waits(found, key):
    """Whatever comes after was not asked, and says why; nothing else is told as wrong."""
    wrong = [one for one in found.servers[0].lines if one.judgement is not Judgement.GOOD]
    assert {one.name for one in wrong if not one.because} == {f"{key} {EX}", f"{key} {WIN}"}
    for one in wrong:
        assert one.because.partition(": ")[2] or one.because in ("", f"{key} {EX}", f"{key} {WIN}")
    assert _line(found, "boot").because == f"{key} {WIN}"
    assert _line(found, "server").because == f"{key} {EX}"


@contextlib.contextmanager
def _server(said):
    """A server that says the same to everybody."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    client, _ = listening.accept()
                    with client:
                        client.recv(65536)
                        client.sendall(said)

        threading.Thread(target=serve, daemon=True).start()
        yield listening.getsockname()[1]
