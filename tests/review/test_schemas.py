"""The JSON schemas: what popheal really writes fits them, and what it refuses to read does not."""

from __future__ import annotations

import json
import re
import tomllib

import pytest
import structlog
from click.testing import CliRunner

import popheal
from popheal import Journal, Policy
from popheal.backends.simulated import load_scenario, scenario_names
from popheal.cli.app import popheal as command
from popheal.config import load
from popheal.config.json_schema import configuration_schema
from popheal.errors import ConfigurationError
from popheal.review.schemas import events_schema, plan_schema, report_schema
from tests.support.healing import alert_of
from tests.support.json_schema import misfits
from tests.support.paths import ROOT

REPORT, PLAN, EVENTS = report_schema(), plan_schema(), events_schema()
CONFIGURATION = configuration_schema()
#: Every eighth of those that come with popheal, and those of which much is reported.
SAMPLED = sorted({*scenario_names()[::8], "fault-survives-the-reboot", "backup-under-way"})


def as_json(value):
    return json.loads(json.dumps(value))


@pytest.mark.parametrize("name", SAMPLED)
def test_what_a_healing_writes_fits(name):
    """Its report, each event that it logs, and the plan that was made before."""
    played = load_scenario(name)
    plan = popheal.plan(alert_of(played), played.backend, clock=played.clock)
    assert [*misfits(as_json(plan.to_json()), PLAN)] == []
    with structlog.testing.capture_logs() as logged:
        report = popheal.heal(
            alert_of(played), played.backend, clock=played.clock, journal=Journal()
        )
    data = as_json(report.to_json())
    assert [*misfits(data, REPORT)] == []
    assert set(data) <= set(REPORT["properties"])
    assert len(logged) > 2
    for one in logged:
        one.pop("log_level")
        assert [*misfits(as_json(one), EVENTS)] == [], one


def test_what_is_no_report_does_not_fit():
    """A key that is missing, a word that is none, a number in place of a text."""
    played = load_scenario("fault-survives-the-reboot")
    data = as_json(popheal.heal(alert_of(played), played.backend, clock=played.clock).to_json())
    step = data["runs"][0]["steps"][0]
    for record, key, value, at in (
        (data, "verdict", "fine", "$.verdict"),
        (data["alert"], "server", 3, "$.alert.server"),
        (step, "impact", "huge", "$.runs[0].steps[0].impact"),
        (step, "colour", "red", "$.runs[0].steps[0].colour"),
    ):
        before = dict(record)
        record[key] = value
        assert [*misfits(data, REPORT)] == [at]
        record.clear()
        record.update(before)
    del data["summary"]
    assert [*misfits(data, REPORT)] == ["$.summary"]


def test_each_event_has_a_schema_and_a_sentence():
    """One schema each, with what it means; another word is no event."""
    names = EVENTS["properties"]["event"]["enum"]
    assert len(names) == len(set(names)) == len(EVENTS["oneOf"]) > 20
    assert all(one["description"] for one in EVENTS["oneOf"])
    assert [*misfits({"event": "nothing"}, EVENTS)] != []


# --- the configuration ---------------------------------------------------------------------------


def test_documented_configurations_fit():
    """The examples of the page, together."""
    page = (ROOT / "docs" / "configuration.md").read_text("utf-8")
    text = "\n".join(re.findall(r"```toml\n(.*?)```", page, re.DOTALL))
    assert [*misfits(tomllib.loads(text), CONFIGURATION)] == []


@pytest.mark.parametrize(
    ("line", "at"),
    [
        ("[police]", "$.police"),
        ("[policy]\nreboots = 1", "$.policy.reboots"),
        ("[policy]\nreboots_per_server = -1", "$.policy.reboots_per_server"),
        ("[policy]\nreboots_per_server = true", "$.policy.reboots_per_server"),
        ('[policy]\napproval_from = "always"', "$.policy.approval_from"),
        ('[policy]\nhighest_impact = "restore"', "$.policy.highest_impact"),
        ('[policy]\npop_proxy = "maybe"', "$.policy.pop_proxy"),
        ('[[policy.windows]]\nstart = "22:00"', "$.policy.windows[0].end"),
        ("[timing]\nsettle = 1e12", "$.timing.settle"),
        ('[exchange]\nservers = "ex1"', "$.exchange.servers"),
        ('[exchange]\nauth = "digest"', "$.exchange.auth"),
        ('[exchange]\npassword = "x"', "$.exchange.password"),
        ("[journal]", "$.journal.path"),
        ('[notify]\nurls_env = "X"\nverdicts = ["fine"]', "$.notify.verdicts[0]"),
    ],
)
def test_what_popheal_refuses_does_not_fit(tmp_path, line, at):
    """The same place is wrong for an editor, and when the file is read."""
    assert [*misfits(tomllib.loads(line), CONFIGURATION)] == [at]
    path = tmp_path / "popheal.toml"
    path.write_text(line if "[exchange]" in line else f'{line}\n[exchange]\nservers = ["a"]')
    with pytest.raises(ConfigurationError):
        load.load_config(path, environ={"X": "mailto://a"})


def test_it_says_what_each_key_is_and_what_it_is_by_default():
    """For whoever writes one with an editor's help; and with which version of the schema."""
    policy = CONFIGURATION["properties"]["policy"]["properties"]
    assert policy["reboots_per_server"]["default"] == Policy().reboots_per_server
    assert {name for name, one in policy.items() if not one.get("description")} == set()
    for name, one in CONFIGURATION["properties"].items():
        assert set(one.get("properties", ())) == set(load.TABLES[name])
    for one in (REPORT, PLAN, EVENTS, CONFIGURATION):
        assert re.fullmatch(r"urn:popheal:\w+:\d+", one["$id"])


# --- the command ---------------------------------------------------------------------------------


def run(*args):
    return CliRunner().invoke(command, args, env={"POPHEAL_CONFIG": None})


def test_the_command_prints_them_and_answers_say_their_version(tmp_path):
    """To standard output, or a file for an editor."""
    for name, schema in (
        ("report", REPORT),
        ("plan", PLAN),
        ("events", EVENTS),
        ("configuration", CONFIGURATION),
    ):
        assert json.loads(run("schema", name).stdout) == as_json(schema)
    path = tmp_path / "popheal.schema.json"
    assert run("schema", "configuration", "-o", str(path)).exit_code == 0
    assert json.loads(path.read_text("utf-8")) == as_json(CONFIGURATION)
    answer = json.loads(run("rehearse", "maintenance", "--json").stdout)
    assert answer["format"] == REPORT["properties"]["format"]["const"]
    assert [*misfits(answer, REPORT)] == []
    assert popheal.Report.from_json(answer).verdict.value == answer["verdict"]
