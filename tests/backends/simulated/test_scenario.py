"""Scenario files: what they may say, what they must not, and what the shipped ones cover."""

from __future__ import annotations

import re
import tomllib
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from popheal import Alert, Verdict
from popheal.backends.simulated import (
    DEFAULT_SCENARIO,
    build,
    build_scenario,
    load_scenario,
    random_organisation,
    random_tables,
    scenario_names,
)
from popheal.backends.simulated import history as h
from popheal.backends.simulated.call_faults import REASONS, BrokenCall
from popheal.backends.simulated.events import DOINGS, Event
from popheal.backends.simulated.faults import ASPECTS, OTHER_PROTOCOLS, Cure, Fault
from popheal.backends.simulated.model import Copy, DagGroup, Server, Service
from popheal.backends.simulated.monitoring import RowOverride
from popheal.backends.simulated.oddities import Oddities
from popheal.backends.simulated.presets import PRESETS
from popheal.backends.simulated.probes import ProbeScript
from popheal.backends.simulated.recovery_actions import Recovery
from popheal.backends.simulated.scenario import Expected, ExpectedDebt
from popheal.errors import ConfigurationError, UnknownName
from popheal.healthsets.pop import POP_PROXY, PROCEDURES
from popheal.util.clock import SystemClock
from popheal.util.schema import keys_of
from tests.support.healing import healed, shipped
from tests.support.paths import ROOT

FOLDER = Path(load_scenario.__code__.co_filename).parent / "scenarios"
SMALL = """
title = "small"
[alert]
server = "mbx1"
health_set = "POP"
[organisation]
preset = "dag2"
"""


def written(tmp_path, text):
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return path


# --- the shipped ones ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", scenario_names())
def test_each_scenario_tells_its_story(name):
    """A title, a description, a valid alert, and states that exist."""
    scenario = load_scenario(name)
    assert scenario.name == name
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name)
    assert scenario.title
    assert len(scenario.description) > 40
    Alert(server=scenario.server, health_set=scenario.health_set, monitor=scenario.monitor)
    states = {s for p in PROCEDURES.values() for s in (*p.by_name, *p.endings)}
    assert set(scenario.expected.path) | set(scenario.expected.not_in_path) <= states
    assert len((FOLDER / f"{name}.toml").read_text(encoding="utf-8").splitlines()) <= 60


def test_the_shipped_scenarios_cover_the_field():
    """Every verdict but cancelled, every procedure, and every step of each.

    But for what a person must approve of: nobody is there to be asked.
    """
    cases = [shipped(name).report for name in scenario_names()]
    assert {c.verdict for c in cases} == set(Verdict) - {Verdict.CANCELLED}
    reached = {(r.procedure, state) for c in cases for r in c.runs for state in r.path}
    missing = {
        (procedure.name, state)
        for procedure in PROCEDURES.values()
        for state in procedure.by_name
        if "cancelled" not in state and procedure is not POP_PROXY
    } - reached
    assert missing == set()
    assert DEFAULT_SCENARIO in scenario_names()


# --- reading -------------------------------------------------------------------------------------


def test_a_file_of_ones_own(tmp_path):
    """By its path; the clock may be given."""
    clock = SystemClock()
    scenario = load_scenario(written(tmp_path, SMALL), clock)
    assert (scenario.name, scenario.title, scenario.server) == ("mine", "small", "mbx1.contoso.com")
    assert scenario.monitor is None
    assert scenario.clock is clock
    assert clock.now() - scenario.observed_at < timedelta(minutes=1)
    assert scenario.expected.verdict == ""
    assert scenario.expected.procedures is None
    assert load_scenario(str(tmp_path / "mine.toml")).title == "small"


def test_an_unknown_name():
    """The known ones are told."""
    with pytest.raises(UnknownName) as raised:
        load_scenario("no-such-scenario")
    assert raised.value.kind == "scenario"
    assert set(raised.value.known) == set(scenario_names())


def test_not_toml(tmp_path):
    """The file and the line are told."""
    with pytest.raises(ConfigurationError, match=r"mine\.toml: this is not TOML: .*line 3"):
        load_scenario(written(tmp_path, 'title = "x"\n\n[alert\n'))


def test_not_text(tmp_path):
    """A file that can't be read."""
    path = tmp_path / "mine.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigurationError, match=r"mine\.toml, line 1: this is not UTF-8"):
        load_scenario(path)


@pytest.mark.parametrize("preset", PRESETS)
def test_presets(preset):
    """Each gives an organisation in which nothing is wrong."""
    first = next(iter(PRESETS[preset]["servers"]))
    scenario = build_scenario(
        {
            "title": preset,
            "alert": {"server": first, "health_set": "POP"},
            "organisation": {"preset": preset},
        }
    )
    assert healed(scenario).report.verdict is Verdict.NOTHING_WRONG


def test_a_preset_is_laid_over():
    """Key by key; what the file doesn't say stays."""
    text = SMALL + (
        '[servers.MBX2]\nsite = "Annex"\n[servers.EXTRA]\n[databases.DB01]\nactive = "MBX2"\n'
    )
    scenario = build_scenario(tomllib.loads(text))
    infos = {i.name: i for i in scenario.backend.all_servers("mbx1")}
    assert infos["MBX2"].site == "Annex"
    assert infos["MBX2"].mailbox_role
    assert "EXTRA" in infos
    rows = {c.database: c for c in scenario.backend.database_copies("MBX1")}
    assert rows["DB01"].active_server == "mbx2"
    assert len(rows) == 4


WRONG = [
    ("[servers.MBX1]\ncolour = 'red'", "servers.MBX1.colour", "Possible here"),
    ("[servers.MBX1]\nclock_skwe = 3", "servers.MBX1.clock_skwe", "Did you mean 'clock_skew'"),
    ("[servers.MBX1]\nreboot = 'often'", "servers.MBX1.reboot", "never_comes_back"),
    ("[servers.MBX1]\nroles = []", "servers.MBX1.roles", "mailbox"),
    ("[servers.MBX1]\nroles = ['edge']", "servers.MBX1.roles", "client_access"),
    ("[servers.MBX1]\ndown = 'yes'", "servers.MBX1.down", "true or false"),
    ("[servers.MBX1]\nreboot_seconds = -1", "servers.MBX1.reboot_seconds", "0 or more"),
    ("[servers.MBX1]\nreboot_seconds = true", "servers.MBX1.reboot_seconds", "number"),
    ("[servers.MBX1]\nfqdn = 7", "servers.MBX1.fqdn", "quotes"),
    (
        "[servers.MBX1]\nmaximum_active_databases = 1.5",
        "servers.MBX1.maximum_active_databases",
        "whole",
    ),
    ("[servers.MBX1]\nroles = 'mailbox'", "servers.MBX1.roles", "list"),
    (
        "[servers.MBX1.components]\nPopPorxy = { A = 'Active' }",
        "servers.MBX1.components.PopPorxy",
        "'PopProxy'?",
    ),
    (
        "[servers.MBX1.components]\nPopProxy = { A = 'Off' }",
        "servers.MBX1.components.PopProxy.A",
        "Inactive",
    ),
    (
        "[servers.MBX1.services]\nMSExchangePop4 = {}",
        "servers.MBX1.services.MSExchangePop4",
        "MSExchangePop3",
    ),
    (
        "[servers.MBX1.services]\nMSExchangePop3 = 3",
        "servers.MBX1.services.MSExchangePop3",
        "[servers.MBX1.services.MSEx",
    ),
    ("[servers]\nMBX1 = 3", "servers.MBX1", "a line [servers.MBX1]"),
    ("[databases.DB01]\ncopies = ['MBX9']", "databases.DB01.copies", "MBX1, MBX2"),
    ("[databases.DB09]", "databases.DB09.copies", "order of preference"),
    ("[databases.DB01]\nactive = 'MBX9'", "databases.DB01.active", "MBX1"),
    ("[databases.DB01]\ncopies = ['MBX1']\nactive = 'MBX2'", "databases.DB01.active", "copies"),
    ("[databases.DB01.on.MBX9]", "databases.DB01.on.MBX9", "copies"),
    ("[databases.DB01.on.MBX1]\nstatus = 'Fine'", "databases.DB01.on.MBX1.status", "Healthy"),
    (
        "[servers.C1]\nroles = ['client_access']\n[databases.DB01]\ncopies = ['C1']",
        "databases.DB01.copies",
        "Choose one that is",
    ),
    ("[dags.DAG1]\nmembers = ['MBX9']", "dags.DAG1.members", "There are: MBX1, MBX2"),
    ("[[faults]]\nserver = 'MBX9'\nfails = ['deep']\ncure = 'never'", "faults[1].server", "MBX1"),
    ("[[faults]]\nfails = ['deep']\ncure = 'never'", "faults[1].server", 'Add it: server = "..."'),
    ("[[faults]]\nserver = 'MBX1'\ncure = 'never'", "faults[1].fails", "deep"),
    ("[[faults]]\nserver = 'MBX1'\nfails = ['deep']", "faults[1].cure", "logging_restart"),
    ("[[faults]]\nserver = 'MBX1'\nfails = ['deep']\ncure = 3", "faults[1].cure", "restarts"),
    ("[[faults]]\nserver = 'MBX1'\nfails = ['deep']\ncure = 'luck'", "faults[1].cure", "never"),
    (
        "[[faults]]\nserver = 'MBX1'\nfails = ['deep']\ncure = { prayers = 2 }",
        "faults[1].cure.prayers",
        "reboots",
    ),
    (
        "[[faults]]\nserver = 'MBX1'\nfails = ['deep']\ncure = { restarts = 0 }",
        "faults[1].cure.restarts",
        "a whole number above 0",
    ),
    (
        "[[faults]]\nserver = 'MBX1'\nbreaks_ctp_of = ['CAS7']\ncure = 'never'",
        "faults[1].breaks_ctp_of",
        "There are: MBX1, MBX2",
    ),
    ("[faults]\nserver = 'MBX1'", "faults", "[[faults]]"),
    ("[[rows]]\nserver = 'MBX1'", "rows[1].monitor", 'Add it: monitor = "..."'),
    ("[[probes]]\nserver = 'MBX1'\nprobe = 'PopTest'", "probes[1].probe", "PopDeepTestProbe"),
    (
        "[[probes]]\nserver = 'MBX1'\nprobe = 'PopCTPProbe'\nresults = ['Fine']",
        "probes[1].results",
        "Succeeded",
    ),
    ("[[calls]]\nmethod = 'reboots'\nerror = 'Unreachable'", "calls[1].method", "reboot"),
    ("[[calls]]\nmethod = 'reboot'\nerror = 'Oops'", "calls[1].error", "OutcomeUnknown"),
    (
        "[[calls]]\nmethod = 'reboot'\nerror = 'Unreachable'\ndone = 'yes'",
        "calls[1].done",
        "promises",
    ),
    ("[[events]]\ndo = 'dance'\nserver = 'MBX1'\nat = 1", "events[1].do", "reboot"),
    ("[[events]]\ndo = 'reboot'\nserver = 'MBX1'", "events[1].at", "exactly one"),
    (
        "[[events]]\ndo = 'reboot'\nserver = 'MBX1'\nat = 1\non = 'booted'",
        "events[1].at",
        "exactly one",
    ),
    ("[[events]]\ndo = 'reboot'\nserver = 'MBX1'\non = 'rain'", "events[1].on", "went_down"),
    (
        "[[events]]\ndo = 'move'\nserver = 'MBX1'\ndatabase = 'DB99'\nat = 1",
        "events[1].database",
        "DB01",
    ),
    (
        "[servers.NEW]\n[[events]]\ndo = 'move'\nserver = 'NEW'\ndatabase = 'DB01'\nat = 1",
        "events[1].server",
        "Choose one that has",
    ),
    (
        "[databases.R]\ncopies = ['MBX1', 'MBX2']\nrecovery = true",
        "databases.R.copies",
        "just one copy",
    ),
    (
        "[[events]]\ndo = 'reboot'\nserver = 'MBX1'\nactor = 'popheal'\nat = 1",
        "events[1].actor",
        "administrator",
    ),
    ("[expect]\nverdict = 'fine'", "expect.verdict", "recovered"),
    ("[expect]\nprocedures = ['magic']", "expect.procedures", "mailbox"),
    (
        "[[expect.debts]]\nkind = 'money'\nserver = 'MBX1'\nstatus = 'paid'",
        "expect.debts[1].kind",
        "activation_disabled",
    ),
    ("[more]", "more", "Possible here"),
]


@pytest.mark.parametrize(("text", "where", "right"), WRONG)
def test_what_a_file_must_not_say(tmp_path, text, where, right):
    """The error names the file, the key, and what would be right."""
    with pytest.raises(ConfigurationError) as raised:
        load_scenario(written(tmp_path, SMALL + text))
    tables, _, key = where.rpartition(".")
    line = re.fullmatch(r".*mine\.toml, line ([0-9]+)", raised.value.source)
    assert line, "all but what is missing altogether"
    assert int(line[1]) > len(SMALL.splitlines()), "in what is wrong"
    assert raised.value.problem.startswith(f"[{tables}] {key}" if tables else key)
    assert right in raised.value.next_step


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("[servers.A]\n[alert]\nserver = 'A'\nhealth_set = 'POP'", "title"),
        ("title = 'x'\n[alert]\nserver = 'A'\nhealth_set = 'POP'", "servers"),
        ("title = 'x'\n[servers.A]\n[alert]\nhealth_set = 'POP'", "alert.server"),
        ("title = 'x'\n[servers.A]\n[alert]\nserver = 'B'\nhealth_set = 'POP'", "alert.server"),
        ("title = 'x'\n[servers.A]\n[alert]\nserver = 'A'", "alert.health_set"),
        ("title = 'x'\nalert = 3\n[servers.A]", "alert"),
        ("title = 'x'\n[organisation]\npreset = 'dag9'", "organisation.preset"),
    ],
)
def test_what_a_file_must_say(tmp_path, text, where):
    """Missing parts are named."""
    with pytest.raises(ConfigurationError) as raised:
        load_scenario(written(tmp_path, text))
    tables, _, key = where.rpartition(".")
    assert raised.value.problem.startswith(f"[{tables}] {key} " if tables else f"{key} ")


RECORDS = (
    build._General, Oddities, Server, Service, build._Described, Copy, DagGroup, Cure, Fault,
    RowOverride, ProbeScript, BrokenCall, Recovery, Event, Expected, ExpectedDebt,
)  # fmt: skip


@pytest.mark.parametrize("record", RECORDS)
def test_every_key_is_documented(record):
    """Whatever a file may say stands on the page about scenarios."""
    page = (ROOT / "docs" / "scenarios.md").read_text("utf-8")
    rows = [line for line in page.splitlines() if line.startswith("|")]
    quoted = [text for row in rows for text in re.findall(r"`([^`]+)`", row)]
    keys = {word for text in quoted for word in re.findall(r"\w+", text)}
    assert [key for key in keys_of(record) if key not in keys] == []


def test_everything_that_can_be_done_is_documented():
    """Each doing of others, each reason to decline, each other protocol."""
    page = (ROOT / "docs" / "scenarios.md").read_text("utf-8")
    words = (*DOINGS, *filter(None, REASONS), *OTHER_PROTOCOLS, *ASPECTS)
    assert [word for word in words if f"`{word}`" not in page] == []


# --- random ones ---------------------------------------------------------------------------------


@settings(deadline=None, max_examples=20)
@given(st.integers(min_value=0, max_value=2**64))
def test_the_same_seed_gives_the_same_organisation(seed):
    """And the same is played in it."""
    assert random_tables(seed) == random_tables(seed)
    one, other = (healed(random_organisation(seed)) for _ in range(2))
    assert list(one.history) == list(other.history)


@settings(deadline=None, max_examples=60)
@given(st.randoms(use_true_random=False))
def test_hypothesis_may_draw_it(chooser):
    """What is drawn is a scenario that the strict reader accepts."""
    scenario = random_organisation(chooser)
    assert scenario.expected.verdict == ""
    scenario.clock.sleep(5000)
    assert len(scenario.organisation.history) >= 0


def test_the_plainest_random_organisation():
    """What a chooser shrinks to: one server, one fault, and nothing else."""

    class Plainest:
        def random(self):
            return 0.0

        def randint(self, a, b):
            return a

        def choice(self, seq):
            return seq[0]

    tables = random_tables(Plainest())
    assert list(tables["servers"]) == ["MBX1"]
    assert len(tables["faults"]) == 1
    assert tables["calls"] == tables["events"] == tables["rows"] == []
    scenario = random_organisation(Plainest())
    assert scenario.organisation.history.of(h.FaultBegan)
