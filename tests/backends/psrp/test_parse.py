"""Captured output of real servers is read right, through pypsrp's deserialiser as we use it."""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, datetime
from xml.etree import ElementTree as ET

import pytest
from attrs import evolve

from popheal.backends.psrp import clixml, parse
from popheal.backends.psrp.client import _Deserializer
from popheal.backends.psrp.clixml import Record
from popheal.backends.psrp.parse import Row
from popheal.backends.psrp.recovery_events import recovery_actions
from popheal.errors import Unreadable
from popheal.exchange.models import RecoveryAction
from tests.support.paths import ROOT

SAMPLES = ROOT / "tests" / "samples"
UTC_2021 = datetime(2021, 9, 29, 18, 59, 7, 20592, tzinfo=UTC)


def load(name: str) -> list[object]:
    """Each top-level value of a sample, read as if it had come over the wire by itself."""
    data = (SAMPLES / name).read_bytes()
    text = data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    text = re.sub(r'\sxmlns="[^"]*"', "", text, count=1)
    return [
        _Deserializer().deserialize(ET.tostring(item, "unicode")) for item in ET.fromstring(text)
    ]


def row(item: object, server: str = "SOLO-E19A", command: str = "Get-Something") -> Row:
    assert isinstance(item, Record)
    return Row(record=item, server=server, command=command)


def loaded_row(name: str, server: str = "SOLO-E19A") -> Row:
    return parse.only(load(name), server=server, command="Get-Something")


def record(**properties: object) -> Record:
    made = Record()
    for name, value in properties.items():
        made.put(name, value)
    return made


def test_exchange_server() -> None:
    """Roles by the booleans, the site's name, the version."""
    info = parse.server_info(loaded_row("e19-GetExchangeServer.xml"))
    assert (info.fqdn, info.name) == ("Solo-E19A.Solo.com", "SOLO-E19A")
    assert info.mailbox_role
    assert info.client_access_role
    assert (info.site, info.version) == ("Default-First-Site-Name", "Version 15.2 (Build 986.5)")


def test_mailbox_server() -> None:
    """Outside a DAG, nothing blocked, no limit."""
    seen = parse.mailbox_server(loaded_row("e19-GetMailboxServer.xml", "solo-e19a.solo.com"))
    assert seen.dag is None
    assert seen.activation_disabled is False
    assert seen.auto_activation_policy == "Unrestricted"
    assert seen.maximum_active_databases is None


def test_component_states() -> None:
    """All components, and who set them."""
    found = parse.rows(load("e19-GetServerComponentState.xml"), server="s", command="c")
    states = {seen.component: seen for seen in map(parse.component_state, found)}
    assert len(states) == 34
    assert {n for n, seen in states.items() if seen.state != "Active"} == {
        "ForwardSyncDaemon",
        "ProvisioningRps",
    }
    assert states["ServerWideOffline"].requesters == (("Functional", "Active"),)


def test_component_state_with_lost_fields() -> None:
    """Requesters whose fields were lost on the way are read from their printed form."""
    lost = Record(text="Requestor:HealthAPI; State:Inactive; Timestamp:1/5/2026 7:00:00 AM")
    seen = parse.component_state(
        row(record(Component="PopProxy", State="Inactive", LocalStates=[lost, Record(text="?")]))
    )
    assert seen.requesters == (("HealthAPI", "Inactive"),)


def test_services() -> None:
    """Windows services as Get-Service gives them."""
    found = parse.rows(load("e19-GetService.trimmed.xml"), server="s", command="c")
    services = {seen.name: seen for seen in map(parse.service, found)}
    assert len(services) == 17
    for name in ("MSExchangePop3", "MSExchangePOP3BE"):
        assert (services[name].state, services[name].start_type) == ("Stopped", "Manual")
    assert services["MSExchangeHM"].state == "Running"


def test_operating_system() -> None:
    """DMTF strings, whose suffix is minutes from UTC."""
    item = loaded_row("e19-Win32_OperatingSystem.xml")
    assert item.moment("LastBootUpTime") == UTC_2021
    assert item.moment("LocalDateTime") > UTC_2021
    item.record.put("SetupRunning", False)
    seen = parse.host_status(item)
    assert (seen.boot_time, seen.reboot_pending) == (UTC_2021, None)


def test_reboot_pending_is_an_object_of_notes_only() -> None:
    """A PSCustomObject has its properties in another place."""
    assert loaded_row("e19-GetServerRebootPending.xml").flag("PendingReboot") is False


def test_database_copies() -> None:
    """A whole DAG member: active, passive, and a recovery database that never moves."""
    stamp, copies, checks = load("dag-copystatus-and-replicationhealth.xml")
    assert stamp == "1406874603,41783"
    found = parse.rows([copies], server="MBX1001", command="c")
    seen = [parse.database_copy(item) for item in found]
    assert Counter(copy.status for copy in seen) == {"Mounted": 6, "Healthy": 11, "Dismounted": 1}
    (recovery,) = [copy for copy in seen if copy.status == "Dismounted"]
    assert recovery.database.startswith("RecoveryDB")
    assert recovery.active_copy is True
    active = [copy for copy in seen if copy.active_copy]
    assert len(active) == 7
    assert all((c.server, c.active_server) == ("MBX1001", "mbx1001") for c in active)
    assert all(isinstance(c.copy_queue, int) and c.content_index for c in seen)
    found = parse.rows([checks], server="s", command="c")
    told = {seen.check: seen for seen in map(parse.replication_check, found)}
    assert len(found) == len(told) == 16
    assert {seen.server for seen in told.values()} == {"MBX1001"}
    # Of one, what it prints as is not its value. It has not passed.
    assert {name: one.result for name, one in told.items() if one.result != "Passed"} == {
        "ReplayService": "Error"
    }
    assert told["ReplayService"].error == "Replication has failed !"
    assert told["QuorumGroup"].error == ""


@pytest.mark.parametrize(
    ("name", "created"),
    [
        ("e19-GetGlobalMonitoringOverride.xml", None),
        ("e19-GetServerMonitoringOverride.xml", datetime(2024, 9, 9, 17, 40, 49, tzinfo=UTC)),
    ],
)
def test_times_of_overrides(name: str, created: datetime | None) -> None:
    """ISO with Z is a moment; a printed time without zone isn't, and isn't made one."""
    first = parse.rows(load(name), server="s", command="c")[0]
    assert first.maybe_moment("CreatedTime") == created
    assert first.record.types[0].startswith("Microsoft.Exchange.Monitoring")
    assert first.text("PropertyName") == "Enabled"


def test_every_sample_can_be_read() -> None:
    """None of them makes the reader stumble."""
    for sample in SAMPLES.glob("*.xml"):
        assert load(sample.name)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2021-09-29T11:59:07.0205920-07:00", UTC_2021),
        ("2021-09-29T18:59:07.020592Z", UTC_2021),
        ("2021-09-29 18:59:07.0205929Z", UTC_2021),
        ("20210929115907.020592-420", UTC_2021),
        ("2014-07-23T23:14:22+02:00", datetime(2014, 7, 23, 21, 14, 22, tzinfo=UTC)),
        ("2021-09-29T18:59:07", None),
        ("10/9/2024 8:58:55 PM", None),
        ("2021-13-29T18:59:07Z", None),
        ("20211329115907.020592-420", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("", None),
    ],
)
def test_moments(text: str, moment: datetime | None) -> None:
    """Every form with a zone; nothing is made of one without."""
    assert clixml.moment_of(text) == moment


def test_a_moment_with_an_offset_is_an_object() -> None:
    """It prints without saying which of its numbers is the month; its UTC is one of its fields."""
    made = Record(("System.DateTimeOffset",), "9/29/2021 11:59:07 AM -07:00")
    assert clixml.moment_of(made) is None
    made.put("UtcDateTime", "2021-09-29T18:59:07.020592Z")
    assert clixml.moment_of(made) == UTC_2021


def test_a_letter_is_its_letter() -> None:
    """It comes as its number."""
    assert clixml.read("<C>8364</C>") == "\u20ac"


def test_a_single_object_is_a_list_of_one() -> None:
    """Also where it has nothing to print; one that is nothing but an empty list is none."""
    alone = record(Name="EX1")
    assert clixml.items_of(alone) == [alone]
    empty = Record(("System.Object[]",))
    assert clixml.items_of(empty) == []
    empty.value = []
    assert clixml.items_of(empty) == []


def test_flags_and_counts() -> None:
    """Booleans and numbers in the forms they come in, and nothing else."""
    wrapped = Record(text="True")
    wrapped.value = True
    assert [clixml.flag_of(v) for v in (True, "False", wrapped)] == [True, False, True]
    assert [clixml.flag_of(v) for v in (None, "", 1, "yes", [])] == [None] * 5
    number = Record(text="7")
    number.value = 7
    assert [clixml.count_of(v) for v in (3, "4", number)] == [3, 4, 7]
    assert [clixml.count_of(v) for v in (True, None, "Unlimited", "", 1.5)] == [None] * 5


def test_nothing_in_every_form() -> None:
    """Nil, empty string, empty list and a missing property all count as nothing."""
    assert [clixml.items_of(v) for v in (None, "", [], "one")] == [[], [], [], ["one"]]
    assert [clixml.text_of(v) for v in (None, "", "  ", [])] == [None] * 4
    named = Record()
    named.put("Name", "ex1")
    assert [clixml.text_of(v) for v in (named, True, False, 3)] == ["ex1", "True", "False", "3"]


def test_circular_references_and_escapes() -> None:
    """An object may hold itself; escaped characters and surrogates come back as they were."""
    seen = clixml.read(
        '<Obj RefId="0"><TN RefId="0"><T>Deserialized.A.B</T></TN><Props>'
        '<Ref N="Me" RefId="0" /><Ref N="Lost" RefId="9" />'
        '<S N="S">a_x000A_b_x005F_x_xD83D__xDCA9_</S>'
        '<Obj N="L" RefId="1"><TNRef RefId="0" /><QUE><I64>5</I64></QUE></Obj>'
        '<Obj N="D" RefId="2"><DCT><En><S N="Key">k</S><Db N="Value">1.5</Db></En></DCT></Obj>'
        "</Props></Obj>"
    )
    assert isinstance(seen, Record)
    assert seen.get("me") is seen
    assert seen.get("Lost") is None
    assert seen.get("S") == "a\nb_x\U0001f4a9"
    assert clixml.items_of(seen.get("L")) == [5]
    assert getattr(seen.get("D"), "value", None) == {"k": 1.5}
    assert "B" in repr(seen)
    assert set(seen) == {"me", "lost", "s", "l", "d"}


def test_types_first_named_in_a_list() -> None:
    """What makes pypsrp's own deserialiser fail is read."""
    seen = _Deserializer().deserialize(
        '<Obj RefId="0"><TN RefId="0"><T>Dag</T></TN><Props><S N="Name">DAG1</S>'
        '<Obj N="Servers" RefId="1"><TN RefId="1"><T>Multi</T></TN><LST><Obj RefId="2">'
        '<TN RefId="2"><T>ADObjectId</T></TN><ToString>ex1</ToString></Obj></LST></Obj>'
        '<Obj N="PrimaryActiveManager" RefId="3"><TNRef RefId="2" />'
        "<ToString>o/ex1</ToString></Obj>"
        "</Props></Obj>"
    )
    found = parse.dag(row(seen))
    assert (found.members, found.primary_active_manager) == (("ex1",), "ex1")
    assert found.operational == ()


RESULT_TYPE = "Microsoft.Exchange.Monitoring.ReplicationCheckResult"


@pytest.mark.parametrize(
    ("text", "value", "result"),
    [
        ("Passed", "Passed", "Passed"),
        ("Passed", None, "Passed"),
        ("*FAILED*", "Failed", "*FAILED*"),
        ("Passed", "Failed", "Failed"),
        ("Error", "Passed", "Error"),
        (RESULT_TYPE, "Passed", "Passed"),
        (None, "Passed", "Passed"),
        (None, record(Value="?"), None),
    ],
)
def test_results_of_replication_checks(text: str | None, value: object, result: str | None) -> None:
    """An object, or what is left of it: passed is only what nothing speaks against."""
    made = Record((RESULT_TYPE,), text)
    made.put("Value", value)
    item = row(record(Server="ex1", Check="QuorumGroup", Result=made))
    if result is None:
        with pytest.raises(Unreadable, match="Result"):
            parse.replication_check(item)
    else:
        assert parse.replication_check(item).result == result


def test_a_result_that_is_an_enum_or_a_text() -> None:
    """Either of them is what it says."""
    enum = Record((RESULT_TYPE,), "Passed")
    enum.value = 0
    for result in (enum, "Passed"):
        item = row(record(Server="ex1", Check="QuorumGroup", Result=result))
        assert parse.replication_check(item).result == "Passed"


def pair(key: object, value: object, text: str | None = None) -> Record:
    made = Record(("System.Collections.Generic.KeyValuePair`2",), text)
    made.put("Key", key)
    made.put("Value", value)
    return made


def lagged(*items: object) -> tuple[str, ...]:
    return row(record(ReplayLagTimes=list(items))).lagged("ReplayLagTimes")


def test_lag_in_every_form() -> None:
    """Pairs as objects, as they print, and as a dictionary; spans as they print, and ISO 8601."""
    server = Record(("ADObjectId",), "contoso.test/Configuration/Servers/EX1")
    named = record(Name="EX1")
    for key in (server, named, "EX1", "contoso.test/Servers/EX1"):
        assert lagged(pair(key, "7.00:00:00"), pair("EX2", "00:00:00")) == ("EX1",)
        assert lagged(pair(key, Record(text="7.00:00:00"))) == ("EX1",)
    assert lagged(Record(text="[EX1, 00:10:00]"), "[EX2, 00:00:00]") == ("EX1",)
    assert lagged("[contoso.test/Servers/EX1, 14.00:00:00]") == ("EX1",)
    assert row(record(ReplayLagTimes=pair("EX1", "P7D"))).lagged("ReplayLagTimes") == ("EX1",)
    several = Record()
    several.value = {"EX1": "P7D", "EX2": "PT0S"}
    assert row(record(ReplayLagTimes=several)).lagged("ReplayLagTimes") == ("EX1",)
    for nothing in (None, [], ""):
        assert row(record(ReplayLagTimes=nothing)).lagged("ReplayLagTimes") == ()
    assert row(record()).lagged("ReplayLagTimes") == ()


@pytest.mark.parametrize(
    "span",
    ["00:00:00", "0.00:00:00", "00:00:00.0000000", "00:00", "PT0S", "P0D", "P0DT0H0M0.0S", 0],
)
def test_spans_of_nothing(span: object) -> None:
    assert lagged(pair("EX1", span)) == ()


@pytest.mark.parametrize(
    "span",
    ["00:00:01", "00:00:00.0000001", "10:00:00", "1.00:00:00", "PT1S", "P7D", "PT0.5S", "?", None],
)
def test_spans_of_something(span: object) -> None:
    """What can't be read is not taken for nothing: a copy that lags is no redundancy."""
    assert lagged(pair("EX1", span)) == ("EX1",)


def test_lag_of_nobody() -> None:
    """What can't be said to be about a server is no answer."""
    for item in ("EX1", Record(), pair(None, "P7D"), pair(Record(), "P7D"), 7):
        with pytest.raises(Unreadable, match="ReplayLagTimes"):
            lagged(item)


def test_where_the_copies_of_a_database_are() -> None:
    """Directory objects by their names, in whatever form they come; and what only -Status tells."""
    servers = [record(Name="EX1"), Record(text="contoso.test/Servers/EX2"), "ex3"]
    told = {"Servers": servers, "BackupInProgress": True}
    seen = parse.database(row(record(**{**FULL, **told})))
    assert (seen.servers, seen.backup_in_progress) == (("EX1", "EX2", "ex3"), True)
    alone = parse.database(row(record(**{**FULL, "Servers": record(Name="EX1")})))
    assert (alone.servers, alone.backup_in_progress) == (("EX1",), None)


def test_bindings_in_every_form() -> None:
    """As they print, or by their fields; one alone is a list too."""
    alone = record(Address="::", Port=995)
    several = ["0.0.0.0:110", Record(text="[::]:110"), record(Address="192.0.2.1", Port="110")]
    told = {"UnencryptedOrTLSBindings": several, "SSLBindings": alone}
    seen = parse.pop_settings(row(record(**{**FULL, **told}), "ex1"))
    assert seen.bindings == ("0.0.0.0:110", "[::]:110", "192.0.2.1:110", "[::]:995")
    assert parse.pop_settings(row(record(**FULL), "ex1")).bindings == ()


@pytest.mark.parametrize(
    ("told", "moment", "text"),
    [
        ("2021-09-29T11:59:07.020592-07:00", UTC_2021, ""),
        ("10/9/2024 8:58:55 PM", None, "10/9/2024 8:58:55 PM"),
        ("2024-10-09T20:58:55", None, "2024-10-09T20:58:55"),
        (None, None, ""),
        ("", None, ""),
    ],
)
def test_when_a_monitor_was_evaluated(told: str | None, moment: datetime | None, text: str) -> None:
    """A time without zone is no moment, and comes as it was."""
    seen = parse.monitor_health(row(record(**{**FULL, "LastExecutionTime": told}), "ex1"))
    assert (seen.last_execution, seen.last_execution_text) == (moment, text)


def test_what_a_monitor_says_of_a_failure() -> None:
    """Error and exception, whichever there is."""
    for given, error in (
        ({"Error": "-ERR", "Exception": "System.Exception: no"}, "-ERR\nSystem.Exception: no"),
        ({"Error": "", "Exception": "System.Exception: no"}, "System.Exception: no"),
        ({"Error": None}, ""),
    ):
        assert parse.monitor_health(row(record(**{**FULL, **given}), "ex1")).error == error


@pytest.mark.parametrize(
    ("told", "offset"),
    [(7200.0, 7200.0), (-12600, -12600.0), ("0", 0.0), (None, None), ("NaN", None), ("?", None)],
)
def test_a_zone_that_is_told(told: object, offset: float | None) -> None:
    """A number of seconds, or nothing."""
    seen = parse.host_status(row(record(**{**FULL, "UtcOffset": told}), "ex1"))
    assert (seen.utc_offset, seen.cluster_node) == (offset, "")


def test_the_state_of_a_node() -> None:
    """As a text or as an enum."""
    for state in ("Paused", Record(text="Paused")):
        seen = parse.host_status(row(record(**{**FULL, "ClusterNode": state}), "ex1"))
        assert seen.cluster_node == "Paused"


MANDATORY = [
    (parse.mailbox_server, "DatabaseCopyActivationDisabledAndMoveNow"),
    (parse.mailbox_server, "DatabaseCopyAutoActivationPolicy"),
    (parse.mailbox_server, "DatabaseAvailabilityGroup"),
    (parse.server_info, "IsMailboxServer"),
    (parse.server_info, "IsClientAccessServer"),
    (parse.server_info, "Fqdn"),
    (parse.database_copy, "Status"),
    (parse.database_copy, "MailboxServer"),
    (parse.database_copy, "DatabaseName"),
    (parse.database, "ReplicationType"),
    (parse.database, "Recovery"),
    (parse.pop_settings, "ProtocolLogEnabled"),
    (parse.host_status, "LastBootUpTime"),
    (parse.host_status, "LocalDateTime"),
    (parse.host_status, "SetupRunning"),
    (parse.service, "State"),
    (parse.service, "StartMode"),
    (parse.component_state, "State"),
    (parse.monitor_health, "AlertValue"),
    (parse.monitor_health, "Server"),
    (parse.replication_check, "Server"),
    (parse.replication_check, "Check"),
    (parse.replication_check, "Result"),
    (parse.monitoring_item, "Name"),
    (parse.monitoring_item, "ItemType"),
    (parse.monitoring_item, "HealthSetName"),
    (parse.dag, "Servers"),
    (parse.log_file, "Head"),
]
FULL = {
    "Name": "ex1",
    "Fqdn": "ex1.contoso.test",
    "IsMailboxServer": True,
    "IsClientAccessServer": True,
    "DatabaseCopyActivationDisabledAndMoveNow": False,
    "DatabaseCopyAutoActivationPolicy": "Unrestricted",
    "DatabaseAvailabilityGroup": None,
    "Servers": [],
    "Status": "Healthy",
    "State": "Running",
    "StartMode": "Auto",
    "MailboxServer": "ex1",
    "DatabaseName": "DB1",
    "ReplicationType": "Remote",
    "Recovery": False,
    "ProtocolLogEnabled": True,
    "LastBootUpTime": "2021-09-29T18:59:07Z",
    "LocalDateTime": "2021-09-29T18:59:07Z",
    "SetupRunning": False,
    "Component": "PopProxy",
    "AlertValue": "SomethingNew",
    "HealthSetName": "POP",
    "Server": "ex1",
    "Check": "QuorumGroup",
    "Result": "Passed",
    "ItemType": "Probe",
    "Head": "",
}


@pytest.mark.parametrize(("reader", "missing"), MANDATORY)
def test_nothing_that_matters_is_filled_in(reader, missing: str) -> None:  # type: ignore[no-untyped-def]
    """With it the row is read; without it, it is unreadable, and the error says what is missing."""
    everything = {**FULL, "State": FULL["State"] if reader is not parse.database_copy else ""}
    assert reader(row(record(**everything), "ex1"))
    # A service's state has a second name, which only Get-Service uses.
    skipped = {missing, "Status"} if reader is parse.service else {missing}
    poor = {name: value for name, value in everything.items() if name not in skipped}
    with pytest.raises(Unreadable, match=missing):
        reader(row(record(**poor), "ex1"))


def test_unknown_values_are_kept() -> None:
    """A word of a newer version isn't an error of the reader."""
    assert parse.monitor_health(row(record(**FULL), "ex1")).alert_value == "SomethingNew"


def test_unknown_kind_of_replication() -> None:
    """But where only two answers are possible, a third is unreadable."""
    with pytest.raises(Unreadable, match="Sometimes"):
        parse.database(row(record(**{**FULL, "ReplicationType": "Sometimes"}), "ex1"))


def test_about_another_server() -> None:
    """Settings of another server aren't taken for the asked one's."""
    with pytest.raises(Unreadable, match="ex2"):
        parse.pop_settings(row(record(**{**FULL, "Server": "o/Servers/ex2"}), "ex1"))


def test_how_many_rows() -> None:
    """None, two, or something that is no object, where one object was asked for."""
    for answer in ([], [Record(), Record()], ["text"]):
        with pytest.raises(Unreadable):
            parse.only(answer, server="s", command="c")
    assert parse.rows([None, "", []], server="s", command="c") == []


# --- recovery actions ----------------------------------------------------------------------------

EVENT = {
    "EventId": 500,
    "TimeCreated": "2026-01-05T08:00:00.1234567Z",
    "Id": "ForceReboot",
    "ResourceName": "EX1",
    "RequestorName": "PopReboot",
    "InstanceId": "260105.080000.12345.001",
    "StartTime": "2026-01-05T08:00:00Z",
    "EndTime": "2026-01-05T08:05:00Z",
    "Result": "Unknown",
}
END = {
    **EVENT,
    "EventId": 501,
    "TimeCreated": "2026-01-05T08:04:00Z",
    "EndTime": "2026-01-05T08:04:00Z",
    "Result": "Succeeded",
}
THROTTLED = {
    "EventId": 2051,
    "TimeCreated": "2026-01-05T08:02:00Z",
    "ActionId": "RestartService",
    "ResourceName": "MSExchangePop3",
    "RequesterName": "PopRestart",
}


def at(minute: int) -> datetime:
    return datetime(2026, 1, 5, 8, minute, tzinfo=UTC)


def actions(*events: dict[str, object]) -> list[RecoveryAction]:
    return recovery_actions([row(record(**event), "ex1") for event in events])


def test_a_start_and_an_end_are_one_action() -> None:
    """In whatever order they come; the expected finish is that of the start."""
    began = RecoveryAction(
        server="ex1",
        action="ForceReboot",
        resource="EX1",
        requester="PopReboot",
        instance="260105.080000.12345.001",
        started=at(0),
        expected_finish=at(5),
    )
    ended = evolve(began, finished=at(4), result="Succeeded")
    assert actions(EVENT) == [began]
    assert actions(EVENT, EVENT) == [began]
    assert actions(EVENT, END) == actions(END, EVENT) == [ended]
    assert actions(END) == [evolve(ended, expected_finish=None)]
    # Written in the same instant, the newest first.
    assert actions(END, {**EVENT, "TimeCreated": END["TimeCreated"]}) == [ended]


def test_the_end_of_another_action_ends_nothing() -> None:
    """Another instance, another kind of action, another resource."""
    for change in ({"InstanceId": "2"}, {"Id": "RestartService"}, {"ResourceName": "EX2"}):
        first, second = actions(EVENT, {**END, **change})
        assert (first.result, second.result) == ("", "Succeeded")


def test_throttled_actions() -> None:
    """Each attempt by itself, without start or end; the other log has names of its own."""
    seen = actions(THROTTLED, {**THROTTLED, "TimeCreated": "2026-01-05T08:03:00Z"}, EVENT)
    assert [one.throttled for one in seen] == [False, True, True]
    assert (seen[1].action, seen[1].requester) == ("RestartService", "PopRestart")
    assert [(one.started, one.expected_finish, one.result) for one in seen[1:]] == [
        (at(2), None, ""),
        (at(3), None, ""),
    ]


def test_an_expected_finish_under_its_own_name() -> None:
    """Preferred, where there is one."""
    (seen,) = actions({**EVENT, "ExpectedToFinishAt": "2026-01-05T08:07:00Z"})
    assert seen.expected_finish == at(7)


def test_times_of_actions_that_cannot_be_read() -> None:
    """Are None: nothing is made of them."""
    (seen,) = actions({**EVENT, "StartTime": "1/5/2026 8:00:00 AM", "EndTime": None})
    assert (seen.started, seen.expected_finish) == (None, None)
    (seen,) = actions({**EVENT, "StartTime": ""}, END)
    assert seen.started == at(0)


@pytest.mark.parametrize(
    ("event", "change", "said"),
    [
        (EVENT, {"EventId": 499}, "EventId is '499'"),
        (EVENT, {"EventId": None}, "EventId is None"),
        (EVENT, {"EventId": "5oo"}, "EventId is '5oo'"),
        (EVENT, {"TimeCreated": "yesterday"}, "TimeCreated"),
        (EVENT, {"TimeCreated": None}, "TimeCreated"),
        (EVENT, {"Id": None}, "Id"),
        (EVENT, {"Id": " "}, "Id"),
        (EVENT, {"InstanceId": None}, "InstanceId"),
        (END, {"InstanceId": ""}, "InstanceId"),
        (END, {"Result": None}, "Result"),
        ({**END, "EventId": 502}, {"Result": ""}, "Result"),
        (THROTTLED, {"ActionId": None}, "Id"),
        (THROTTLED, {"TimeCreated": ""}, "TimeCreated"),
    ],
)
def test_garbled_events(event: dict[str, object], change: dict[str, object], said: str) -> None:
    """One of them spoils the answer: what it tells of could be what matters."""
    with pytest.raises(Unreadable, match=said):
        actions(END, {**event, **change})


def test_events_that_are_no_objects() -> None:
    """Or objects with nothing in them."""
    with pytest.raises(Unreadable, match="no object"):
        recovery_actions(parse.rows(["500"], server="s", command="c"))
    with pytest.raises(Unreadable, match="TimeCreated"):
        actions({})
