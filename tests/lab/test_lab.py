"""The lab answers as Exchange and Windows would, on loopback and to nobody else."""

from __future__ import annotations

import base64
import http.client
import socket
import threading
from datetime import timedelta
from xml.etree import ElementTree as ET

import pytest
from pypsrp.complex_objects import PSInvocationState
from pypsrp.exceptions import AuthenticationError, WSManFaultError
from pypsrp.powershell import PowerShell, RunspacePool
from pypsrp.wsman import WSMan

from popheal.errors import ConfigurationError
from popheal.lab import Lab, Wire, WireFault
from popheal.lab.logon import Login
from popheal.lab.serializer import Int64, LocalTime, PsEnum, PsList, PsObject, to_xml
from tests.support.lab_backend import EX1, EX2, NOW, FakeBackend
from tests.support.lab_fixtures import PASSWORD

pytestmark = pytest.mark.lab


def client(lab: Lab, path: str = "PowerShell", password: str = PASSWORD) -> WSMan:
    host, _, port = lab.addresses[EX1].partition(":")
    return WSMan(
        host,
        port=int(port),
        ssl=False,
        auth="basic",
        encryption="never",
        username="lab",
        password=password,
        path=path,
        no_proxy=True,
        operation_timeout=1,
        read_timeout=5,
    )


def pool(lab: Lab, name: str = "Microsoft.Exchange", path: str = "PowerShell") -> RunspacePool:
    return RunspacePool(client(lab, path), configuration_name=name)


def run(shell: PowerShell) -> list[str]:
    """The texts of its error records, after it ran to its end."""
    shell.invoke()
    texts = [str(error) for error in shell.streams.error]
    shell.close()
    return texts


def test_a_plain_client_sees_exchange_objects(lab: Lab) -> None:
    """Type names, enums as objects, 64-bit numbers, times with an offset."""
    with pool(lab) as runspace:
        shell = PowerShell(runspace).add_cmdlet("Get-ServerHealth").add_parameter("Identity", EX1)
        first = shell.invoke()[1]
        shell.close()
    properties = first.adapted_properties
    assert len(properties) == 28
    assert first.types[0].endswith("MonitorHealthEntry")
    assert properties["AlertValue"].to_string == "Unhealthy"
    assert properties["LastExecutionTime"] == "2026-01-05T10:00:00.5+02:00"
    assert properties["Identity"] == "POP.Proxy\\PopProxyTestMonitor\\MSExchangePop3"
    assert first.extended_properties["PSComputerName"] == EX1


def test_no_language_mode(lab: Lab) -> None:
    """Scripts and pipelines are refused at the Exchange endpoint, with Exchange's text."""
    with pool(lab) as runspace:
        (text,) = run(PowerShell(runspace).add_script("Get-Process"))
        assert text.startswith("The syntax is not supported by this runspace.")
        piped = PowerShell(runspace).add_cmdlet("Get-ExchangeServer").add_cmdlet("Select-Object")
        (text,) = run(piped)
        assert "no-language mode" in text


def test_unknown_cmdlets_and_parameters(lab: Lab, fake: FakeBackend) -> None:
    """The runbook's own mistake, -ProtocolLoggingEnabled, fails as it does on a real server."""
    with pool(lab) as runspace:
        (text,) = run(PowerShell(runspace).add_cmdlet("Restart-Service"))
        assert "'Restart-Service' is not recognized as the name of a cmdlet" in text
        shell = PowerShell(runspace).add_cmdlet("Set-PopSettings")
        (text,) = run(shell.add_parameter("ProtocolLoggingEnabled", True))
        assert text == (
            "A parameter cannot be found that matches parameter name 'ProtocolLoggingEnabled'."
        )
        assert shell.state == PSInvocationState.FAILED
    assert not fake.calls


def test_cmdlets_without_a_server_mean_the_connected_one(lab: Lab, fake: FakeBackend) -> None:
    """As on a real server; and without a value nothing is set."""
    with pool(lab) as runspace:
        switched = PowerShell(runspace).add_cmdlet("Get-PopSettings").add_parameter("Verbose")
        assert run(switched.add_parameter("DomainController", 1.5)) == []
        for cmdlet in ("Set-PopSettings", "Set-MailboxServer"):
            assert run(PowerShell(runspace).add_cmdlet(cmdlet)) == []
    assert fake.calls == [("pop_settings", (EX1,))]


def test_other_scripts_and_commands_are_refused(lab: Lab, fake: FakeBackend) -> None:
    """The plain endpoint runs popheal's scripts, known by their text, and nothing else."""
    with pool(lab, "Microsoft.PowerShell", "wsman") as runspace:
        (text,) = run(PowerShell(runspace).add_script("Restart-Computer"))
        assert "no scripts but those of popheal" in text
        (text,) = run(PowerShell(runspace).add_cmdlet("Restart-Computer"))
        assert "no commands here" in text
    assert not fake.calls


def test_wrong_ways_in(lab: Lab) -> None:
    """A wrong password, path or session configuration."""
    with pytest.raises(AuthenticationError):
        RunspacePool(client(lab, password="wrong")).open()
    with pytest.raises(Exception, match="404"):
        RunspacePool(client(lab, path="owa")).open()
    with pytest.raises(WSManFaultError, match="not found in the WS-Management catalog"):
        pool(lab, "Microsoft.Wrong").open()


def test_the_shell_limit(lab: Lab) -> None:
    """One shell too many is refused, in the words of Windows; a closed one makes room."""
    shells = [pool(lab) for _ in range(3)]
    for shell in shells:
        shell.open()
    with pytest.raises(WSManFaultError, match="maximum number of 3 concurrent shells"):
        pool(lab).open()
    for shell in shells:
        shell.close()
    with pool(lab):
        assert lab.shells(EX1) == 1


@pytest.mark.slow
def test_a_long_command_is_polled(lab: Lab, fake: FakeBackend) -> None:
    """The long poll ends in a time-out that isn't an error, and is asked again."""
    ready = threading.Event()
    original = fake.server_health

    def slow(server: str) -> object:
        ready.wait(1.5)
        return original(server)

    fake.server_health = slow  # type: ignore[method-assign, assignment]
    with pool(lab) as runspace:
        shell = PowerShell(runspace).add_cmdlet("Get-ServerHealth").add_parameter("Identity", EX1)
        assert len(shell.invoke()) == 5
        shell.close()


def test_a_server_that_is_down_is_not_there(lab: Lab, fake: FakeBackend) -> None:
    """Its socket is closed and its connections cut; the others don't notice; it comes back."""
    runspace = pool(lab)
    runspace.open()
    fake.down.add(EX1)
    lab.sync()
    host, _, port = lab.addresses[EX1].partition(":")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, int(port)), timeout=1)
    socket.create_connection(("127.0.0.1", int(lab.addresses[EX2].partition(":")[2]))).close()
    fake.down.clear()
    lab.sync()
    with pytest.raises(WSManFaultError):
        run(PowerShell(runspace).add_cmdlet("Get-PopSettings"))
    with pool(lab) as again:
        assert run(PowerShell(again).add_cmdlet("Get-PopSettings")) == []


def test_it_notices_by_itself(lab: Lab, fake: FakeBackend) -> None:
    """Nobody has to say that a server went down."""
    fake.down.add(EX2)
    port = int(lab.addresses[EX2].partition(":")[2])
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            return
        threading.Event().wait(0.01)
    pytest.fail("it still listens")


def test_requests_that_make_no_sense(lab: Lab) -> None:
    """Not XML, not an envelope, unknown actions, too large: an answer, and no crash."""
    host, _, port = lab.addresses[EX1].partition(":")
    token = base64.b64encode(f"lab:{PASSWORD}".encode()).decode()
    headers = {"Authorization": f"Basic {token}"}
    connection = http.client.HTTPConnection(host, int(port), timeout=5)
    envelope = "<s:Envelope xmlns:s='http://www.w3.org/2003/05/soap-envelope'>{}</s:Envelope>"
    nothing = envelope.format("<s:Header /><s:Body />")
    for body in ("", "<", "<a />", envelope.format(""), nothing):
        connection.request("POST", "/wsman", body=body, headers=headers)
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 500
    connection.putrequest("POST", "/wsman")
    connection.putheader("Content-Length", str(10**9))
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()


def test_loopback_only() -> None:
    """There is no encryption, so it is offered to this machine only."""
    with pytest.raises(ConfigurationError, match="loopback"):
        Lab(FakeBackend(), [EX1], address="0.0.0.0")


def test_a_port_that_is_taken() -> None:
    """Is told in one sentence, and nothing is left open."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        lab = Lab(FakeBackend(), [EX1], port=taken.getsockname()[1])
        with pytest.raises(ConfigurationError, match="port"):
            lab.open()


def test_ports_in_a_row() -> None:
    """The first server gets the port that was asked for, the others the next ones."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    lab = Lab(FakeBackend(), [EX1, EX2], port=port)
    assert lab.addresses == {EX1: f"127.0.0.1:{port}", EX2: f"127.0.0.1:{port + 1}"}


def test_a_login_does_not_show() -> None:
    """It holds the password, and doesn't print it."""
    login = Login(username="u", password="secret")
    assert "secret" not in repr(login)
    assert not login.accepts("")


def test_serialised_forms() -> None:
    """The forms that real servers use, and psrpcore has trouble with."""
    moment = NOW.replace(microsecond=0) - timedelta(hours=8)
    text = to_xml(
        PsObject(
            types=("A", "System.Object"),
            text="<&",
            props={
                "Nil": None,
                "Zulu": moment,
                "West": LocalTime(NOW, -450),
                "Small": Int64(1),
                "Large": 2**40,
                "Enum": PsEnum("E", "On", 1),
                "List": PsList("L", [True, ""]),
                "Same": [PsObject(types=("A",))],
                'N"': "_x000A_\n\U0001f4a9",
            },
        )
    )
    root = ET.fromstring(text)
    found = {item.get("N"): item for item in root.iter() if item.get("N")}
    assert found["Nil"].tag == "Nil"
    assert found["Zulu"].text == "2026-01-05T00:00:00Z"
    assert found["West"].text == "2026-01-05T00:30:00.5-07:30"
    assert (found["Small"].tag, found["Large"].tag) == ("I64", "I64")
    assert [item.text for item in found["Enum"]][1:] == ["On", "1"]
    assert found["Same"].find("LST/Obj/TNRef") is not None
    assert found['N"'].text == "_x005F_x000A__x000A__xD83D__xDCA9_"
    with pytest.raises(TypeError):
        to_xml(object())


def test_faults_can_be_planned_and_forgotten(lab: Lab) -> None:
    """The n-th request of an action, at one server and endpoint."""
    lab.faults.add(WireFault(kind=Wire.FORBIDDEN, action="Create", nth=2, endpoint="exchange"))
    with pool(lab):
        pass
    with pytest.raises(Exception, match="403"):
        pool(lab).open()
    lab.faults.add(WireFault(kind=Wire.FORBIDDEN, action="Create"))
    lab.faults.clear()
    with pool(lab):
        pass


def test_a_port_that_somebody_else_got(lab: Lab, fake: FakeBackend) -> None:
    """While a server was down; it is tried again until it can be had."""
    fake.down.add(EX1)
    lab.sync()
    address = ("127.0.0.1", int(lab.addresses[EX1].partition(":")[2]))
    with socket.create_server(address):
        fake.down.clear()
        lab.sync()
    lab.sync()
    with pool(lab) as runspace:
        assert run(PowerShell(runspace).add_cmdlet("Get-PopSettings")) == []


def test_shells_and_commands_that_are_not_there(lab: Lab) -> None:
    """Requests about a shell or a command that ended get the fault for it."""
    runspace = pool(lab)
    runspace.open()
    shell = PowerShell(runspace).add_cmdlet("Get-PopSettings")
    shell.invoke()
    shell.close()
    with pytest.raises(WSManFaultError, match="was not found"):
        runspace.shell.receive("stdout", command_id=shell.id)
    runspace.connection.delete(
        runspace.shell.resource_uri, selector_set=runspace.shell._selector_set
    )
    for ask in (
        lambda: runspace.shell.receive("stdout"),
        lambda: runspace.shell.signal("c", shell.id),
        lambda: runspace.shell.send("stdin", b"", shell.id),
    ):
        with pytest.raises(WSManFaultError, match="was not found"):
            ask()
