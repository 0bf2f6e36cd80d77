"""Faults by name: understood in any case, refused with what would be right."""

from __future__ import annotations

import pytest

from popheal import Verdict
from popheal.backends.simulated import load_scenario
from popheal.backends.simulated.faults import CURES
from popheal.backends.simulated.named_faults import CURED, KINDS, names_for
from popheal.errors import ConfigurationError
from popheal.healthsets.pop.catalog import MONITORS
from tests.support.healing import healed


def servers_of(name):
    with load_scenario(name).organisation.present() as world:
        return list(world.servers)


def test_every_monitor_with_a_recipe_and_every_cure_has_a_name():
    """As the runbook and the simulation have them."""
    assert {one.name for one in MONITORS} <= set(KINDS)
    assert set(CURED.values()) == set(CURES)


@pytest.mark.parametrize(
    ("fault", "verdict", "restarted"),
    [
        ("MBX1: PopDeepTestMonitor, cured by restart", Verdict.RECOVERED, {"MBX1"}),
        ("mbx2.contoso.com:popproxytestmonitor,Cured  By Restart", Verdict.RECOVERED, {"MBX2"}),
        ("mbx1: back end hangs, cured by restart", Verdict.RECOVERED, {"MBX1"}),
        ("mbx1: certificate expired, never cured", Verdict.ESCALATED, set()),
        ("mbx1: probe account refused, never cured", Verdict.ESCALATED, set()),
        ("mbx1: StoreServiceMonitor, never cured", Verdict.ESCALATED, set()),
    ],
)
def test_a_named_fault_is_healed_as_one_of_its_kind(fault, verdict, restarted):
    """It raises its alert, and nothing is expected of it."""
    scenario = load_scenario("nothing-wrong", faults=[fault])
    assert scenario.expected.verdict == ""
    case = healed(scenario)
    assert case.report.verdict is verdict
    done = [one for one in case.history if one.kind == "service_restarted"]
    assert {one.server for one in done} == restarted


def test_a_back_end_that_hangs_makes_every_front_end_fail():
    """Which is told there, and healed where it is."""
    scenario = load_scenario("nothing-wrong", faults=["mbx1: back end hangs, cured by restart"])
    said = scenario.backend.invoke_probe("mbx2", r"POP\PopCTPProbe")
    assert said.result == "Timeout"
    assert "Proxy=mbx1.contoso.com:1995:SSL" in said.error


def test_faults_are_added_to_those_of_the_scenario():
    """And the first one named raises the alert."""
    faults = ["mbx2: PopSelfTestMonitor, never cured", "mbx3: PopCTPMonitor, never cured"]
    scenario = load_scenario("mailbox-healed-by-reboot", faults=faults)
    assert (scenario.server, scenario.monitor) == ("mbx2.contoso.com", "PopSelfTestMonitor")
    with scenario.organisation.present() as world:
        assert [one.server.name for one in world.faults] == ["MBX1", "MBX2", "MBX3"]


def test_a_fault_takes_the_place_of_one_that_breaks_the_same():
    """A snapshot of a bad day has it already, never cured: nothing would be said of this cure."""
    named = ["mbx1: PopDeepTestMonitor, cured by restart"]
    played = load_scenario("fault-survives-the-reboot", faults=named)
    assert healed(played).report.verdict is Verdict.RECOVERED
    elsewhere = ["mbx2: PopDeepTestMonitor, cured by restart"]
    both = load_scenario("fault-survives-the-reboot", faults=elsewhere)
    for server in ("mbx1", "mbx2"):
        said = both.backend.invoke_probe(server, r"POP.Protocol\PopDeepTestProbe")
        assert said.result != "Succeeded"


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("mbx1", "Say it like this: MBX1: PopDeepTestMonitor, cured by reboot."),
        ("mbx1: PopDeepTestMonitor", "Say it like this"),
        ("mbx9: PopDeepTestMonitor, never cured", "Did you mean 'MBX2'? There are: MBX1, MBX2."),
        ("mbx1: PopDepTestMonitor, never cured", "Did you mean 'PopDeepTestMonitor'?"),
        ("mbx1: PopDeepTestMonitor, cured by rebot", "Did you mean 'cured by reboot'?"),
    ],
)
def test_what_means_nothing_is_refused_with_what_would(fault, says):
    """One sentence each."""
    with pytest.raises(ConfigurationError) as raised:
        load_scenario("nothing-wrong", faults=[fault])
    assert fault in str(raised.value)
    assert says in str(raised.value)


def test_a_server_has_the_faults_of_its_roles():
    """A front end alone has no back end that could fail."""
    servers = servers_of("client-access-split-role-healed-by-reboot")
    names = names_for(servers)
    assert "CAS1: PopCTPMonitor, cured by reboot" in names
    assert not [one for one in names if one.startswith("CAS1: PopDeepTest")]
    with pytest.raises(ConfigurationError, match="CAS1 has no PopDeepTestMonitor"):
        load_scenario(
            "client-access-split-role-healed-by-reboot",
            faults=["cas1: PopDeepTestMonitor, never cured"],
        )
    for one in names:
        load_scenario("client-access-split-role-healed-by-reboot", faults=[one])
