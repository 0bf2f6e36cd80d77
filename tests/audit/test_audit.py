"""``popheal check-journal``: good journals hold, and each property can fail.

A doctored journal is a good one of which one thing has been changed. For every property that a
journal decides there is at least one, and it is that property that notices.
"""

from __future__ import annotations

import copy
import hashlib
import json
import os
import shutil
import sqlite3
from contextlib import closing, suppress
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from click.testing import CliRunner

from popheal import Journal, Policy, heal, resume
from popheal.audit import PROPERTIES, check_journal
from popheal.backends.simulated import load_scenario, scenario_names
from popheal.backends.simulated.random_scenarios import random_organisation
from popheal.cli.app import popheal
from popheal.engine.actions import gates, reboot, settings
from popheal.engine.control import Control
from popheal.engine.looks import feasibility
from popheal.engine.looks.group import Member
from popheal.engine.triage import blockers
from popheal.errors import Detached, JournalError
from popheal.healthsets.pop import CLIENT_ACCESS, MAILBOX, PROCEDURES
from popheal.journal import schema
from popheal.journal.database import Database
from popheal.journal.marks import Mark
from popheal.journal.rows import Row
from popheal.policy.policy import Consent
from popheal.verify import PROPERTIES as PROVED
from tests.evidence.test_mutants import failback_first, retargeted, without
from tests.journal.test_faults import may_not, modes
from tests.support.healing import alert_of

REBOOTED = "mailbox-healed-by-reboot"
RESTARTED = "mailbox-healed-by-restart"
LOGGED = "client-access-healed-by-logging-restart"
SLOW = "command-time-healed-by-reboot"
GIVEN_UP = "another-member-is-down"
DRAINED = "fault-survives-the-reboot"
OFFLINE = "pop-proxy-inactive"
#: By default a person would be asked, who is not there.
POLICIES = {OFFLINE: Policy(pop_proxy=Consent.ALLOW)}

FRONT = "proxy-healed-by-reboot"
#: Entries that older journals have not got.
MARKS = {one.value for one in Mark}

DECIDED = {one.id for one in PROPERTIES if not one.open}


def violated(path):
    """The ids of the properties that do not hold, with the places."""
    return {
        one.checked.id: [(found.run[-2:], found.seq, found.sentence) for found in one.violations]
        for one in check_journal(path).results
        if one.violations
    }


def run(*arguments):
    return CliRunner().invoke(popheal, ["check-journal", *map(str, arguments)])


# --- good journals -------------------------------------------------------------------------------


def heal_into(path, scenario, **options):
    """Heal it, with the file as its journal."""
    with Journal(path) as journal:
        return heal(alert_of(scenario), scenario.backend, journal=journal, **options)


@pytest.mark.slow
@pytest.mark.campaign
def test_every_shipped_scenario_holds(tmp_path):
    """All in one journal."""
    for name in scenario_names():
        heal_into(tmp_path / "journal.db", load_scenario(name))
    judgement = check_journal(tmp_path / "journal.db")
    assert violated(tmp_path / "journal.db") == {}
    assert judgement.healings == len(scenario_names())
    assert judgement.runs > 40
    assert judgement.entries > 500
    assert judgement.notes == ()


@pytest.mark.slow
@pytest.mark.campaign
def test_random_organisations_hold(tmp_path):
    """Faults, broken calls, others at work, and a person's stop now and then."""
    with Journal(tmp_path / "journal.db") as journal:
        for seed in range(100):
            stop, scenario, calls = Control(), random_organisation(seed), iter(range(seed))

            def count(_, calls=calls, stop=stop, seed=seed):
                if seed % 4 == 3 and next(calls, None) is None:
                    stop.cancel()

            scenario.organisation.history.listen(count)
            heal(alert_of(scenario), scenario.backend, journal=journal, control=stop)
    assert violated(tmp_path / "journal.db") == {}


@pytest.mark.slow
@pytest.mark.campaign
@pytest.mark.parametrize("scenario", [REBOOTED, "client-access-back-end-rebooted"])
def test_what_was_broken_off_and_gone_on_with_holds(tmp_path, scenario):
    """At each step, once: the process leaves, and another goes on."""
    for number in range(30):
        path, leave, played = tmp_path / f"{number}.db", Control(), load_scenario(scenario)
        left = iter(range(number))

        def leaving(event, leave=leave, left=left):
            if event.name in ("effect_intended", "transition") and next(left, None) is None:
                leave.detach()

        with suppress(Detached):
            heal_into(path, played, control=leave, observers=[leaving])
        assert violated(path) == {}
        with Journal(path) as journal:
            for record in journal.healings(unfinished=True):
                resume(record.id, played.backend, journal=journal)
        assert violated(path) == {}
        if not leave.detached:
            break


def test_an_empty_journal_holds(tmp_path):
    """There is nothing that could have gone wrong."""
    Journal(tmp_path / "journal.db").close()
    assert check_journal(tmp_path / "journal.db").ok


def test_the_properties_are_those_that_are_proved():
    """The same ids in the same order, then those of the journal itself."""
    ids = [one.id for one in PROPERTIES]
    assert ids[: len(PROVED)] == [one.id for one in PROVED]
    assert ids[len(PROVED) :] == [f"J{number}" for number in range(1, 9)]
    assert all(bool(one.open) != bool(one.look_at) for one in PROPERTIES)


# --- doctoring -----------------------------------------------------------------------------------


@cache
def rows_of(scenario, second=None):
    """The healings and entries of a scenario's journal, their JSON decoded."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "journal.db"
        for name in filter(None, (scenario, second)):
            heal_into(path, load_scenario(name), policy=POLICIES.get(name))
        with closing(sqlite3.connect(path)) as connection:
            connection.row_factory = sqlite3.Row
            healings = [dict(row) for row in connection.execute("SELECT * FROM healing")]
            entries = [
                {key: row[key] for key in Row._fields}
                for row in connection.execute("SELECT * FROM entry ORDER BY seq")
                if row["kind"] not in MARKS
            ]
    for row in healings:
        row |= {key: json.loads(row[key]) for key in ("alert", "policy", "report")}
    for row in entries:
        row["data"] = json.loads(row["data"])
    return healings, entries


def written(path, healings, entries):
    """A journal of these rows, numbered anew; chained as what an older popheal has written."""
    with closing(sqlite3.connect(path)) as connection:
        schema.make_version(connection, 2)
        connection.execute("INSERT INTO owner VALUES (1, '', 'process 1 on nowhere')")
        for row in healings:
            row |= {"owner": 1}
            insert(connection, "healing", row)
        for seq, row in enumerate(entries, 1):
            insert(connection, "entry", row | {"seq": seq})
        connection.commit()
    Journal(path).close()
    return path


def insert(connection, table, row):
    values = [json.dumps(one) if isinstance(one, (dict, list)) else one for one in row.values()]
    marks = ", ".join("?" * len(values))
    connection.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", values)


class Rows:
    """The rows of a journal, to be doctored."""

    def __init__(self, scenario):
        self.healings, self.entries = copy.deepcopy(rows_of(scenario))

    def all(self, kind, what=""):
        return [row for row in self.entries if row["kind"] == kind and what in ("", row["what"])]

    def one(self, kind, what="", nth=0):
        return self.all(kind, what)[nth]

    def drop(self, *rows):
        self.entries = [row for row in self.entries if all(row is not one for one in rows)]

    def put(self, row, *, before):
        place = next(n for n, one in enumerate(self.entries) if one is before)
        self.entries.insert(place, row)

    def comes_to(self, row, outcome):
        row["outcome"] = row["data"]["step"]["outcome"] = outcome

    def debts(self, **changes):
        """Of the last entry, and of the report."""
        for debt in (
            *self.entries[-1]["data"]["run"]["debts"],
            *self.healings[0]["report"]["debts"],
        ):
            debt.update(changes)

    def twin(self, *, server="mbx1", later=0.0):
        """The same healing once more, on another server or later."""
        first = self.healings[0]["id"]

        def changed(row):
            text = json.dumps(row).replace(first, first[::-1]).replace("mbx1", server)
            return moved(json.loads(text.replace("MBX1", server.upper())), later)

        twins = [changed(row) for row in self.entries]
        self.healings.append(changed(self.healings[0]))
        return twins


def moved(row, hours):
    """The row, some hours later; only what its columns say."""
    for key in ("at", "begun_at", "ended_at"):
        if row.get(key):
            at = datetime.fromisoformat(row[key]) + timedelta(hours=hours)
            row[key] = at.isoformat(timespec="microseconds")
    return row


def not_seen_clear(rows):
    rows.comes_to(rows.one("outcome", "verify_copies"), "active")


def not_drained(rows):
    rows.drop(rows.one("intent", "set_activation_disabled"), rows.one("outcome", "drain"))


def seen_clear_before_the_drain(rows):
    row = rows.one("outcome", "verify_copies")
    rows.drop(row)
    rows.put(row, before=rows.one("outcome", "drain"))


def two_members_at_once(rows):
    rows.entries = [
        row for pair in zip(rows.entries, rows.twin(server="mbx2"), strict=True) for row in pair
    ]


def drained_without_a_look(rows):
    rows.drop(rows.one("outcome", "check_switchover"))


def rebooted_again_the_same_day(rows):
    rows.entries += rows.twin(later=23.0)


def another_member_too_soon(rows):
    rows.entries += rows.twin(server="mbx2", later=3.0)


def rebooted_after_others(rows):
    rows.one("intent", "reboot")["data"]["booted_at"] = "2026-01-05T08:01:00+00:00"


def rebooted_twice_in_a_run(rows):
    for kind in ("outcome", "intent"):
        row = rows.one(kind, "reboot")
        rows.put(copy.deepcopy(row), before=rows.one("intent", "reboot"))


def no_budget(rows):
    rows.healings[0]["policy"]["reboots_per_server"] = 0


def no_intent(rows):
    rows.drop(rows.one("intent", "reboot"))


def no_intent_of_a_restart(rows):
    rows.drop(*rows.all("intent", "restart_service"))


def no_word_of_what_came_of_it(rows):
    rows.entries = rows.entries[: rows.entries.index(rows.one("intent", "reboot")) + 1]


def an_effect_in_the_wrong_place(rows):
    row = copy.deepcopy(rows.one("intent", "restart_service"))
    rows.put(row, before=rows.one("outcome", "verify_copies"))


def never_verified(rows):
    for finding in rows.one("finding")["data"]["findings"]:
        finding["kind"] = "unhealthy"


def verified_elsewhere(rows):
    for finding in rows.one("finding")["data"]["findings"]:
        finding["server"] = "mbx3.contoso.com"


def seen_well_and_rebooted(rows):
    rows.comes_to(rows.one("outcome", "probe"), "succeeded")


def not_looked_at_since_the_restart(rows):
    rows.drop(rows.one("outcome", "probe"))


def service_never_restarted(rows):
    rows.drop(rows.one("intent", "restart_service"), rows.one("outcome", "restart_service"))


def no_wait(rows):
    rows.drop(rows.one("outcome", "wait"))


def back_end_unknown(rows):
    rows.comes_to(rows.one("outcome", "check_backends"), "unhealthy")


def failed_back_before_the_probe(rows):
    row = rows.one("intent", "set_activation_disabled", 1)
    rows.drop(row)
    rows.put(row, before=rows.one("outcome", "probe", 1))


def hung_and_rebooted(rows):
    rows.comes_to(rows.one("outcome", "probe"), "timed_out")


def cause_named_and_rebooted(rows):
    rows.comes_to(rows.one("outcome", "probe"), "blocked")


def failed_back_on_the_front_ends_word(rows):
    (row,) = [one for one in rows.all("outcome", "probe") if "(" in one["data"]["step"]["action"]]
    rows.drop(row)


def left_drained_for_its_front_end(rows):
    """It was well when put back; now it is not, and nothing is put back."""
    rows.comes_to(rows.all("outcome", "probe")[-2], "failed")
    rows.drop(rows.all("outcome", "probe")[-1], rows.one("outcome", "fail_back"))
    rows.drop(rows.one("intent", "set_activation_disabled", 1))
    rows.debts(status="handed_over")


def failed_back_on_another_boot(rows):
    memory = rows.one("intent", "set_activation_disabled", 1)["data"]["memory"]
    memory["passed_on_boot"] = memory["boot_at_start"]


def failed_back_though_it_may_still_go_down(rows):
    rows.drop(rows.one("outcome", "await_server"))
    probe = rows.one("outcome", "probe", 1)
    probe["seq"] = 0
    rows.put(copy.deepcopy(rows.one("outcome", "reboot")), before=rows.one("outcome", "fail_back"))
    back = rows.one("intent", "set_activation_disabled", 1)
    rows.drop(back)
    rows.put(back, before=rows.one("outcome", "fail_back"))


def beyond_the_policy(rows):
    rows.healings[0]["policy"]["highest_impact"] = "change"


def beyond_the_policy_of_who_took_over(rows):
    row = rows.one("finding") | {"kind": "taken_over", "what": "", "outcome": ""}
    row["data"] = {"policy": rows.healings[0]["policy"] | {"highest_impact": "look"}}
    rows.put(row, before=rows.one("intent", "reboot"))


def left_owed(rows):
    rows.debts(status="owed")


def paid_by_nothing(rows):
    paying = ("fail_back", "reload_pop3", "keep_component")
    rows.drop(*(row for name in paying for row in rows.all("outcome", name)))


def forgotten(rows):
    rows.entries[-1]["data"]["run"]["debts"] = []


def handed_over_though_recovered(rows):
    rows.debts(status="handed_over")


def handed_over_untried(rows):
    rows.debts(status="handed_over")
    rows.drop(*rows.all("outcome", "restore_protocol_logging"))


def not_in_the_report(rows):
    rows.healings[0]["report"]["debts"] = []


def activated_without_a_look(rows):
    rows.drop(rows.one("outcome", "check_component"))


def activated_though_others_hold_it(rows):
    rows.comes_to(rows.one("outcome", "check_component"), "infeasible")


def activated_again(rows):
    row = copy.deepcopy(rows.one("intent", "set_component_state"))
    row["data"]["run"]["state"] = "waiting"
    rows.put(row, before=rows.one("outcome", "wait"))


def kept_without_a_wait(rows):
    rows.drop(*rows.all("outcome", "wait"), *rows.all("waiting"))


def activated_unasked(rows):
    rows.healings[0]["policy"]["pop_proxy"] = "ask"


def approval(rows, kind, before, *, outcome="", **data):
    row = rows.one("run_started")
    asked = {"plan": "0123", "impact": "disrupt", "planned": {}, "by": "ann"}
    asked |= {"expires_at": "2026-01-05T09:00:00+00:00", **data}
    changes = {"kind": kind, "what": "approval", "outcome": outcome, "data": asked}
    rows.put(row | changes, before=before)


def never_approved(rows):
    rows.healings[0]["policy"]["approval_from"] = "disrupt"


def refused_and_done(rows):
    never_approved(rows)
    approval(rows, "asked", rows.one("intent", "set_activation_disabled"))
    approval(rows, "answered", rows.one("intent", "set_activation_disabled"), outcome="refused")


def never_answered(rows):
    approval(rows, "asked", rows.entries[2])


def answered_unasked(rows):
    approval(rows, "answered", rows.entries[2], outcome="granted")


def answered_oddly(rows):
    approval(rows, "asked", rows.entries[2])
    approval(rows, "answered", rows.entries[3], outcome="perhaps")


def granted_too_late(rows):
    approval(rows, "asked", rows.entries[2], expires_at="2026-01-05T08:00:00+00:00")
    approval(rows, "answered", rows.entries[3], outcome="granted")


def cut_off(rows):
    rows.drop(rows.entries[-1])


def led_elsewhere(rows):
    run_then = rows.one("outcome", "check_switchover")["data"]["run"]
    run_then["state"] = run_then["path"][-1] = "rebooting"


def stopped_to_nowhere(rows):
    stop(rows, "failing_back")


def stop(rows, state="cancelled"):
    row = rows.one("outcome", "probe")
    row |= {"kind": "cancelled", "what": "", "outcome": ""}
    row["data"]["run"]["state"] = row["data"]["run"]["path"][-1] = state


def another_table(rows):
    for row in rows.entries[8:]:
        row["data"]["run"]["hash"] = CLIENT_ACCESS.hash


def outcome_unheard_of(rows):
    rows.comes_to(rows.one("outcome", "probe"), "exploded")


def another_action(rows):
    row = rows.one("outcome", "check_switchover")
    row["what"] = row["data"]["step"]["action"] = "verify_copies"


def acts_on_not_knowing(rows):
    rows.comes_to(rows.one("outcome", "check_switchover"), "could_not_tell")


def acts_on_not_knowing_quietly(rows):
    rows.comes_to(rows.one("outcome", "check_switchover"), "could_not_tell")
    rows.drop(rows.one("intent", "set_activation_disabled"))


def undoes_what_others_set(rows):
    rows.one("intent", "set_activation_disabled")["data"]["prior"] = True


def undoes_what_it_did_not_set(rows):
    rows.drop(rows.one("intent", "set_protocol_logging"))


def undoes_what_it_does_not_owe(rows):
    rows.one("intent", "set_protocol_logging", 1)["data"]["run"]["debts"] = []


def moves_what_it_did_not(rows):
    row = copy.deepcopy(rows.one("intent", "set_activation_disabled", 1))
    row["what"], row["data"]["database"] = "move_database", "DB99"
    rows.put(row, before=rows.one("outcome", "fail_back"))


def last_seen_ill(rows):
    rows.comes_to(rows.all("outcome", "probe")[-1], "failed")


def not_seen_after_the_restart(rows):
    rows.drop(rows.all("outcome", "probe")[-1])


def no_wait_in_the_end(rows):
    rows.drop(*rows.all("outcome", "wait"))


def said_to_be_untouched(rows):
    rows.healings[0]["verdict"] = rows.healings[0]["report"]["verdict"] = "transient"


def said_to_be_well(rows):
    rows.healings[0]["verdict"] = rows.healings[0]["report"]["verdict"] = "recovered"


def stopped_by_nobody(rows):
    rows.entries[-1]["data"]["run"]["state"] = "cancelled"
    rows.entries[-1]["data"]["run"]["path"][-1] = "cancelled"


def given_up_though_feasible(rows):
    rows.comes_to(rows.one("outcome", "check_switchover"), "feasible")


def given_up_though_there_was_a_way(rows):
    row = rows.one("outcome", "probe")
    row["data"]["run"]["state"] = row["data"]["run"]["path"][-1] = "escalated"
    rows.entries = rows.entries[: rows.entries.index(row) + 1]


def damaged_json(rows):
    rows.entries[4]["data"] = '{"step": '


def no_object(rows):
    rows.entries[4]["data"] = [1]


def step_and_columns_differ(rows):
    rows.one("outcome", "probe")["outcome"] = "failed"


def no_step(rows):
    del rows.one("outcome", "probe")["data"]["step"]


def no_run(rows):
    del rows.one("outcome", "probe")["data"]["run"]


def no_zone(rows):
    rows.entries[4]["at"] = "2026-01-05T08:00:50"


def odd_value(rows):
    rows.one("intent", "set_protocol_logging")["data"]["value"] = "yes"


def odd_verdict(rows):
    rows.healings[0]["verdict"] = "splendid"


def odd_report(rows):
    rows.healings[0]["report"]["runs"] = [{}]


def healing_lost(rows):
    rows.healings.clear()


def back_in_time(rows):
    moved(rows.entries[5], -1)


def after_the_end(rows):
    moved(rows.entries[-1], 1)


def never_started(rows):
    rows.drop(rows.one("run_started"))


def started_twice(rows):
    rows.put(copy.deepcopy(rows.one("run_started")), before=rows.entries[4])


def of_another_healing(rows):
    for row in rows.entries:
        row["run"] = row["run"] and "stranger.1"


def step_missing(rows):
    rows.drop(rows.one("outcome", "check_switchover"))


def step_repeated(rows):
    rows.put(copy.deepcopy(rows.one("outcome", "probe")), before=rows.one("outcome", "probe"))


def another_past(rows):
    rows.one("outcome", "drain")["data"]["run"]["path"][0] = "draining"


def about_another_state(rows):
    rows.one("outcome", "probe")["data"]["step"]["state"] = "rebooting"


def another_verdict(rows):
    rows.healings[0]["report"]["verdict"] = "escalated"


def another_report(rows):
    rows.healings[0]["report"]["id"] = "somebody"


def no_report(rows):
    rows.healings[0]["report"] = None


def a_report_too_early(rows):
    rows.healings[0]["ended_at"] = None


def another_path(rows):
    rows.healings[0]["report"]["runs"][0]["path"].pop()


def a_run_unreported(rows):
    rows.healings[0]["report"]["runs"] = []


DOCTORINGS = [
    ("P1", REBOOTED, not_seen_clear),
    ("P1", REBOOTED, not_drained),
    ("P1", REBOOTED, seen_clear_before_the_drain),
    ("P2", REBOOTED, two_members_at_once),
    ("P2", REBOOTED, drained_without_a_look),
    ("P3", REBOOTED, rebooted_again_the_same_day),
    ("P3", REBOOTED, another_member_too_soon),
    ("P3", REBOOTED, rebooted_after_others),
    ("P3", REBOOTED, rebooted_twice_in_a_run),
    ("P3", REBOOTED, no_budget),
    ("P4", REBOOTED, no_intent),
    ("P4", RESTARTED, no_intent_of_a_restart),
    ("P4", LOGGED, no_intent_of_a_restart),
    ("P4", REBOOTED, no_word_of_what_came_of_it),
    ("P4", REBOOTED, an_effect_in_the_wrong_place),
    ("P5", REBOOTED, never_verified),
    ("P5", REBOOTED, verified_elsewhere),
    ("P5", REBOOTED, seen_well_and_rebooted),
    ("P5", REBOOTED, not_looked_at_since_the_restart),
    ("P6", REBOOTED, not_looked_at_since_the_restart),
    ("P6", REBOOTED, service_never_restarted),
    ("P6", SLOW, no_wait),
    ("P6", "client-access-healed-by-reboot", back_end_unknown),
    ("P5", REBOOTED, hung_and_rebooted),
    ("P7", REBOOTED, failed_back_before_the_probe),
    ("P7", FRONT, failed_back_on_the_front_ends_word),
    ("P7", REBOOTED, failed_back_on_another_boot),
    ("P7", REBOOTED, failed_back_though_it_may_still_go_down),
    ("P8", REBOOTED, beyond_the_policy),
    ("P8", REBOOTED, beyond_the_policy_of_who_took_over),
    ("P9", LOGGED, left_owed),
    ("P9", LOGGED, paid_by_nothing),
    ("P9", LOGGED, forgotten),
    ("P9", LOGGED, handed_over_though_recovered),
    ("P9", LOGGED, handed_over_untried),
    ("P10", REBOOTED, left_owed),
    ("P10", REBOOTED, paid_by_nothing),
    ("P10", REBOOTED, forgotten),
    ("P10", REBOOTED, handed_over_though_recovered),
    ("P10", DRAINED, not_in_the_report),
    ("P12", REBOOTED, never_approved),
    ("P12", OFFLINE, activated_unasked),
    ("P12", REBOOTED, refused_and_done),
    ("P12", REBOOTED, never_answered),
    ("P12", REBOOTED, answered_unasked),
    ("P12", REBOOTED, answered_oddly),
    ("P12", REBOOTED, granted_too_late),
    ("P13", REBOOTED, cut_off),
    ("P15", REBOOTED, led_elsewhere),
    ("P15", REBOOTED, stopped_to_nowhere),
    ("P15", REBOOTED, another_table),
    ("P16", REBOOTED, outcome_unheard_of),
    ("P16", REBOOTED, another_action),
    ("P17", REBOOTED, acts_on_not_knowing),
    ("P17", REBOOTED, acts_on_not_knowing_quietly),
    ("P18", REBOOTED, stop),
    ("P21", REBOOTED, undoes_what_others_set),
    ("P21", LOGGED, undoes_what_it_did_not_set),
    ("P21", LOGGED, undoes_what_it_does_not_owe),
    ("P21", REBOOTED, moves_what_it_did_not),
    ("P22", RESTARTED, last_seen_ill),
    ("P22", RESTARTED, not_seen_after_the_restart),
    ("P22", "command-time-healed-by-restart", no_wait_in_the_end),
    ("P22", RESTARTED, said_to_be_untouched),
    ("P22", GIVEN_UP, said_to_be_well),
    ("P22", RESTARTED, stopped_by_nobody),
    ("P22", REBOOTED, stop),
    ("P23", GIVEN_UP, given_up_though_feasible),
    ("P23", REBOOTED, given_up_though_there_was_a_way),
    ("P24", REBOOTED, cause_named_and_rebooted),
    ("P26", FRONT, left_drained_for_its_front_end),
    ("P27", OFFLINE, activated_without_a_look),
    ("P27", OFFLINE, activated_though_others_hold_it),
    ("P27", OFFLINE, activated_again),
    ("P28", OFFLINE, left_owed),
    ("P28", OFFLINE, paid_by_nothing),
    ("P28", OFFLINE, forgotten),
    ("P28", OFFLINE, handed_over_though_recovered),
    ("P28", OFFLINE, kept_without_a_wait),
    ("J1", REBOOTED, damaged_json),
    ("J1", REBOOTED, no_object),
    ("J1", RESTARTED, step_and_columns_differ),
    ("J1", RESTARTED, no_step),
    ("J1", RESTARTED, no_run),
    ("J1", RESTARTED, no_zone),
    ("J1", LOGGED, odd_value),
    ("J1", RESTARTED, odd_verdict),
    ("J1", RESTARTED, odd_report),
    ("J2", REBOOTED, back_in_time),
    ("J2", REBOOTED, after_the_end),
    ("J3", REBOOTED, never_started),
    ("J3", REBOOTED, started_twice),
    ("J3", REBOOTED, of_another_healing),
    ("J4", REBOOTED, step_missing),
    ("J4", REBOOTED, step_repeated),
    ("J4", REBOOTED, another_past),
    ("J4", REBOOTED, about_another_state),
    ("J5", REBOOTED, another_verdict),
    ("J5", REBOOTED, another_report),
    ("J5", REBOOTED, no_report),
    ("J5", REBOOTED, a_report_too_early),
    ("J5", REBOOTED, another_path),
    ("J5", REBOOTED, a_run_unreported),
]


@pytest.mark.parametrize(
    ("name", "scenario", "doctor"),
    DOCTORINGS,
    ids=[f"{name}-{doctor.__name__}-{scenario}" for name, scenario, doctor in DOCTORINGS],
)
def test_a_doctored_journal_is_caught(tmp_path, name, scenario, doctor):
    """By the property that it breaks; and as it was, it held."""
    good = Rows(scenario)
    assert violated(written(tmp_path / "good.db", good.healings, good.entries)) == {}
    rows = Rows(scenario)
    doctor(rows)
    found = violated(written(tmp_path / "journal.db", rows.healings, rows.entries))
    assert name in found


def test_every_property_that_is_decided_can_fail():
    """None is without a doctoring; those of the chain have theirs in test_chain_checks.py."""
    assert {name for name, *_ in DOCTORINGS} == DECIDED - {"J6", "J7", "J8"}


def test_what_is_a_day_apart_or_elsewhere_holds(tmp_path):
    """The same server a day later; another member after the pause; another organisation at once."""
    for number, (server, later) in enumerate([("mbx1", 24.1), ("mbx2", 4.1)]):
        rows = Rows(REBOOTED)
        rows.entries += rows.twin(server=server, later=later)
        assert violated(written(tmp_path / f"{number}.db", rows.healings, rows.entries)) == {}
    rows = Rows(REBOOTED)
    two_members_at_once(rows)
    rows.healings[1]["organisation"] = "another"
    assert violated(written(tmp_path / "others.db", rows.healings, rows.entries)) == {}


@pytest.mark.parametrize(
    ("scenario", "action"),
    [
        ("rebooted-by-managed-availability", "reboot"),
        ("drain-lifted-by-an-administrator", "fail_back"),
    ],
)
def test_what_others_have_done_needs_no_intent(tmp_path, scenario, action):
    """A marker says so, however it is told; version 0.1.0 had the sentence alone."""
    rows = Rows(scenario)
    data = rows.all("outcome", action)[-1]["data"]
    assert data["by_others"] is True
    of_0_1_0 = data["step"]["detail"]

    def found(name, detail, **marker):
        data.pop("by_others", None)
        data.update(marker)
        data["step"]["detail"] = detail
        return violated(written(tmp_path / f"{name}.db", rows.healings, rows.entries))

    assert found("marked", "in other words", by_others=True) == {}
    assert found("older", of_0_1_0) == {}
    assert set(found("neither", "in other words")) == {"P4"}


# --- what can't be checked -----------------------------------------------------------------------


def note_of(tmp_path, doctor, scenario=REBOOTED):
    rows = Rows(scenario)
    doctor(rows)
    judgement = check_journal(written(tmp_path / "journal.db", rows.healings, rows.entries))
    assert judgement.ok
    (note,) = judgement.notes
    return note


def test_a_table_that_is_not_known_is_a_note(tmp_path):
    """Everything else is checked all the same."""

    def strange(rows):
        for row in (*rows.all("run_started"), *rows.all("intent"), *rows.all("outcome")):
            row["data"]["run"]["hash"] = "0" * 16

    assert "mailbox, table 0000000000000000" in note_of(tmp_path, strange)


def test_a_kind_of_entry_that_is_not_known_is_a_note(tmp_path):
    """It is left out."""

    def strange(rows):
        rows.put(rows.entries[0] | {"kind": "sung"}, before=rows.entries[1])

    assert "'sung'" in note_of(tmp_path, strange)


def test_a_policy_that_is_not_known_is_a_note(tmp_path):
    """It is of another version."""

    def strange(rows):
        rows.healings[0]["policy"]["mercy"] = 1

    assert "policy can't be read" in note_of(tmp_path, strange)


def test_what_has_not_ended_is_a_note(tmp_path):
    """Broken off anywhere, every property holds of what is there."""
    for count in range(len(Rows(REBOOTED).entries)):
        rows = Rows(REBOOTED)
        rows.entries = rows.entries[:count]
        rows.healings[0] |= {"ended_at": None, "verdict": None, "report": None}
        judgement = check_journal(written(tmp_path / f"{count}.db", rows.healings, rows.entries))
        assert judgement.ok, violated(tmp_path / f"{count}.db")
        assert "popheal resume" in judgement.notes[0]


def test_many_of_a_kind_are_one_note(tmp_path):
    """With the first few by name."""
    with Journal(tmp_path / "journal.db") as journal:
        for number in range(9):
            journal.begin(
                f"healing{number}",
                at=datetime.fromisoformat("2026-01-05T08:00:00+00:00"),
                organisation="contoso",
                server="mbx1",
                version="0.1.0",
                alert={},
                policy=Policy().to_json(),
            )
    (note,) = check_journal(tmp_path / "journal.db").notes
    assert "healing0, " in note
    assert "and 4 more" in note


# --- mutants of the tables -----------------------------------------------------------------------


def mutant_journal(path, mutant, scenario, **options):
    procedures = {**PROCEDURES, mutant.name: mutant}
    heal_into(path, load_scenario(scenario), procedures=procedures, **options)
    return set(violated(path))


async def blind(*_):
    pass


def test_mutants_are_caught_by_what_they_wrote(tmp_path, monkeypatch):
    """With the second safeguard off, as in tests/evidence/test_mutants.py; unknown tables."""
    forgets_logging = retargeted(CLIENT_ACCESS, reprobing_with_logging={"succeeded": "recovered"})
    assert "P9" in mutant_journal(tmp_path / "logging.db", forgets_logging, LOGGED)
    forgets_failback = retargeted(
        MAILBOX, reprobing_after_reboot={"succeeded": "recovered", "failed": "failing_back"}
    )
    assert "P10" in mutant_journal(tmp_path / "drained.db", forgets_failback, REBOOTED)
    monkeypatch.setattr(settings, "same_boot", lambda *_: True)
    monkeypatch.setattr(settings, "_passed_on", lambda work: work.memory.boot_before)
    assert "P7" in mutant_journal(tmp_path / "failback.db", failback_first(), REBOOTED)
    monkeypatch.setattr(reboot, "why_not_clear", blind)
    unverified = without(MAILBOX, "verifying_no_active_copies", into="rebooting")
    assert "P1" in mutant_journal(tmp_path / "copies.db", unverified, REBOOTED)
    monkeypatch.setattr(blockers, "_why_elsewhere", blind)
    monkeypatch.setattr(gates, "why_members_forbid", lambda *_: None)
    monkeypatch.setattr(feasibility, "why_out", lambda _: "")
    monkeypatch.setattr(Member, "takes_no_more", False)
    both = retargeted(CLIENT_ACCESS, recovering_backends={"failed": "checking_switchover"})
    scenario = "client-access-back-end-stays-drained"
    policy = Policy(hours_between_reboots=0)
    assert "P2" in mutant_journal(tmp_path / "members.db", both, scenario, policy=policy)


# --- hostile files -------------------------------------------------------------------------------


@pytest.fixture
def good(tmp_path):
    """The file of a good journal, closed."""
    path = tmp_path / "good.db"
    for name in (REBOOTED, LOGGED):
        heal_into(path, load_scenario(name))
    return path


def another_database(path):
    path.unlink()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE shopping (item)")


def newer(path):
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")


@pytest.mark.parametrize(
    ("spoil", "said", "status"),
    [
        (lambda path: path.unlink(), "does not exist", 2),
        (lambda path: (path.unlink(), path.mkdir()), "is no file", 2),
        (lambda path: path.write_bytes(b""), "is empty", 2),
        (lambda path: path.write_text("Dear diary\n" * 99), "not a database", 2),
        (another_database, "not a journal", 2),
        (newer, "newer popheal", 2),
        (lambda path: os.truncate(path, 20000), "malformed", 74),
        (lambda path: os.truncate(path, path.stat().st_size - 4096), "can't be", 74),
    ],
)
def test_a_file_that_is_no_sound_journal(good, spoil, said, status):
    """One sentence with a next step, its status, and nothing on standard output."""
    spoil(good)
    with pytest.raises(JournalError, match=said):
        check_journal(good)
    result = run("--journal", good)
    assert result.exit_code == status
    assert result.stdout == ""
    assert said in result.stderr
    assert "Traceback" not in result.stderr


def test_a_run_by_a_table_that_is_not_shipped(tmp_path):
    """The journal has kept it: everything is checked; if it was lost, what isn't is said."""
    path, scenario = tmp_path / "own.db", load_scenario(REBOOTED)
    own = retargeted(MAILBOX, restarting_pop3_backend={"failed": "escalated"})
    heal_into(path, scenario, procedures={own.name: own})
    assert not violated(path)
    assert not [one for one in check_journal(path).notes if own.hash in one]
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DELETE FROM procedure")
    (said,) = [one for one in check_journal(path).notes if own.hash in one]
    assert "does not know" in said


def test_garbage_in_the_middle_of_the_file(good):
    """SQLite finds it, or a property does; it is never taken for sound."""
    content = good.read_bytes()
    for place in range(8192, len(content) - 4096, 16384):
        good.write_bytes(content[:place] + b"\xff\x00garbage" * 64 + content[place + 576 :])
        with suppress(JournalError):
            assert not check_journal(good).ok


def test_text_that_is_no_text(good):
    """Bytes that are no UTF-8 in a row are a finding about that row."""
    with closing(sqlite3.connect(good)) as connection:
        connection.execute("DROP TRIGGER entry_is_never_changed")
        connection.execute("UPDATE entry SET data = CAST(x'ff80' AS TEXT) WHERE seq = 3")
        connection.commit()
    ((_, seq, sentence),) = violated(good)["J1"]
    assert seq == 3
    assert "JSON is damaged" in sentence


def test_rows_without_a_healing(tmp_path):
    """Entries, and claims that nobody gives up."""
    rows = Rows(REBOOTED)
    healing_lost(rows)
    path = written(tmp_path / "journal.db", rows.healings, rows.entries)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("INSERT INTO claim VALUES ('contoso', 'server', 'mbx1', 'nobody')")
        connection.commit()
    entries, claim = violated(path)["J1"]
    assert "not there" in entries[2]
    assert "claimed" in claim[2]


# --- only reading --------------------------------------------------------------------------------


def fingerprints(folder):
    return {
        one.name: hashlib.sha256(one.read_bytes()).hexdigest()
        for one in folder.iterdir()
        if not one.name.endswith("-shm")
    }


def test_checking_changes_nothing(good):
    """No byte of the file, and no file beside it."""
    before = fingerprints(good.parent)
    assert check_journal(good).ok
    assert fingerprints(good.parent) == before
    assert not good.with_name("good.db-shm").exists()


def test_a_name_that_means_something_in_an_address(good, tmp_path):
    """Question marks, percent signs and the like are part of the name."""
    odd = tmp_path / "a%20b?mode=rwc#c.db"
    shutil.copy(good, odd)
    assert check_journal(odd).healings == 2


def assert_good(path):
    assert check_journal(path).ok


def test_a_folder_that_can_only_be_read(good):
    """No right to write is needed."""
    with TemporaryDirectory() as place:
        folder = Path(place)
        path = folder / "good.db"
        shutil.copy(good, path)
        with modes((path, 0o444), (folder, 0o555)):
            assert may_not(assert_good, path) == ""


def test_a_journal_in_use(good):
    """What is written is read, and neither the file nor its log is changed."""
    scenario = load_scenario(REBOOTED)
    sizes = []

    def look(event):
        if event.name == "transition":
            before = fingerprints(good.parent)
            judgement = check_journal(good)
            assert judgement.ok
            assert fingerprints(good.parent) == before
            sizes.append(judgement.entries)

    with Journal(good) as journal:
        heal(alert_of(scenario), scenario.backend, journal=journal, observers=[look])
    assert sizes == sorted(sizes)  # what came of an action is there with the next commit
    assert len(set(sizes)) > 5


def test_a_journal_that_begins_to_be_written_to(good, monkeypatch):
    """What was read without locks is read again."""
    verify, opened = Database.verify, []

    def somebody_comes(journal):
        if not opened:
            opened.append(heal_into(good, load_scenario(RESTARTED)))
        verify(journal)

    monkeypatch.setattr(Database, "verify", somebody_comes)
    assert check_journal(good).healings == 3

    def somebody_comes_each_time(_):
        heal_into(good, load_scenario("nothing-wrong"))

    monkeypatch.setattr(Database, "verify", somebody_comes_each_time)
    with pytest.raises(JournalError, match="again and again"):
        check_journal(good)


# --- the command ---------------------------------------------------------------------------------


def test_the_answer_for_people(good):
    """A row a property, and why some are not decided."""
    result = run("--journal", good)
    assert result.exit_code == 0
    assert "healings: 2, runs: 2" in result.stdout
    for one in PROPERTIES:
        assert f"{one.id:<4} {'not decided' if one.open else 'holds'}" in result.stdout
    assert result.stderr == ""


def test_the_answer_for_people_where_something_is_broken(tmp_path):
    """Where, and what to look at; not hundreds of them."""
    rows = Rows(REBOOTED)
    no_intent(rows)
    path = written(tmp_path / "journal.db", rows.healings, rows.entries)
    result = run("--journal", path)
    assert result.exit_code == 1
    assert f"run {rows.healings[0]['id']}.1, entry 10: reboot is said to be done" in result.stdout
    assert "P4 does not hold" in result.stdout
    assert "Not everything holds" in result.stderr
    many = Rows(REBOOTED)
    many.entries = [many.entries[0]] + [many.one("outcome", "probe")] * 30
    path = written(tmp_path / "many.db", many.healings, many.entries)
    assert "more: see them with --json" in run("--journal", path).stdout


def test_the_answer_for_programs(tmp_path):
    """One object, in the form that is documented."""
    rows = Rows(REBOOTED)
    another_verdict(rows)
    path = written(tmp_path / "journal.db", rows.healings, rows.entries)
    result = run("--journal", path, "--json")
    assert result.exit_code == 1
    answer = json.loads(result.stdout)
    assert {key: answer[key] for key in ("ok", "journal", "healings", "runs", "entries")} == {
        "ok": False,
        "journal": str(path),
        "healings": 1,
        "runs": 1,
        "entries": 15,
    }
    by_id = {one["id"]: one for one in answer["properties"]}
    assert by_id["P1"]["verdict"] == "holds"
    assert by_id["P14"]["verdict"] == "not_decided"
    assert by_id["P14"]["why_not_decided"]
    (violation,) = by_id["J5"]["violations"]
    assert violation["healing"] == rows.healings[0]["id"]
    assert violation["seq"] is None
    assert answer["notes"] == []


def test_the_journal_of_a_configuration(good, tmp_path):
    """Or none at all, which is wrong usage."""
    config = tmp_path / "popheal.toml"
    config.write_text(f'[journal]\npath = "{good.name}"\n', "utf-8")
    assert run("--config", config).exit_code == 0
    assert run().exit_code == 2
    config.write_text("", "utf-8")
    result = run("--config", config)
    assert result.exit_code == 2
    assert "Which journal?" in result.stderr
