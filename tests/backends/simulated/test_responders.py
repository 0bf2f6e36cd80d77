"""Managed Availability's responder that takes PopProxy offline, and who may lift that."""

from __future__ import annotations

import pytest

from popheal.backends.simulated import history as h
from popheal.errors import NotBegun
from tests.backends.simulated.test_availability import organised
from tests.backends.simulated.test_health import fault, probe
from tests.backends.simulated.test_servers import service

FE = "MSExchangePop3"


def organised_so(cure="never", **server):
    servers = {"MBX1": {"proxy_offline_after": 120, **server}}
    return organised(servers=servers, faults=[fault(cure, fails=["proxy"])])


def pop_proxy(scenario):
    (found,) = [
        one for one in scenario.backend.component_states("MBX1") if one.component == "PopProxy"
    ]
    return found.state, dict(found.requesters)


def test_it_takes_pop_offline_while_the_proxy_test_fails():
    """In the name of HealthAPI, noted as a recovery action; the service stops by design."""
    scenario = organised_so()
    began = scenario.clock.now()
    scenario.clock.sleep(100)
    assert pop_proxy(scenario) == ("Active", {})
    scenario.clock.sleep(100)
    assert pop_proxy(scenario) == ("Inactive", {"HealthAPI": "Inactive"})
    assert service(scenario, FE).state == "Stopped"
    (noted,) = scenario.backend.recovery_actions("MBX1", began)
    assert (noted.action, noted.requester, noted.resource, noted.result) == (
        "TakeComponentOffline",
        "PopProxyTestCafeOffline",
        "PopProxy",
        "Succeeded",
    )
    scenario.clock.sleep(3600)
    assert len(scenario.organisation.history.of(h.ComponentStateSet)) == 1


@pytest.mark.parametrize("cured", [False, True])
def test_what_is_lifted_comes_back_if_the_cause_stays(cured):
    """Only after the test has failed for as long again."""
    scenario = organised_so({"seconds": 300} if cured else "never")
    scenario.clock.sleep(400)
    scenario.backend.set_component_state("MBX1", "PopProxy", True, "HealthAPI")
    assert pop_proxy(scenario)[0] == "Active"
    assert service(scenario, FE).state == "Stopped", "it has to be started"
    scenario.backend.start_service("MBX1", FE)
    scenario.clock.sleep(60)
    assert pop_proxy(scenario)[0] == "Active"
    assert service(scenario, FE).state == "Running"
    scenario.clock.sleep(300)
    assert pop_proxy(scenario)[0] == ("Active" if cured else "Inactive")
    assert (probe(scenario, "proxy").result == "Succeeded") is cured


@pytest.mark.parametrize(
    "server",
    [
        {"proxy_offline_after": None},
        {"components": {"RecoveryActionsEnabled": {"Functional": "Inactive"}}},
        {"services": {"MSExchangeHM": {"state": "Stopped"}}},
    ],
)
def test_it_does_nothing_where_it_is_not_or_may_not(server):
    """Not every server has it; turned off, and without the Health Manager, it does nothing."""
    given = {key: value for key, value in server.items() if value is not None}
    servers = {"MBX1": given if server != given else {"proxy_offline_after": 120, **given}}
    scenario = organised(servers=servers, faults=[fault(fails=["proxy"])])
    scenario.clock.sleep(1200)
    assert pop_proxy(scenario)[0] == "Active"


def test_only_the_requester_lifts_its_own_entry():
    """With another's name the command succeeds, and changes nothing."""
    scenario = organised(servers={"MBX1": {"components": {"PopProxy": {"HealthAPI": "Inactive"}}}})
    scenario.backend.set_component_state("MBX1", "PopProxy", True, "Maintenance")
    assert pop_proxy(scenario) == ("Inactive", {"HealthAPI": "Inactive", "Maintenance": "Active"})
    scenario.backend.set_component_state("MBX1", "PopProxy", True, "HealthAPI")
    assert pop_proxy(scenario)[0] == "Active"
    scenario.backend.set_component_state("MBX1", "PopProxy", False, "Functional")
    assert pop_proxy(scenario)[0] == "Inactive"
    with pytest.raises(NotBegun, match="no component") as raised:
        scenario.backend.set_component_state("MBX1", "PopProxi", True, "HealthAPI")
    assert raised.value.reason == "missing"


@pytest.mark.parametrize(
    ("bindings", "works"),
    [
        (["127.0.0.1:995"], True),
        (["0.0.0.0:995"], True),
        (["[::]:995"], True),
        (["192.0.2.5:995", "0.0.0.0:110"], False),
    ],
)
def test_probes_need_a_binding_to_loopback(bindings, works):
    """Without one the cause is a setting: no restart and no lifting helps."""
    scenario = organised(servers={"MBX1": {"bindings": bindings, "proxy_offline_after": 120}})
    assert scenario.backend.pop_settings("MBX1").bindings == tuple(bindings)
    for aspect in ("proxy", "ctp"):
        assert (probe(scenario, aspect).result == "Succeeded") is works
    assert probe(scenario, "deep").result == "Succeeded"
    scenario.clock.sleep(300)
    assert pop_proxy(scenario)[0] == ("Active" if works else "Inactive")
