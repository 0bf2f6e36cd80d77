"""Alerts as people paste them: what is found in them, and what is said to be unclear."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from popheal.reports import alert_text
from popheal.reports.alert_text import LONGEST, decode_alert, read_alert

#: A mail of Operations Manager.
SCOM = """Alert: Health Set unhealthy
Source: EX1 - POP.Protocol
Path: ex1.contoso.com;ex1.contoso.com
Last modified by: System
Last modified time: 1/5/2026 8:00:00 AM
Alert description: POP.Protocol health set unhealthy (PopDeepTestMonitor/MSExchangePOP3BE) - The
probe failed: AuthFailed:LogonDenied
"""
#: The event of the escalating responder, as the viewer copies it.
EVENT = """Log Name:      Microsoft-Exchange-ManagedAvailability/Monitoring
Source:        Microsoft-Exchange-ManagedAvailability
Date:          1/5/2026 8:00:00 AM
Event ID:      4
Level:         Error
User:          SYSTEM
Computer:      ex2.contoso.com
Description:
POP.Proxy health set unhealthy (PopProxyTestMonitor/MSExchangePop3) - No banner was received.
"""
#: The same as XML.
XML = (
    '<Event><System><Provider Name="Microsoft-Exchange-ManagedAvailability"/>'
    "<Computer>ex3.contoso.com</Computer></System><UserData><EventXML><HealthSet>POP</HealthSet>"
    "<Subject>POP health set unhealthy (PopCTPMonitor)</Subject><Monitor>PopCTPMonitor</Monitor>"
    "</EventXML></UserData></Event>"
)
#: Get-ServerHealth | Format-List.
ROW = """
Server                : EX4
CurrentHealthSetState : NotApplicable
Name                  : PopSelfTestMonitor
TargetResource        : MSExchangePOP3BE
HealthSetName         : POP.Protocol
AlertValue            : Unhealthy
"""
#: What a script for a monitoring system prints.
NAGIOS = """CRITICAL: 1 Health sets are NOT HEALTHY on ex5.contoso.com
     POP.Protocol is Unhealthy
        --- Associated Monitors---
        PopDeepTestMonitor is Unhealthy
"""
#: A probe result's event, which names the probe only.
PROBE = """Computer = EX6
Probe result (Name=PopCTPProbe/MBX-DB01)
Error: -ERR [Error=ProxyFailed Proxy=mbx1.contoso.com:1995:SSL]
"""


@pytest.mark.parametrize(
    ("text", "server", "health_set", "monitor"),
    [
        (SCOM, "ex1.contoso.com", "POP.Protocol", "PopDeepTestMonitor"),
        (EVENT, "ex2.contoso.com", "POP.Proxy", "PopProxyTestMonitor"),
        (XML, "ex3.contoso.com", "POP", "PopCTPMonitor"),
        (XML.replace("<", "&lt;").replace(">", "&gt;"), "ex3.contoso.com", "POP", "PopCTPMonitor"),
        (ROW, "EX4", "POP.Protocol", "PopSelfTestMonitor"),
        (NAGIOS, "ex5.contoso.com", "POP.Protocol", "PopDeepTestMonitor"),
        (PROBE, "EX6", "POP", "PopCTPMonitor"),
        ('{"computer": "ex7.contoso.com", "HealthSet": "POP"}', "ex7.contoso.com", "POP", None),
        ("POP logon fails on Mailbox server EX8", "EX8", None, None),
        ("popTESTdeepMONITOR, server=ex9", "ex9", "POP.Protocol", "PopDeepTestMonitor"),
    ],
)
def test_known_shapes(text, server, health_set, monitor):
    """Lines may end in either way."""
    for one in (text, text.replace("\n", "\r\n")):
        seen = read_alert(one)
        assert seen.servers == ((server,) if server else seen.servers)
        assert (seen.health_set, seen.monitor) == (health_set, monitor)
    assert seen.text


@pytest.mark.parametrize(
    ("text", "servers"),
    [
        ("Management server: scomgw.contoso.com\nPath: ex1.contoso.com", ("ex1.contoso.com",)),
        ("SMTP Server=relay1; Computer=EX1", ("EX1",)),
        ("Witness Server: fs1", ()),
        ("The management server scomgw.contoso.com has raised it", ()),
        ("Mailbox Server: ex1", ("ex1",)),
        ("Server ex1.contoso.com: PopDeepTestMonitor Unhealthy", ("ex1.contoso.com",)),
        ("Configuration item: ex1.contoso.com", ("ex1.contoso.com",)),
        ("Source : POP\nChemin d'accès : ex1.contoso.com", ("ex1.contoso.com",)),
        ("Quelle: POP.Proxy\nPfad: ex1.contoso.com", ("ex1.contoso.com",)),
        ("Source: POP.Proxy", ()),
        ("Ordinateur : EX1.contoso.com", ("EX1.contoso.com",)),
        ("PopCTPMonitor auf dem Server EX1 fehlerhaft", ("EX1",)),
    ],
)
def test_a_server_is_one_that_the_alert_is_about(text, servers):
    """Not whoever reports it, nor the health set; whatever language its labels are in."""
    assert read_alert(text).servers == servers


def test_what_is_unclear_is_told():
    """Another product's monitor, several of ours, a set that doesn't fit, no server."""
    seen = read_alert("OWA.Protocol health set unhealthy (OwaDeepTestMonitor)")
    assert "not a monitor of POP that there is a recipe for: OwaDeepTestMonitor" in seen.unclear
    assert "the text names no server" in seen.unclear
    assert "the text names no monitor and no health set of POP" in seen.unclear
    seen = read_alert("Server: ex1\nPopDeepTestMonitor, PopCTPMonitor")
    assert seen.monitor is None
    assert any("several monitors" in one for one in seen.unclear)
    seen = read_alert("Server: ex1\nPOP.Proxy health set unhealthy (PopDeepTestMonitor)")
    assert seen.health_set == "POP.Protocol"
    assert any("is of the health set POP.Protocol" in one for one in seen.unclear)
    assert not read_alert(SCOM).unclear


def test_several_servers_are_all_named():
    """Short and full names of one are one; localhost is none."""
    seen = read_alert("Server: EX1\nServer: ex1.contoso.com\nServer: ex2\nServer: localhost")
    assert seen.servers == ("ex1.contoso.com", "ex2")


TABLE = """{given}
  Server            State   Name                ServerComp
                                                onent
  ------            -----   ----                ----------
  {cell}   Online  PopSelfTestMonitor  PopProxy
                            GoesOn
  {cell}   Online  PopDeepTestMonitor  PopProxy

Done              by      ops
"""


@pytest.mark.parametrize(
    ("text", "servers"),
    [
        ("PS> Get-ServerHealth -Identity mbx1 | ft", ("mbx1",)),
        ("PS> Get-HealthReport -RollupGroup -Identity:mbx1", ("mbx1",)),
        ("Invoke-MonitoringProbe POP\\PopCTPProbe -Server mbx1 | fl", ("mbx1",)),
        ("Get-ServerHealth 'mbx1'", ("mbx1",)),
        ("Get-ServerHealth mbx1.contoso.com", ("mbx1.contoso.com",)),
        ("Run Get-ServerHealth for POP on it.", ()),
        ("Get-ServerHealth -Identity $name", ()),
        (TABLE.format(given="x", cell="mbx1"), ("mbx1",)),
        (TABLE.format(given="", cell="mbx1.cont..."), ("mbx1",)),
        (TABLE.format(given="", cell="mbx1mbx1…"), ()),
        (TABLE.format(given="Server: mbx2", cell="mbx1"), ("mbx2",)),
        (TABLE.format(given="x", cell="mbx1").replace("Server ", "Title  "), ()),
    ],
)
def test_what_a_shell_was_asked_and_printed(text, servers):
    """A name counts where it stands in a server's place; a word of a sentence doesn't."""
    assert read_alert(text).servers == servers


def test_a_text_is_cleaned_and_cut():
    """Nothing that a terminal obeys, and not without end."""
    seen = read_alert("Server: ex1\x1b[2J\x07\n" + "x" * 100_000)
    assert "\x1b" not in seen.text
    assert len(seen.text) <= LONGEST
    assert seen.servers == ("ex1",)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
def test_as_windows_writes_it(encoding):
    """UTF-8 and UTF-16, with and without a mark."""
    assert decode_alert(SCOM.encode(encoding)) == SCOM


@given(st.text())
def test_anything_can_be_pasted(text):
    """It is read without an error, and what is found is no more than a name."""
    seen = read_alert(text)
    assert all(name and len(name) < 700 for name in seen.servers)


@pytest.mark.parametrize(
    "text",
    [
        "Server  Name\n------  ----\nex1     x\n" * 100,
        "Server  Name\n------  ----\n" + "".join(f"ex{n}  x\n" for n in range(400)),
    ],
)
def test_each_row_of_many_tables_is_read_once(text):
    """Whoever may raise an alert may not keep all healings of the process waiting by one."""
    lines = text.splitlines()
    assert len(list(alert_text._first_cells(lines))) <= len(lines)
    assert len(read_alert(text).servers) <= alert_text._MOST_SERVERS
