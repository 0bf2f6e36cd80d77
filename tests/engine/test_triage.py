"""Triage judges each monitor by itself; blockers hold no more than they have to."""

from __future__ import annotations

import tomllib

import pytest
from attrs import evolve

from popheal import Alert, Journal, Policy, Verdict, heal, resume, triage
from popheal.audit import check_journal
from popheal.backends.simulated import SimulatedBackend, load_scenario
from popheal.backends.simulated import history as h
from popheal.engine.triage.neighbours import MOST_ASKED
from popheal.errors import Unreachable
from popheal.exchange.models import MonitorHealth, ServerInfo
from popheal.exchange.names import same_server
from popheal.healthsets.pop.causes import Cause, Helps
from popheal.reports.report import FindingKind
from tests.support.healing import alert_of

CTP = '[alert]\nserver = "CAS1"\nhealth_set = "POP"\nmonitor = "PopCTPMonitor"\n'
DEEP = '[alert]\nserver = "MBX1"\nhealth_set = "POP.Protocol"\nmonitor = "PopDeepTestMonitor"\n'
HUNG = (
    '[[faults]]\nserver = "MBX1"\nfails = ["deep"]\ncure = "restart"\n'
    'breaks_ctp_of = ["CAS1", "CAS2"]\n'
)
FAILS = '[[faults]]\nserver = "MBX1"\nfails = ["{aspect}"]\ncure = "{cure}"\n'


def scenario_of(tmp_path, alert, preset, *more):
    """A scenario made of these parts of TOML."""
    text = f'title = "x"\n{alert}[organisation]\npreset = "{preset}"\n' + "\n".join(more)
    tomllib.loads(text)
    path = tmp_path / "one.toml"
    path.write_text(text)
    return load_scenario(str(path))


class Telling(SimulatedBackend):
    """An organisation that tells more, or less, than is so."""

    def __init__(self, organisation, *, rows=(), services=None, probe=None, servers=()):
        super().__init__(organisation)
        self.rows, self.said_services, self.probe, self.servers = rows, services, probe, servers
        self.asked: list[str] = []

    def server_health(self, server):
        self.asked.append(server)
        own = [row for row in self.rows if same_server(row.server, server)]
        return [*super().server_health(server), *own]

    def services(self, server, names):
        found = super().services(server, names)
        return [self.said_services(one) for one in found] if self.said_services else found

    def invoke_probe(self, server, probe):
        result = super().invoke_probe(server, probe)
        return self.probe(result) if self.probe else result

    def all_servers(self, server):
        return [*super().all_servers(server), *self.servers]


def row(server, health_set, monitor, value="Unhealthy", **more):
    """A row of Get-ServerHealth."""
    return MonitorHealth(
        server=server, monitor=monitor, health_set=health_set, alert_value=value, **more
    )


def touched(scenario):
    """What popheal did."""
    kinds = (h.ServiceRestarted, h.ActivationDisabledSet, h.RebootCommanded, h.ProtocolLoggingSet)
    return [
        type(one)
        for one in scenario.organisation.history
        if isinstance(one, kinds) and one.actor == h.POPHEAL
    ]


def kinds_of(report):
    return [one.kind for one in report.findings]


# --- nearer causes -------------------------------------------------------------------------------


def test_one_sick_back_end_does_not_hold_the_front_ends_that_fail_with_it(tmp_path):
    """They fail alike, and it explains them: it is healed, and that heals all."""
    scenario = scenario_of(tmp_path, CTP, "split2013", HUNG)
    path = tmp_path / "journal.db"
    with Journal(path) as journal:
        report = heal(alert_of(scenario), scenario.backend, journal=journal)
    assert report.verdict is Verdict.RECOVERED
    assert same_server(report.server, "CAS1")
    assert [(run.procedure, run.server) for run in report.runs] == [("mailbox", "mbx1.contoso.com")]
    assert touched(scenario) == [h.ServiceRestarted]
    assert any("explained by mbx1" in one.detail for one in report.findings)
    assert check_journal(path).ok


class Crash(BaseException):
    """The process is gone."""


def test_a_crash_behind_the_front_end_is_resumed_there(tmp_path):
    """The run on the back end is gone on with first; then the front end is looked at."""
    scenario = scenario_of(tmp_path, CTP, "split2013", HUNG)
    path = tmp_path / "journal.db"

    class Crashing(SimulatedBackend):
        def restart_service(self, server, service):
            super().restart_service(server, service)
            raise Crash

    with Journal(path) as journal, pytest.raises(Crash):
        heal(alert_of(scenario), Crashing(scenario.organisation), journal=journal)
    with Journal(path) as journal:
        (left,) = journal.healings(unfinished=True)
        report = resume(left.id, scenario.backend, journal=journal)
    assert report.verdict is Verdict.RECOVERED
    assert same_server(report.server, "CAS1")
    assert [run.server for run in report.runs] == ["mbx1.contoso.com"]
    assert touched(scenario) == [h.ServiceRestarted]
    assert check_journal(path).ok


def test_a_back_end_that_can_not_be_healed_ends_it(tmp_path):
    """Front ends are not restarted for what is behind them."""
    scenario = scenario_of(tmp_path, CTP, "split2013", HUNG)
    more = [row("mbx1.contoso.com", "Store", "SomeMonitor")]
    report = heal(alert_of(scenario), Telling(scenario.organisation, rows=more), journal=Journal())
    assert report.verdict is Verdict.ESCALATED
    assert "mbx1.contoso.com, which explains the rest" in report.summary
    assert touched(scenario) == []


def test_a_back_end_that_is_well_after_all_leaves_the_front_end_its_own_way(tmp_path):
    """Its row lags, its probe succeeds: then the procedure of the front end is followed."""
    faults = "".join(
        f'[[faults]]\nserver = "{one}"\nfails = ["ctp"]\ncure = "restart"\n'
        for one in ("CAS1", "CAS2")
    )
    scenario = scenario_of(tmp_path, CTP, "split2013", faults)
    more = [row("mbx1.contoso.com", "POP.Protocol", "PopDeepTestMonitor")]
    report = heal(alert_of(scenario), Telling(scenario.organisation, rows=more), journal=Journal())
    assert report.verdict is Verdict.RECOVERED
    assert [run.procedure for run in report.runs] == ["client_access"]


def test_without_a_nearer_cause_the_brake_holds(tmp_path):
    """Both front ends fail, and no Mailbox server does: the cause is what they share."""
    faults = "".join(
        f'[[faults]]\nserver = "{one}"\nfails = ["ctp"]\ncure = "restart"\n'
        for one in ("CAS1", "CAS2")
    )
    scenario = scenario_of(tmp_path, CTP, "split2013", faults)
    report = heal(alert_of(scenario), scenario.backend, journal=Journal())
    assert report.verdict is Verdict.ESCALATED
    assert FindingKind.SIBLINGS in kinds_of(report)
    assert touched(scenario) == []
    policy = Policy(sibling_share=0)
    scenario = scenario_of(tmp_path, CTP, "split2013", faults)
    report = heal(alert_of(scenario), scenario.backend, policy=policy, journal=Journal())
    assert report.verdict is Verdict.RECOVERED


@pytest.mark.parametrize(
    ("component", "requester", "compared"),
    [
        ("ServerWideOffline", "Maintenance", False),
        ("HighAvailability", "Maintenance", False),
        ("PopProxy", "HealthAPI", True),  # what fails alike may have come to that
        ("OwaProxy", "Maintenance", True),
    ],
)
def test_a_server_in_maintenance_is_not_compared(tmp_path, component, requester, compared):
    """It is unhealthy for that: no reason not to restart POP3 here."""
    others = FAILS.format(aspect="deep", cure="restart")
    others += FAILS.format(aspect="deep", cure="never").replace("MBX1", "MBX2")
    others += f'[servers.MBX2.components.{component}]\n{requester} = "Inactive"\n'
    scenario = scenario_of(tmp_path, DEEP, "dag2", others)
    report = heal(alert_of(scenario), scenario.backend, journal=Journal())
    assert (FindingKind.SIBLINGS in kinds_of(report)) is compared
    assert (report.verdict is Verdict.RECOVERED) is not compared
    told = any("mbx2 is not compared, as it is in maint" in one.detail for one in report.findings)
    assert told is not compared


def test_the_brake_names_the_back_end_that_does_not_run(tmp_path):
    """Both front ends fail as it is off; one that can't be asked is noted, and changes nothing."""
    off = (
        '[servers.MBX1.services.MSExchangePOP3BE]\nstate = "Stopped"\nstart_type = "Disabled"\n'
        '[[faults]]\nserver = "MBX1"\ncure = "never"\nbreaks_ctp_of = ["CAS1", "CAS2"]\n'
    )

    class Mute(SimulatedBackend):
        def services(self, server, names):
            if same_server(server, "MBX2"):
                raise Unreachable(server=server, command="Get-Service", cause="no answer")
            return super().services(server, names)

    scenario = scenario_of(tmp_path, CTP, "split2013", off)
    report = heal(alert_of(scenario), Mute(scenario.organisation), journal=Journal())
    assert report.verdict is Verdict.ESCALATED
    (found,) = [one for one in report.findings if one.kind is FindingKind.SIBLINGS]
    assert "MSExchangePOP3BE of mbx1.contoso.com does not run" in found.detail
    assert "mbx2" not in found.detail
    assert "on mbx1.contoso.com, Set-Service MSExchangePOP3BE" in found.next_step
    assert any("mbx2 could not be asked" in one.detail for one in report.findings)
    assert touched(scenario) == []


def test_back_ends_that_fail_together_explain_nothing(tmp_path):
    """All Mailbox servers fail alike: they have a cause of their own in common."""
    scenario = scenario_of(tmp_path, CTP, "split2013", HUNG)
    more = [row("mbx2.contoso.com", "POP.Protocol", "PopDeepTestMonitor")]
    report = heal(alert_of(scenario), Telling(scenario.organisation, rows=more), journal=Journal())
    assert report.verdict is Verdict.ESCALATED
    assert FindingKind.SIBLINGS in kinds_of(report)
    assert touched(scenario) == []


def test_no_more_than_a_few_servers_are_asked(tmp_path):
    """However large the organisation; those that the monitor's error names come first."""
    scenario = scenario_of(tmp_path, CTP, "split2013", HUNG)
    many = [
        ServerInfo(
            fqdn=f"aaa{n:03d}.contoso.com",
            name=f"AAA{n:03d}",
            site=None,
            mailbox_role=True,
            client_access_role=False,
        )
        for n in range(60)
    ]
    named = row(
        "cas1.contoso.com",
        "POP",
        "PopCTPMonitor",
        error="[Error=ProxyFailed Proxy=mbx1.contoso.com:1995:SSL] no",
    )
    backend = Telling(scenario.organisation, rows=[named], servers=many)
    report = triage(alert_of(scenario), backend)
    assert any("explained by mbx1" in one.detail for one in report.findings)
    others = {one for one in backend.asked if not same_server(one, "cas1.contoso.com")}
    assert len(others) <= 2 * MOST_ASKED


def test_a_dependency_behind_the_front_end_is_asked_about_there(tmp_path):
    """The store on the front end does not hold it where another Mailbox server is at fault."""
    for name, verdict in (("Store", Verdict.RECOVERED), ("AD", Verdict.ESCALATED)):
        scenario = scenario_of(tmp_path, CTP, "split2013", HUNG)
        more = [row("cas1.contoso.com", name, "SomeMonitor")]
        backend = Telling(scenario.organisation, rows=more)
        report = heal(alert_of(scenario), backend, journal=Journal())
        assert report.verdict is verdict, name
        assert (FindingKind.DEPENDENCY in kinds_of(report)) is (verdict is Verdict.ESCALATED)


# --- each monitor by itself ----------------------------------------------------------------------


def test_what_holds_one_monitor_does_not_hold_another(tmp_path):
    """The deep test waits for the store; the proxy test does not need it, and is healed."""
    scenario = scenario_of(
        tmp_path,
        DEEP,
        "dag3",
        FAILS.format(aspect="deep", cure="never"),
        FAILS.format(aspect="proxy", cure="restart"),
    )
    more = [row("mbx1.contoso.com", "Store", "SomeMonitor")]
    report = heal(alert_of(scenario), Telling(scenario.organisation, rows=more), journal=Journal())
    assert [run.monitor for run in report.runs] == ["PopProxyTestMonitor"]
    held = next(one for one in report.findings if one.kind is FindingKind.DEPENDENCY)
    assert held.monitor == "PopDeepTestMonitor"
    assert report.verdict is Verdict.ESCALATED


def test_if_none_is_left_the_first_decides(tmp_path):
    """In the order of healing: the mailbox side is switched off, so it is held."""
    scenario = scenario_of(
        tmp_path,
        DEEP,
        "dag3",
        '[servers.MBX1.services.MSExchangePOP3BE]\nstate = "Stopped"\nstart_type = "Disabled"\n',
    )
    more = [
        row("mbx1.contoso.com", "POP.Protocol", "PopDeepTestMonitor"),
        row("mbx1.contoso.com", "IMAP.Protocol", "ImapDeepTestMonitor"),
        row("mbx1.contoso.com", "OWA.Protocol", "OwaDeepTestMonitor"),
    ]
    report = triage(alert_of(scenario), Telling(scenario.organisation, rows=more))
    assert report.verdict is Verdict.HELD
    assert "MSExchangePOP3BE" in report.summary
    assert "Set-Service MSExchangePOP3BE -StartupType Automatic" in "".join(
        one.next_step for one in report.findings
    )


# --- components ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("component", "requester", "ignored", "verdict"),
    [
        ("OwaProxy", "Maintenance", (), Verdict.RECOVERED),
        ("HubTransport", "Sidelined", (), Verdict.RECOVERED),
        ("ServerWideOffline", "Maintenance", (), Verdict.HELD),
        ("HighAvailability", "Maintenance", (), Verdict.HELD),
        ("HighAvailability", "Maintenance", ("highavailability",), Verdict.RECOVERED),
        ("Monitoring", "Functional", (), Verdict.HELD),
        ("RecoveryActionsEnabled", "HealthAPI", (), Verdict.HELD),
        ("RecoveryActionsEnabled", "HealthAPI", ("RecoveryActionsEnabled",), Verdict.RECOVERED),
        ("PopProxy", "HealthAPI", (), Verdict.ESCALATED),
        ("PopProxy", "HealthAPI", ("PopProxy",), Verdict.ESCALATED),
        ("PopProxy", "Maintenance", ("PopProxy",), Verdict.HELD),
    ],
)
def test_only_components_that_concern_pop_hold(tmp_path, component, requester, ignored, verdict):
    """Others are told; a policy can ignore any but PopProxy, without which POP can't work."""
    state = f'[servers.MBX1.components]\n{component} = {{ {requester} = "Inactive" }}\n'
    scenario = scenario_of(
        tmp_path, DEEP, "dag3", state, FAILS.format(aspect="deep", cure="restart")
    )
    policy = Policy(ignored_components=ignored)
    report = heal(alert_of(scenario), scenario.backend, policy=policy, journal=Journal())
    assert report.verdict is verdict
    assert any(component in one.detail for one in report.findings)


@pytest.mark.parametrize(("state", "told"), [("Draining", True), ("Active", False)])
def test_a_component_left_draining_is_told_and_holds_nothing(tmp_path, state, told):
    """It reads Active while somebody's maintenance has set it to Draining."""
    left = f'[servers.MBX1.components]\nHubTransport = {{ Maintenance = "{state}" }}\n'
    scenario = scenario_of(
        tmp_path, DEEP, "dag3", left, FAILS.format(aspect="deep", cure="restart")
    )
    report = heal(alert_of(scenario), scenario.backend, journal=Journal())
    assert report.verdict is Verdict.RECOVERED
    assert any("HubTransport" in one.detail for one in report.findings) is told


# --- other protocols -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "held"),
    [
        ([("IMAP.Protocol", "ImapDeepTestMonitor"), ("OWA.Protocol", "OwaDeepTestMonitor")], True),
        ([("owa", "OWACTPMONITOR"), ("EWS", "EWSCtpMonitor")], True),
        (
            [
                ("ActiveSync", "ActiveSyncDeepTestMonitor"),
                ("Outlook.MapiHttp.Protocol", "OutlookMapiHttpDeepTestMonitor"),
            ],
            True,
        ),
        ([("IMAP.Protocol", "ImapDeepTestMonitor"), ("IMAP", "ImapCTPMonitor")], False),
        ([("IMAP.Protocol", "ImapSelfTestMonitor"), ("OWA.Protocol", "OwaSelfTestMonitor")], False),
        ([("IMAP.Protocol", "ImapDeepTestMonitor")], False),
    ],
)
def test_other_protocols_that_fail_alike_hold(tmp_path, rows, held):
    """Two of them at least: what they share is not POP3. Their self tests log on to nothing."""
    scenario = scenario_of(tmp_path, DEEP, "dag3", FAILS.format(aspect="deep", cure="restart"))
    more = [row("mbx1.contoso.com", *one) for one in rows]
    report = heal(alert_of(scenario), Telling(scenario.organisation, rows=more), journal=Journal())
    assert (FindingKind.OTHER_PROTOCOLS in kinds_of(report)) is held
    assert report.verdict is (Verdict.ESCALATED if held else Verdict.RECOVERED)
    assert bool(touched(scenario)) is not held


def test_other_protocols_on_another_server_say_nothing(tmp_path):
    """Nor do stale rows."""
    scenario = scenario_of(tmp_path, DEEP, "dag3", FAILS.format(aspect="deep", cure="restart"))
    more = [
        row("mbx2.contoso.com", "IMAP.Protocol", "ImapDeepTestMonitor"),
        row("mbx1.contoso.com", "OWA.Protocol", "OwaDeepTestMonitor"),
        row("mbx1.contoso.com", "EWS.Protocol", "EWSDeepTestMonitor", stale=True),
    ]
    report = heal(alert_of(scenario), Telling(scenario.organisation, rows=more), journal=Journal())
    assert report.verdict is Verdict.RECOVERED


# --- words ---------------------------------------------------------------------------------------

DENIED = "-ERR Logon failure: unknown user name or bad password. User: HealthMailbox0a@contoso.test"


@pytest.mark.parametrize("where", ["error", "exception", "row", "alert", "policy"])
def test_a_cause_that_nothing_cures_is_named_and_nothing_is_touched(tmp_path, where):
    """Wherever it is told: by the probe, the monitor's row, the alert; a policy adds words."""
    scenario = scenario_of(tmp_path, DEEP, "dag3", FAILS.format(aspect="deep", cure="restart"))
    probe, more, alert, policy = None, [], alert_of(scenario), Policy()
    if where in ("error", "exception"):
        probe = lambda result: evolve(result, **{where: DENIED})  # noqa: E731
    elif where == "row":
        more = [row("mbx1.contoso.com", "POP.Protocol", "PopDeepTestMonitor", error=DENIED)]
    elif where == "alert":
        alert = evolve(alert, text=DENIED)
    else:
        ours = Cause(name="Ours", pattern="did not answer", says="it is ours", next_step="Wait.")
        policy = Policy(causes=[ours])
    backend = Telling(scenario.organisation, rows=more, probe=probe)
    report = heal(alert, backend, policy=policy, journal=Journal())
    assert report.verdict is Verdict.ESCALATED
    assert FindingKind.CAUSE in kinds_of(report)
    assert touched(scenario) == []
    assert report.runs == ()


@pytest.mark.parametrize(
    "alert",
    [
        Alert(server="MBX2", health_set="POP.Protocol", text=DENIED),
        Alert(server="MBX1", monitor="PopProxyTestMonitor", health_set="POP.Proxy", text=DENIED),
        Alert(server="MBX1", health_set="POP.Protocol", text="The monitor was unhappy."),
    ],
)
def test_an_alert_about_something_else_and_unknown_words_change_nothing(tmp_path, alert):
    """Its words are about its own server and monitor."""
    name = {"MBX1": "MBX1", "MBX2": "MBX2"}[alert.server]
    fault = f'[[faults]]\nserver = "{name}"\nfails = ["deep"]\ncure = "restart"\n'
    scenario = scenario_of(tmp_path, DEEP, "dag3", fault)
    if alert.server == "MBX2":
        alert = evolve(alert, text="The monitor was unhappy.")
    report = heal(alert, scenario.backend, journal=Journal())
    assert report.verdict is Verdict.RECOVERED


def test_words_with_several_causes_only_say_where_to_look(tmp_path):
    """The procedure goes on, and the next look is told."""
    scenario = scenario_of(tmp_path, DEEP, "dag3", FAILS.format(aspect="deep", cure="restart"))
    probe = lambda result: evolve(result, error="-ERR Server Unavailable. 21")  # noqa: E731
    report = heal(
        alert_of(scenario), Telling(scenario.organisation, probe=probe), journal=Journal()
    )
    assert report.verdict is Verdict.RECOVERED
    assert any("Excpt=" in one.next_step for one in report.findings)


def test_a_cause_for_a_service_restart_is_remembered_by_the_run(tmp_path):
    """The policy's words too: the run may restart the service, and knows why not the server."""
    scenario = scenario_of(tmp_path, DEEP, "dag3", FAILS.format(aspect="deep", cure="restart"))
    ours = Cause(
        name="Ours",
        pattern="did not answer",
        says="it is ours",
        next_step="Wait.",
        helps=Helps.SERVICE_RESTART,
    )
    journal = Journal()
    policy = Policy(causes=[ours])
    report = heal(alert_of(scenario), scenario.backend, policy=policy, journal=journal)
    assert report.verdict is Verdict.RECOVERED
    assert touched(scenario) == [h.ServiceRestarted]
    memories = [one.memory for one in journal.entries(report.id) if getattr(one, "memory", None)]
    assert all("it is ours" in memory["no_disruption"] for memory in memories)


# --- services ------------------------------------------------------------------------------------


def test_a_service_that_should_run_and_does_not_is_named(tmp_path):
    """The state for which a restart is right."""
    scenario = scenario_of(
        tmp_path,
        DEEP,
        "dag3",
        '[servers.MBX1.services.MSExchangePOP3BE]\nstate = "Stopped"\nstart_type = "Automatic"\n',
    )
    report = heal(alert_of(scenario), scenario.backend, journal=Journal())
    assert report.verdict is Verdict.RECOVERED
    named = [one.detail for one in report.findings if one.kind is FindingKind.NOT_RUNNING]
    assert named
    assert "MSExchangePOP3BE" in named[0]
    assert "reason for restarting" in named[0]


def test_a_half_enabled_server_is_said_to_be(tmp_path):
    """One of the two services runs, the other is switched off: both commands are told."""
    scenario = scenario_of(
        tmp_path,
        '[alert]\nserver = "MBX1"\nhealth_set = "POP"\nmonitor = "PopCTPMonitor"\n',
        "dag3",
        '[servers.MBX1.services.MSExchangePOP3BE]\nstate = "Stopped"\nstart_type = "Manual"\n',
    )
    report = triage(alert_of(scenario), scenario.backend)
    named = [one for one in report.findings if "while MSExchangePop3 runs" in one.detail]
    assert len(named) == 1
    assert "Start-Service MSExchangePOP3BE" in named[0].next_step


@pytest.mark.parametrize("back_end", ["mbx1", "mbx2"])
def test_a_back_end_of_its_own_that_is_off_is_not_healed_from_the_front(tmp_path, back_end):
    """No restart of the front end starts it; another server's is none of its business."""
    scenario = scenario_of(
        tmp_path,
        '[alert]\nserver = "MBX1"\nhealth_set = "POP"\nmonitor = "PopCTPMonitor"\n',
        "dag3",
        '[servers.MBX1.services.MSExchangePOP3BE]\nstate = "Stopped"\nstart_type = "Disabled"\n',
    )
    said = f"[Error=ProxyFailed Proxy={back_end}.contoso.com:1995:SSL] no"
    probe = lambda one: evolve(one, error=said if one.result == "Failed" else "")  # noqa: E731
    report = heal(
        alert_of(scenario), Telling(scenario.organisation, probe=probe), journal=Journal()
    )
    assert report.verdict is Verdict.ESCALATED
    assert any("MSExchangePOP3BE is switched off" in one.detail for one in report.findings)
    if back_end == "mbx1":
        assert touched(scenario) == []
        assert "MSExchangePOP3BE is switched off" in report.summary
    else:
        assert touched(scenario)
