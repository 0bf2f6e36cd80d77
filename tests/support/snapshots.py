"""Snapshots of scenarios: what they are held against, and what no look could have shown."""

from __future__ import annotations

import json
import re
import tomllib
from contextlib import contextmanager
from copy import deepcopy

from popheal import plan
from popheal.backends.psrp import PsrpBackend
from popheal.backends.simulated import build_scenario, load_scenario
from popheal.backends.simulated.presets import PRESETS
from popheal.backends.simulated.scenario import scenario_file
from popheal.backends.simulated.script import SCRIPTS
from popheal.errors import PophealError
from popheal.lab import Lab, LabClock
from popheal.snapshot import take_snapshot
from popheal.snapshot.snapshot import UNSEEN
from tests.support.healing import alert_of

_TIMES = re.compile(
    r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?(\+00:00| UTC)?"
    r"|\d+/\d+/\d{4} \d+:\d\d:\d\d [AP]M"
)


def planned(alert, backend, **options):
    """Triage and plan of an alert, as plain values without times; or which error there was."""
    try:
        data = plan(alert, backend, **options).to_json()
    except PophealError as error:
        return type(error)
    for key in ("id", "started_at", "finished_at", "alert"):
        data.pop(key, None)
    return json.loads(_TIMES.sub("TIME", json.dumps(data)))


@contextmanager
def over_remoting(scenario):
    """A backend that reaches the scenario's organisation through the lab, and its clock."""
    organisation = scenario.organisation
    with organisation.present() as world:
        servers = [one.fqdn for one in world.servers]
    with (
        Lab(scenario.backend, servers, is_up=organisation.answers) as lab,
        PsrpBackend(lab.settings()) as backend,
    ):
        yield backend, LabClock(scenario.clock, lab)


def check_over_remoting(name):
    """Over remoting, a plan over a snapshot taken over remoting is the plan over the real one."""
    alert = alert_of(load_scenario(name))
    with over_remoting(load_scenario(name)) as (backend, clock):
        live = planned(alert, backend, clock=clock)
    with over_remoting(load_scenario(name)) as (backend, clock):
        taken = take_snapshot(backend, alert.server, clock=clock)
    again = build_scenario(tomllib.loads(taken.to_toml()))
    with over_remoting(again) as (backend, clock):
        assert planned(alert, backend, clock=clock) == live, name
    assert taken.differing == (), name


def whole(content):
    """The servers, databases and groups that a scenario describes, with those of its preset."""
    preset = PRESETS.get(content.get("organisation", {}).get("preset", ""), {})
    found = {}
    for table in ("servers", "databases", "dags"):
        base, own = preset.get(table, {}), content.get(table, {})
        found[table] = {
            name: {**base.get(name, {}), **own.get(name, {})} for name in {**base, **own}
        }
    return found


def completed(taken, name):
    """The tables of a snapshot with what no look shows, the scripts, and what is expected."""
    content = scenario_file(name).content
    tables = {key: deepcopy(one) for key, one in taken.tables.items() if key not in SCRIPTS}
    described = whole(content)
    _add(tables["organisation"], content.get("organisation", {}), UNSEEN["organisation"])
    for server, table in described["servers"].items():
        _add(tables["servers"][server], table, UNSEEN["servers"])
        for service, own in table.get("services", {}).items():
            mine = tables["servers"][server].setdefault("services", {})
            _add(mine.setdefault(service, {}), own, UNSEEN["services"])
    for database, table in described["databases"].items():
        for server, own in table.get("on", {}).items():
            mine = tables["databases"][database].setdefault("on", {})
            _add(mine.setdefault(server, {}), own, UNSEEN["copies"])
    for dag, table in described["dags"].items():
        _add(tables["dags"][dag], table, UNSEEN["dags"])
    for key in (*SCRIPTS, "alert", "expect"):
        if key in content:
            tables[key] = content[key]
    return tables


def _add(table, own, keys):
    table.update({key: own[key] for key in keys if key in own})
