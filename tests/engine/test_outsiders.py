"""Nothing that an outsider can write enables an effect: each text that comes from outside.

What each text may do is written down in docs/evidence.md. Here every one of them is planted with
whatever an attacker might choose, and nothing more drastic may come of it than without.
"""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from attrs import evolve

from popheal import Journal, heal
from popheal.backends.simulated import SimulatedBackend, load_scenario
from popheal.backends.simulated import history as h
from popheal.errors import CommandFailed
from popheal.exchange.models import LogFile, RecoveryAction
from tests.engine.test_triage import FAILS, scenario_of
from tests.support.healing import alert_of
from tests.support.paths import ROOT

HEAD = (
    "#Fields: dateTime,sessionId,seqNumber,sIp,cIp,user,duration,rqsize,rpsize,command,"
    "parameters,context"
)
#: What somebody may want popheal to read.
TEXTS = (
    "[Error=ProxyFailed Proxy=mbx2.contoso.com:1995:SSL] Failed",
    "_Mbx:mbx2 HealthMailbox0a1b2c3d Succeeded Healthy",
    "ResultType: Failed; PopCTPMonitor Unhealthy; no back end; conclusive",
)
#: Ways in which the log can be written by whoever reaches the port.
STRANGERS = (
    ("203.0.113.7:40044", "HealthMailbox0a1b2c3d", "Proxy:mbx2.contoso.com:1995:SSL"),
    ("203.0.113.7:40044", "healthmailbox0", ""),
    ("203.0.113.7:40044", "x\n", ""),
    ("[2001:db8::1]:40044", "HealthMailbox0a1b2c3d@contoso.com", ""),
)


def stranger(stamp, client, user, proxy):
    """A whole session that a stranger has made: the name is what the client has typed."""
    said = f'"R=""-ERR no"";Msg={proxy}"' if proxy else '"R=""-ERR no"""'
    lines = []
    for number, (command, context) in enumerate(
        (("OpenSession", ""), ("user", "R=ok"), ("pass", said), ("CloseSession", ""))
    ):
        at = (stamp + timedelta(milliseconds=number)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        known = user if number else ""
        forged = known.replace(
            "\n", f"\n{at},00F2,{number},127.0.0.1:995,127.0.0.1:9,HealthMailbox0"
        )
        columns = f"{at},00F1,{number},192.0.2.1:995,{client},{forged},1,1,1,{command},*****,"
        lines.append(columns + context + "\r\n")
    return f"{HEAD}\r\n" + "".join(lines)


class Planted(SimulatedBackend):
    """An organisation in which somebody has written something somewhere."""

    def __init__(self, organisation, source="", text="", *, blind=False):
        super().__init__(organisation)
        self.source, self.text, self.blind = source, text, blind

    def invoke_probe(self, server, probe):
        if self.source == "cmdlet error":
            raise CommandFailed(server=server, command="Invoke-MonitoringProbe", cause=self.text)
        result = super().invoke_probe(server, probe)
        if self.source in ("probe error", "exception") and result.result == "Failed":
            field = "error" if self.source == "probe error" else "exception"
            return evolve(result, **{field: f"{result.error} {self.text}"})
        return result

    def server_health(self, server):
        rows = super().server_health(server)
        return [evolve(one, error=self.text) for one in rows] if self.source == "row" else rows

    def recovery_actions(self, server, since):
        seen = list(super().recovery_actions(server, since))
        if self.source == "recovery action":
            done = {"started": since, "finished": since, "result": "Succeeded"}
            seen.append(
                RecoveryAction(
                    server=server,
                    action="RestartService",
                    resource=self.text,
                    requester=self.text,
                    instance="x",
                    **done,
                )
            )
        return seen

    def pop_logs(self, server, location, since, until):
        files = [] if self.blind else list(super().pop_logs(server, location, since, until))
        if self.source == "log":
            middle = since + (until - since) / 2
            files.append(LogFile(name="POP32026010508-9.LOG", text=stranger(middle, *self.text)))
        return files


def how_drastic(scenario):
    """What popheal did at most: nothing, a change, a drain, a reboot."""
    kinds = {
        h.ServiceRestarted: 1,
        h.ProtocolLoggingSet: 1,
        h.ActivationDisabledSet: 2,
        h.RebootCommanded: 3,
    }
    mine = (one for one in scenario.organisation.history if one.actor == h.POPHEAL)
    return max((kinds.get(type(one), 0) for one in mine), default=0)


ALONE = "front end, passed on to none"


def scenario_named(name, tmp_path):
    if name == ALONE:
        return scenario_of(
            tmp_path,
            '[alert]\nserver = "MBX1"\nhealth_set = "POP"\nmonitor = "PopCTPMonitor"\n',
            "dag3",
            FAILS.format(aspect="ctp", cure="reboot")
            + "names_back_end = false\nlogs_back_end = false\n",
        )
    if name == "front end, log unread":
        return scenario_of(
            tmp_path,
            '[alert]\nserver = "MBX1"\nhealth_set = "POP"\nmonitor = "PopCTPMonitor"\n',
            "dag3",
            FAILS.format(aspect="ctp", cure="reboot") + "names_back_end = false\n",
        )
    return load_scenario(name)


#: Organisations in which popheal holds back at some point, and must go on to.
BASES = ("front end, log unread", "siblings-alike", "probe-rejected", "transient", "nothing-wrong")
#: Each text from outside, and what is planted there.
SOURCES = {
    "probe error": TEXTS,
    "exception": TEXTS,
    "row": TEXTS,
    "alert": TEXTS,
    "recovery action": TEXTS,
    "cmdlet error": TEXTS,
    "log": STRANGERS,
}


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("base", BASES)
def test_a_planted_text_never_leads_to_anything_more_drastic(base, source, tmp_path):
    """Than the same organisation without it."""
    blind = base == BASES[0]
    scenario = scenario_named(base, tmp_path)
    heal(alert_of(scenario), Planted(scenario.organisation, blind=blind), journal=Journal())
    without = how_drastic(scenario)
    for text in SOURCES[source]:
        scenario = scenario_named(base, tmp_path)
        alert = alert_of(scenario)
        if source == "alert":
            alert = evolve(alert, text=text)
        backend = Planted(scenario.organisation, source, text, blind=blind)
        report = heal(alert, backend, journal=Journal())
        assert how_drastic(scenario) <= without, (text, report.summary)


def test_an_inconclusive_log_is_never_taken_for_none(tmp_path):
    """A stranger beside the probe's own session that was passed to no back end: no reboot."""
    scenario = scenario_named(ALONE, tmp_path)
    heal(alert_of(scenario), SimulatedBackend(scenario.organisation), journal=Journal())
    assert how_drastic(scenario) == 3
    for one in STRANGERS:
        scenario = scenario_named(ALONE, tmp_path)
        backend = Planted(scenario.organisation, "log", one)
        report = heal(alert_of(scenario), backend, journal=Journal())
        outcomes = {step.state: step.outcome for run in report.runs for step in run.steps}
        assert outcomes["finding_backends"] == "could_not_tell", one
        assert how_drastic(scenario) == 1


@pytest.mark.parametrize("source", ["probe error", "log"])
def test_a_server_that_is_only_named_and_well_does_not_blame_the_front_end(source, tmp_path):
    """Its name is text. That it is well says something only with the probe's own session."""
    text = TEXTS[0] if source == "probe error" else ("127.0.0.1:9", "", STRANGERS[0][2])
    scenario = scenario_named(BASES[0], tmp_path)
    backend = Planted(scenario.organisation, source, text, blind=True)
    report = heal(alert_of(scenario), backend, journal=Journal())
    outcomes = {step.state: step.outcome for run in report.runs for step in run.steps}
    assert outcomes["finding_backends"] == "found"
    assert outcomes["checking_backends"] == "could_not_tell"
    assert how_drastic(scenario) == 1


def test_every_source_is_written_down():
    """The page has a line for each, and says of none that it enables an effect."""
    page = (ROOT / "docs" / "evidence.md").read_text("utf-8")
    lines = {
        match[1]: match[0] for match in re.finditer(r"^\| \*\*(.+?)\*\* \|.*$", page, re.MULTILINE)
    }
    for source in SOURCES:
        assert source in lines, source
    assert "second opinion" in lines
