"""The command line, in process: exit statuses, streams, and what people read."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from click.testing import CliRunner

import popheal
import popheal.api
from popheal.backends.simulated import DEFAULT_SCENARIO, load_scenario, scenario_names
from popheal.cli.app import popheal as command
from popheal.cli.render import console
from popheal.cli.signals import BrokenOff, obeying
from popheal.diagrams import FORMATS
from popheal.engine.control import Control
from popheal.healthsets.pop import PROCEDURES
from popheal.reports.report import Report
from popheal.tables.table import Verdict
from popheal.util import text

CONFIG = '[exchange]\nservers = ["ex1.contoso.com"]\n'
POPHEAL = [sys.executable, "-m", "popheal"]


def run(*args: str, **env: str):
    return CliRunner().invoke(command, args, env={"POPHEAL_CONFIG": None, **env})


def usage_error(*args: str, **env: str) -> str:
    """The one sentence about a wrong usage; nothing else is written anywhere."""
    result = run(*args, **env)
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert re.fullmatch(r"popheal: [^\n]+\n", result.stderr), result.stderr
    assert "Traceback" not in result.stderr
    return result.stderr


# --- rehearse ------------------------------------------------------------------------------------


def test_a_rehearsal_needs_nothing_and_tells_the_whole_story():
    result = run("rehearse")
    assert result.exit_code == 0
    assert result.stderr == ""
    story = result.stdout
    assert "\x1b" not in story, "no escape sequences where nobody watches"
    in_order = [
        "A Mailbox server whose POP3 back end only a reboot heals",
        "Alert      mbx1.contoso.com, health set POP.Protocol, PopDeepTestMonitor",
        "verified: POP.Protocol\\PopDeepTestProbe",
        "mailbox on mbx1.contoso.com, for PopDeepTestMonitor",
        "change  restarting_pop3_backend     done: restarted (10 s)",
        "look    reprobing                   failed: ",
        "disrupt draining                    done",
        "disrupt rebooting                   done",
        "restore awaiting_server             up: ",
        "restore failing_back                done",
        "Verdict    recovered, after 9 min",
        "Debts      paid: activation disabled on mbx1.contoso.com (off before)",
        "Databases  on mbx2.contoso.com: DB01 (was on mbx1.contoso.com)",
    ]
    places = [story.find(part) for part in in_order]
    assert -1 not in places, in_order[places.index(-1)]
    assert places == sorted(places)
    assert not [line for line in story.splitlines() if line != line.rstrip()]


def one_of_each_verdict():
    """A shipped scenario for each verdict that there is one for."""
    return {load_scenario(name).expected.verdict: name for name in scenario_names()}


def test_a_scenario_ends_as_it_says_with_the_status_of_its_verdict():
    named = one_of_each_verdict()
    assert len(named) == len(Verdict) - 1  # nobody cancels in any
    for expected, name in named.items():
        plain, answer = run("rehearse", name), run("rehearse", name, "--json")
        report = json.loads(answer.stdout)
        assert expected == report["verdict"]
        assert Verdict(expected).exit_status == plain.exit_code == answer.exit_code
        assert "" == plain.stderr == answer.stderr
        assert f"Verdict    {expected}" in plain.stdout


def test_the_statuses_of_verdicts():
    assert {one.value: one.exit_status for one in Verdict} == {
        "nothing_wrong": 0,
        "transient": 0,
        "recovered": 0,
        "escalated": 1,
        "cancelled": 1,
        "held": 3,
        "unknown": 4,
    }


def test_a_handover_says_what_is_left_and_what_to_do():
    result = run("rehearse", "server-never-comes-back")
    assert result.exit_code == 1
    for part in (
        "Verdict    escalated (a person is needed)",
        "Debts      handed over: activation disabled on mbx1.contoso.com",
        "Left as    mbx1.contoso.com is left drained",
        "-DatabaseCopyActivationDisabledAndMoveNow $false",
    ):
        assert part in result.stdout


@pytest.mark.parametrize("columns", [20, 60, 80, 120])
def test_a_command_that_puts_things_back_can_be_pasted_at_any_width(columns):
    shown = run("rehearse", "server-never-comes-back", COLUMNS=str(columns)).stdout
    report = json.loads(run("rehearse", "server-never-comes-back", "--json").stdout)
    lines = shown.splitlines()
    below = lines[lines.index("To put it back:") + 1 :]
    commands = report["handover"]["commands"]
    assert commands
    assert [f"  {command}" for command in commands] == below[: len(commands)]


def test_nothing_to_put_back_has_no_heading():
    assert "To put it back" not in run("rehearse", "another-member-is-down").stdout


@pytest.mark.parametrize(
    ("scenario", "seen", "ended"),
    [
        (
            "fault-survives-the-reboot",
            "failed: POP.Protocol",
            "a restart of POP3 and of the server",
        ),
        ("another-member-is-down", "another member of DAG1, is down", "is out of service"),
        ("drained-by-somebody-else", "not by this healing", "0 s"),
        ("command-time-row-frozen", "evaluated 2026-01-05 07:00:00", "could not be verified"),
    ],
)
def test_the_summary_does_not_repeat_what_stands_above_it(scenario, seen, ended):
    story, _, ending = run("rehearse", scenario).stdout.partition("\nVerdict")
    assert seen in story
    assert seen not in ending
    assert ending.replace("\n" + 11 * " ", " ").count(f"{ended}\n") == 1


def test_the_summary_is_whole_where_it_says_more():
    # The step that failed is not the last one told: protocol logging was put back after it.
    ending = run("rehearse", "client-access-not-healed").stdout.partition("\nVerdict")[2]
    said = "after a restart of POP3 and of the server: POP\\PopCTPProbe: Failed"
    assert said in " ".join(ending.split())


def test_a_back_end_healed_on_the_way_is_told_in_its_place():
    story = run("rehearse", "client-access-back-end-rebooted").stdout
    parts = [
        "client_access on cas1.contoso.com, for PopCTPMonitor",
        "mailbox on mbx1.contoso.com, for PopDeepTestMonitor",
        "client_access on cas1.contoso.com, going on",
        "recovering_backends",
    ]
    assert sorted(story.find(part) for part in parts) == [story.find(part) for part in parts]


def test_json_is_the_report_and_says_where_databases_are():
    result = run("rehearse", "--json")
    data = json.loads(result.stdout)
    assert data["runs"][0]["path"][:2] == ["restarting_pop3_backend", "reprobing"]
    assert Report.from_json(data).verdict.value == "recovered"
    assert data["rehearsal"]["databases"]["DB01"] == {"before": "MBX1", "now": "MBX2"}


def test_the_list_has_every_scenario_with_its_title():
    listed = run("rehearse", "--list").stdout
    for name in scenario_names():
        assert re.search(rf"^{name} +\w", listed, re.MULTILINE)
    assert f"{load_scenario(DEFAULT_SCENARIO).title} (the default)" in listed
    data = json.loads(run("rehearse", "--list", "--json").stdout)
    assert list(scenario_names()) == [one["name"] for one in data["scenarios"]]


@pytest.mark.slow
def test_words_and_durations_are_not_broken_on_a_narrow_terminal():
    listed = run("rehearse", "--list", COLUMNS="40").stdout
    long = {name for name in scenario_names() if len(name) > 38}
    assert max(len(line) for line in listed.splitlines() if line not in long) <= 40
    words = set(listed.split())
    for name in scenario_names():
        assert {name, *load_scenario(name).title.split()} <= words
    for columns in range(40, 100, 7):
        story = run("rehearse", COLUMNS=str(columns)).stdout
        assert "(7 min 45 s)" in story
        assert story.count("(40 s)") == 1


def test_times_are_told_without_microseconds():
    from popheal.cli.render.live import labelled

    out = console.console(sys.stdout)
    (line,) = labelled(out, "Seen", "booted at 2026-01-05 08:05:05.123456+00:00")
    assert line.plain == "Seen       booted at 2026-01-05 08:05:05+00:00"


def test_only_a_command_that_ends_a_text_is_to_be_pasted():
    from popheal.cli.render.live import labelled

    out = console.console(sys.stdout)
    lines = labelled(out, "Next", "Let it: popheal heal ex1.contoso.com")
    assert [one.plain.rstrip() for one in lines] == [
        "Next       Let it:",
        "  popheal heal ex1.contoso.com",
    ]
    within = "Look at the plan: popheal plan ex1.contoso.com. Then approve."
    (line,) = labelled(out, "Next", within)
    assert line.plain == f"Next       {within}"


def test_a_scenario_of_ones_own(tmp_path):
    path = tmp_path / "own.toml"
    path.write_text(
        'title = "My own one"\n[alert]\nserver = "MBX1"\n'
        'health_set = "POP.Protocol"\n[organisation]\npreset = "dag2"\n'
        '[[faults]]\nserver = "MBX1"\nfails = ["deep"]\ncure = "restart"\n[expect]\n'
    )
    result = run("rehearse", str(path))
    assert result.exit_code == 0
    assert "My own one" in result.stdout
    path.write_text(path.read_text().replace("own", "\\u001b[31mown"))
    said = usage_error("rehearse", str(path))
    assert "title has an escape character in it" in said
    assert "\x1b" not in said
    path.write_text("title = 4")
    assert "own.toml" in usage_error("rehearse", str(path))


def test_a_policy_can_be_tried(tmp_path):
    path = tmp_path / "popheal.toml"
    path.write_text('[policy]\nhighest_impact = "change"\n')
    result = run("rehearse", "--config", str(path))
    assert result.exit_code == 1
    assert "infeasible: the policy allows nothing beyond 'change'" in result.stdout
    assert "Expected   recovered, by the scenario under the default policy" in result.stdout


def test_random_organisations_are_the_same_each_time():
    first, again = run("rehearse", "--seed", "7"), run("rehearse", "--seed", "7")
    assert first.stdout == again.stdout
    assert first.exit_code in (0, 1, 3, 4)


@pytest.mark.skipif(find_spec("psrpcore") is None, reason="needs popheal[lab]")
def test_a_rehearsal_over_remoting_ends_the_same():
    result = run("rehearse", "mailbox-healed-by-restart", "--over-psrp", "--json")
    assert result.exit_code == 0, result.stderr
    report = json.loads(result.stdout)
    assert report["runs"][0]["path"] == ["restarting_pop3_backend", "reprobing", "recovered"]


def test_time_can_be_let_pass():
    result = run("rehearse", "nothing-wrong", "--speed", "1000")
    assert result.exit_code == 0
    assert "time passes 1000 times faster" in result.stdout


@pytest.mark.parametrize("columns", [50, 80, 200])
def test_lines_fit_the_terminal(columns):
    shown = run("rehearse", "client-access-not-healed", COLUMNS=str(columns)).stdout
    # Names of states are never broken, nor are addresses, nor commands, which are to be pasted.
    told, _, after = shown.partition("To see the cause and make it well:\n")
    commands = re.match(r"(?:  \S.*\n)+", after)[0]
    assert "  Invoke-MonitoringProbe POP\\PopCTPProbe -Server cas1.contoso.com | For" in commands
    lines = (told + after.removeprefix(commands)).splitlines()
    lines = [line for line in lines if "https://" not in line and "C:\\" not in line]
    assert max(map(len, lines)) <= columns
    assert "disabling_protocol_logging_unhealed" in shown


def test_colours_for_a_person_and_none_on_request():
    coloured = run("rehearse", FORCE_COLOR="1", TERM="xterm-256color", NO_COLOR=None).stdout
    assert "\x1b[" in coloured
    assert "disrupt draining" in re.sub(r"\x1b\[[0-9;]*m", "", coloured), "never colour alone"
    assert "\x1b" not in run("rehearse", FORCE_COLOR="1", NO_COLOR="1").stdout


# --- a server, with a simulated organisation in place of a real one -----------------------------


@pytest.fixture
def configured(tmp_path, monkeypatch):
    """Has the commands about a server reach a scenario; gives the path of a configuration."""

    class Backend:
        def __init__(self, settings):
            assert settings.exchange.servers

        def __enter__(self):
            return load_scenario(scenario[0]).backend

        def __exit__(self, *error):
            return None

    scenario = [DEFAULT_SCENARIO]
    monkeypatch.setattr("popheal.backends.psrp.PsrpBackend", Backend)

    def configure(name: str, more: str = "") -> str:
        scenario[0] = name
        path = tmp_path / "popheal.toml"
        path.write_text(CONFIG + more)
        return str(path)

    return configure


DECIDED = '[policy]\napproval_from = "never"\n'


def test_healing_a_server_tells_the_story_and_answers_with_the_report(configured):
    config = configured(DEFAULT_SCENARIO, DECIDED)
    told = run("heal", "MBX1", "--config", config)
    assert told.exit_code == 0
    assert "Alert      MBX1, health set POP\n" in told.stdout
    assert "Seen       unhealthy: PopDeepTestMonitor" in told.stdout
    assert "Verdict    recovered" in told.stdout
    answer = run("heal", "mbx1", "--json", POPHEAL_CONFIG=config)
    assert answer.exit_code == 0
    assert answer.stderr == ""
    assert json.loads(answer.stdout)["verdict"] == "recovered"


def test_the_first_healing_asks_or_holds(configured):
    """Without a terminal nobody can be asked: it says which line decides that."""
    config = configured(DEFAULT_SCENARIO)
    held = run("heal", "mbx1", "--config", config)
    assert held.exit_code == 3
    assert "Verdict    held" in held.stdout
    told = " ".join(held.stdout.split())
    assert "the policy does not say approval_from, and there is nobody to ask" in told
    assert 'approval_from = "disrupt" to be asked each time, or "never"' in told
    decided = run("heal", "mbx1", "--yes", "--config", config)
    assert decided.exit_code == 0
    assert "Verdict    recovered" in decided.stdout


def test_a_plan_says_what_is_not_decided(configured):
    """And is the same plan when it is."""
    undecided = run("plan", "mbx1", "--config", configured(DEFAULT_SCENARIO))
    assert "at a terminal it asks" in " ".join(undecided.stdout.split())
    decided = run("plan", "mbx1", "--config", configured(DEFAULT_SCENARIO, DECIDED))
    assert "at a terminal it asks" not in " ".join(decided.stdout.split())
    named = re.compile(r"^Plan +(\w+)$", re.MULTILINE)
    assert named.search(undecided.stdout)[1] == named.search(decided.stdout)[1]


def test_the_health_set_follows_from_the_monitor(configured):
    config = configured("nothing-wrong")
    result = run("triage", "mbx1", "--monitor", "POPCTPMonitor", "--config", config)
    assert "Alert      mbx1, health set POP, PopCTPMonitor\n" in result.stdout
    assert result.exit_code == 0
    result = run("triage", "mbx1", "--monitor", "PopTestDeepMonitor", "--json", "--config", config)
    assert json.loads(result.stdout)["alert"]["health_set"] == "POP.Protocol"


def test_a_verified_fault_names_the_next_command(configured):
    config = configured(DEFAULT_SCENARIO)
    result = run("triage", "mbx1", "--config", config)
    assert result.exit_code == 1
    assert "the fault is real; nothing was done about it" in result.stdout
    assert "popheal plan mbx1.contoso.com --config" in result.stdout


@pytest.mark.parametrize(("scenario", "status"), [("maintenance", 3), ("not-authorised", 4)])
def test_nothing_is_planned_where_nothing_would_be_done(configured, scenario, status):
    result = run("plan", "mbx1", "--config", configured(scenario))
    assert result.exit_code == status
    assert "Plan       Healing would change nothing." in result.stdout


def test_a_plan_says_the_worst_and_the_ways_there(configured):
    config = configured("multi-role-several-monitors")
    told = run("plan", "mbx1", "--config", config).stdout
    assert "mailbox on mbx1.contoso.com, for PopDeepTestMonitor (first)" in told
    assert "client_access on mbx1.contoso.com, for PopCTPMonitor (then, if that recovered)" in told
    assert "At most    1 reboot, 1 service restart, 11 actions, 4 h 36 min of waiting" in told
    assert "other ways end as escalated (see --all-paths)" in told
    everything = run("plan", "mbx1", "--all-paths", "--config", config).stdout
    assert "> escalated" in everything
    data = json.loads(run("plan", "mbx1", "--json", "--config", config).stdout)
    assert [one["procedure"] for one in data["plan"]] == ["mailbox", "client_access"]
    assert data["verdict"] == "escalated"


def test_a_plan_says_where_the_policy_ends_it(configured):
    config = configured(DEFAULT_SCENARIO, '[policy]\nhighest_impact = "change"\n')
    told = run("plan", "mbx1", "--config", config).stdout
    assert told.count("The policy allows no 'disrupt'") == 1
    assert "Databases  none is moved" in told, "though two are active there"


def test_a_server_nobody_knows(configured):
    config = configured(DEFAULT_SCENARIO)
    for name in ("triage", "plan", "heal"):
        assert "There is no server 'nosuch'" in usage_error(name, "nosuch", "-c", config, "--json")
        assert "There is no server 'nosuch'" in usage_error(name, "nosuch", "-c", config)


# --- wrong usage ---------------------------------------------------------------------------------

USAGE = {
    "no such command": (["heel"], "No such command 'heel'"),
    "no such option": (["rehearse", "--jsno"], "--json"),
    "no such scenario": (["rehearse", "mailbox-heald"], "'mailbox-healed-by-reboot'"),
    "nothing like it": (["rehearse", "zzz"], "popheal rehearse --list"),
    "scenario and seed": (["rehearse", "x", "--seed", "1"], "can't be given together"),
    "negative seed": (["rehearse", "--seed", "-1"], "--seed"),
    "empty scenario": (["rehearse", ""], "popheal rehearse --list"),
    "empty lab": (["lab", ""], "popheal rehearse --list"),
    "speed": (["rehearse", "--speed", "0"], "--speed"),
    "no server": (["heal", "-c", "{config}"], "SERVER"),
    "no configuration": (["heal", "ex1"], "'--config'; give it, or set POPHEAL_CONFIG. See:"),
    "configuration not there": (["heal", "ex1", "--config", "none.toml"], "none.toml"),
    "monitor": (["triage", "ex1", "-c", "{config}", "--monitor", "PopNone"], "PopDeepTestMonitor"),
    "health set": (["plan", "ex1", "-c", "{config}", "--health-set", "IMAP"], "POP.Protocol"),
    "bad TOML": (["heal", "ex1", "--json", "--config", "{bad}"], "line 1"),
    "no such diagram": (["diagram", "mailbx"], "mailbox"),
    "no diagram named": (["diagram"], "client_access"),
    "no such format": (["diagram", "mailbox", "--format", "gif"], "mermaid"),
    "all where to": (["diagram", "--all"], "--output"),
    "no such procedure": (["procedures", "x"], "proxy"),
    "no lab": (["lab", "nowhere-at-all"], "rehearse --list"),
    "port": (["lab", "--port", "70000"], "--port"),
    "too few ports": (["lab", "--port", "65534"], "needs 3 ports in a row"),
}


@pytest.mark.parametrize(("args", "said"), USAGE.values(), ids=USAGE)
def test_wrong_usage_is_one_sentence_with_the_next_step(tmp_path, args, said):
    config, bad = tmp_path / "popheal.toml", tmp_path / "bad.toml"
    config.write_text(CONFIG)
    bad.write_text("[exchange\n")
    sentence = usage_error(*(arg.format(config=config, bad=bad) for arg in args))
    assert said in sentence


def test_the_configuration_can_be_named_by_the_environment(tmp_path):
    path = tmp_path / "popheal.toml"
    path.write_text("[exchnage]\n")
    assert "exchnage" in usage_error("triage", "ex1", POPHEAL_CONFIG=str(path))


def test_no_command_shows_the_help_as_wrong_usage():
    result = run()
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "popheal rehearse" in result.stderr


@pytest.mark.parametrize(
    "name",
    ["rehearse", "triage", "plan", "heal", "watch", "approve", "lab", "diagram", "procedures"],
)
def test_every_command_has_help_with_an_example(name):
    result = run(name, "--help")
    assert result.exit_code == 0
    assert f"    popheal {name}" in result.stdout
    narrow = CliRunner().invoke(command, [name, "--help"], terminal_width=60).stdout
    assert max(map(len, narrow.splitlines())) <= 60


@pytest.mark.parametrize("name", ["rehearse", "heal"])
def test_help_says_what_ctrl_c_puts_back(name):
    shown = " ".join(run(name, "--help").stdout.split())
    assert "protocol logging is put back; a server that was drained stays drained" in shown
    assert "handed over in writing" in shown


def test_the_help_lists_every_exit_status():
    shown = CliRunner().invoke(command, ["--help"], terminal_width=60).stdout
    assert max(map(len, shown.splitlines())) <= 60
    epilogue = " ".join(shown.split()).partition("Exit status: ")[2]
    assert re.findall(r"\d+", epilogue) == ["0", "1", "2", "3", "4", "70", "74", "130"]


def test_the_version():
    assert popheal.__version__ in run("--version").stdout


def test_a_defect_is_one_sentence_unless_more_is_wanted(monkeypatch):
    def broken(*_args, **_keywords):
        raise LookupError("no idea")

    monkeypatch.setattr(popheal.api, "heal", broken)
    result = run("rehearse", "--json")
    assert result.exit_code == 70
    assert result.stdout == ""
    assert "defect of popheal: LookupError: no idea" in result.stderr
    assert "Traceback" not in result.stderr
    assert "Traceback" in run("rehearse", "-v").stderr
    assert "Traceback" in run("--verbose", "rehearse").stderr


def test_a_missing_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "popheal.lab", None)
    monkeypatch.setitem(sys.modules, "psrpcore", None)

    def missing(*_args):
        raise ModuleNotFoundError("No module named 'psrpcore'", name="psrpcore")

    monkeypatch.setattr("popheal.cli.commands.rehearse.import_module", missing)
    assert "Install the extra 'lab': pip install " in usage_error("rehearse", "--over-psrp")


def test_without_click_the_next_step_is_said(monkeypatch, capsys):
    for name in [name for name in sys.modules if name.startswith("popheal.cli.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "click", None)
    with pytest.raises(SystemExit) as ended:
        popheal.cli.main()
    assert ended.value.code == 2
    assert "Install the extra 'cli': pip install " in capsys.readouterr().err


def test_verbose_logs_events_beside_the_answer():
    result = run("rehearse", "--json", "--verbose")
    json.loads(result.stdout)
    assert "event='action_started'" in result.stderr
    assert "\x1b" not in result.stderr


def test_breaking_off_says_what_was_begun(monkeypatch):
    heal = popheal.api.heal

    def first_state_then_out(alert, backend, **keywords):
        tell = keywords["observers"][0]

        def telling(event):
            tell(event)
            if event.name == "action_started" and event.state == "draining":
                raise BrokenOff

        return heal(alert, backend, **{**keywords, "observers": [telling]})

    monkeypatch.setattr(popheal.api, "heal", first_state_then_out)
    result = run("rehearse")
    assert result.exit_code == 130
    assert "not undone (restarting_pop3_backend, draining)" in result.stderr
    result = run("rehearse", "--json")
    assert result.stdout == ""


def test_a_first_signal_stops_and_a_second_breaks_off(capfd):
    stop = Control()
    before = [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)]
    with obeying(stop):
        signal.raise_signal(signal.SIGINT)
        assert stop.cancelled
        told = capfd.readouterr().err
        assert told.startswith("popheal: Stopping: protocol logging is put back; ")
        assert "stays drained" in told
        with pytest.raises(BrokenOff):
            signal.raise_signal(signal.SIGTERM)
    assert [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)] == before


def test_work_that_changes_nothing_is_broken_off_at_once():
    with pytest.raises(BrokenOff), obeying():
        signal.raise_signal(signal.SIGINT)


# --- diagrams and tables -------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["mermaid", "dot", "table", "scxml"])
@pytest.mark.parametrize("name", PROCEDURES)
def test_diagrams_as_text(name, form):
    assert PROCEDURES[name].start in run("diagram", name, "--format", form).stdout


def test_every_format_of_the_library_is_offered():
    shown = " ".join(run("diagram", "--help").stdout.split())
    for form in FORMATS:
        assert form in shown


def test_a_diagram_goes_to_a_file_or_a_directory(tmp_path):
    assert run("diagram", "proxy", "-o", str(tmp_path)).exit_code == 0
    assert run("diagram", "proxy", "-o", str(tmp_path / "own.txt")).exit_code == 0
    assert (tmp_path / "proxy.mmd").read_text() == (tmp_path / "own.txt").read_text()
    assert "can't be written" in usage_error("diagram", "proxy", "-o", str(tmp_path / "no" / "x"))


def test_procedures_can_be_read():
    assert "mailbox: 12 states" in run("procedures").stdout
    table = run("procedures", "client-access").stdout
    assert "Restart the POP3 service" in table
    assert "[CTP 1]" in table
    data = json.loads(run("procedures", "--json").stdout)
    assert set(PROCEDURES) == {one["name"] for one in data["procedures"]}


# --- streams of a real process -------------------------------------------------------------------


def test_a_reader_that_goes_away_changes_nothing_about_the_end():
    for args in (["server-never-comes-back"], ["server-never-comes-back", "--json"]):
        process = subprocess.Popen(
            [*POPHEAL, "rehearse", *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        process.stdout.close()
        complaints = process.stderr.read()
        process.stderr.close()
        assert process.wait(timeout=30) == 1
        assert complaints == b""


def at_a_terminal(*args: str, stop_at: str = "", **env: str) -> tuple[int, str]:
    """Status and everything shown by a process that has a terminal for all its streams.

    With ``stop_at`` it gets a SIGINT as soon as that was shown.
    """
    pty = pytest.importorskip("pty")
    ours, its = pty.openpty()
    environment = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    process = subprocess.Popen(
        [*POPHEAL, *args],
        stdin=its,
        stdout=its,
        stderr=its,
        env=environment | {"TERM": "xterm-256color", "COLUMNS": "100"} | env,
    )
    os.close(its)
    shown = b""
    # On Linux the end of the other side is an error.
    with contextlib.suppress(OSError), open(ours, "rb", buffering=0) as stream:  # noqa: PTH123
        while piece := stream.read(4096):
            shown += piece
            if stop_at and stop_at.encode() in shown:
                process.send_signal(signal.SIGINT)
                stop_at = ""
    return process.wait(timeout=30), shown.decode()


@pytest.mark.slow
def test_a_person_watching_sees_what_is_going_on_right_now():
    status, shown = at_a_terminal("rehearse", "--speed", "300")
    assert status == 0
    assert "awaiting_server on mbx1.contoso.com, " in shown
    assert re.search(r"waiting for the restart on mbx1.contoso.com, .+ of at most 45 min", shown)
    assert "\x1b[2K" in shown, "and it is wiped out again"
    assert "Verdict" in shown


@pytest.mark.slow
def test_ctrl_c_wipes_out_what_is_going_on_right_now():
    status, shown = at_a_terminal("rehearse", "--speed", "60", stop_at="awaiting_server on")
    assert status == 1
    assert "\r\x1b[2Kpopheal: Stopping" in shown


@pytest.mark.slow
def test_ctrl_c_writes_no_escape_sequences_for_a_person_who_wants_none():
    status, shown = at_a_terminal(
        "rehearse", "--speed", "60", stop_at="restart commanded", NO_COLOR="1"
    )
    assert status == 1
    assert "\npopheal: Stopping" in shown
    assert "\x1b" not in shown


@pytest.mark.slow
def test_a_person_watching_json_go_to_a_file_sees_the_story():
    status, shown = at_a_terminal("rehearse", "--speed", "1000", "--json")
    assert status == 0
    assert "disrupt draining" in re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown)


@pytest.mark.slow
def test_no_escape_sequences_for_a_person_who_wants_none():
    for env in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        status, shown = at_a_terminal("rehearse", "--speed", "1000", **env)
        assert status == 0
        assert "Verdict    recovered" in shown
        assert "\x1b" not in shown


def test_a_picture_is_not_for_a_terminal():
    status, shown = at_a_terminal("diagram", "proxy", "--format", "png")
    assert status == 2
    assert "--output FILE" in shown


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_disk_is_said(unbuffered):
    with Path("/dev/full").open("w") as full:
        result = subprocess.run(
            [*POPHEAL, "rehearse"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
        )
    assert result.returncode == 74
    assert result.stderr.count("No space left") == 1


@pytest.mark.parametrize(
    ("closed", "status", "said"),
    [
        (">&-", 74, "Reading or writing failed: Bad file descriptor"),
        ("2>&-", 0, "Verdict    recovered"),
        ("<&-", 0, "Verdict    recovered"),
        (">&- 2>&-", 74, ""),
        ("<&- >&- 2>&-", 74, ""),
    ],
)
def test_a_stream_that_is_closed_is_no_defect(closed, status, said):
    """As by a cron job: nothing fails in the middle, and an answer that is lost is told of."""
    result = subprocess.run(
        ["sh", "-c", f'exec "$@" {closed}', "sh", *POPHEAL, "rehearse"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == status, result.stderr
    assert said in result.stdout + result.stderr


def test_an_answer_in_ascii_if_nothing_else_will_do(tmp_path):
    path = tmp_path / "own.toml"
    path.write_text(
        'title = "Ein Fehler in München"\n[alert]\nserver = "MBX1"\nhealth_set = "POP"\n'
        '[organisation]\npreset = "dag2"\n[expect]\n',
        encoding="utf-8",
    )
    result = subprocess.run(
        [*POPHEAL, "rehearse", str(path)],
        capture_output=True,
        env={"PYTHONIOENCODING": "ascii"},
        check=False,
    )
    assert result.returncode == 0
    assert rb"Ein Fehler in M\xfcnchen" in result.stdout


def test_the_command_line_is_imported_without_what_only_some_commands_need():
    seen = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys, popheal.cli.app; print(*sys.modules)",
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    heavy = {
        "pypsrp",
        "psrpcore",
        "requests",
        "rich.live",
        "popheal.config.load",
        "popheal.diagrams",
    }
    assert set() == heavy & set(seen)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0 s"), (59.6, "1 min"), (465, "7 min 45 s"), (3600, "1 h"), (5520, "1 h 32 min")],
)
def test_durations_for_people(seconds, shown):
    assert shown == text.span(seconds)


def test_where_temporals_core_has_threads_python_is_not_taken_down_beneath_them(monkeypatch):
    left = []
    monkeypatch.setattr(popheal.cli, "_run", lambda: sys.exit(3))
    monkeypatch.setattr(os, "_exit", left.append)
    monkeypatch.delitem(sys.modules, "temporalio.bridge", raising=False)
    with pytest.raises(SystemExit):
        popheal.cli.program()
    assert left == []
    monkeypatch.setitem(sys.modules, "temporalio.bridge", object())
    with pytest.raises(SystemExit):
        popheal.cli.program()
    assert left == [3]
    with pytest.raises(SystemExit):
        popheal.cli.main()  # called by another program, which goes on
    assert left == [3]
