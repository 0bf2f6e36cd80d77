"""The page of a procedure: it moves as the table does, and needs nothing but itself."""

from __future__ import annotations

import json
import random
import re
import subprocess
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from html.parser import HTMLParser
from itertools import combinations

import pytest
from attrs import evolve

from popheal.diagrams import PathStep, RunPath, render, walkthrough
from popheal.diagrams.walkthrough.data import FORMAT, table_data
from popheal.engine.run import Run
from popheal.healthsets.pop import MAILBOX, PROCEDURES, SETTLE_DEBTS
from popheal.healthsets.pop.sentences import SENTENCES, in_our_words
from popheal.tables.citations import Ours, Section
from popheal.tables.debts import DebtStatus
from popheal.tables.table import CANCEL, Guard, Verdict
from tests.support.programs import needs_program

TABLES = {**PROCEDURES, SETTLE_DEBTS.name: SETTLE_DEBTS}
FACTS = [frozenset(some) for count in range(len(Guard) + 1) for some in combinations(Guard, count)]


def in_node(calls, given):
    """What the page's own script makes of some data, in Node.

    Args:
        calls: JavaScript that makes ``answer`` of ``given``.
        given: Any JSON value.
    """
    script = f"{walkthrough._own('table.js')}\nconst given = "
    script += "JSON.parse(require('fs').readFileSync(0));\n"
    script += f"let answer;\n{calls}\nconsole.log(JSON.stringify(answer));"
    done = subprocess.run(
        ["node", "-e", script], input=json.dumps(given), capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


# --- it moves as the table does ------------------------------------------------------------------


@needs_program("node")
def test_every_move_is_that_of_the_table():
    """For each table: every set of guards, every state and ending, every outcome and a stop."""
    cases = [
        [name, [one.value for one in facts], place, outcome]
        for name, table in TABLES.items()
        for facts in FACTS
        for place in (*table.by_name, *table.endings)
        for outcome in (*table.expected(place), CANCEL)
    ]
    found = in_node(
        """
        answer = given.cases.map(([name, facts, place, outcome]) => {
          const row = rowTaken(given.tables[name], place, outcome, new Set(facts));
          return row && row.target;
        });
        """,
        {"cases": cases, "tables": {name: table_data(one) for name, one in TABLES.items()}},
    )
    assert len(found) > 5000
    for (name, facts, place, outcome), target in zip(cases, found, strict=True):
        row = TABLES[name].next(place, outcome, frozenset(map(Guard, facts)))
        assert (row.target if row else None) == target, (name, facts, place, outcome)


def walks(table, dice, *, mailbox_role):
    """A walk at random: each place with what is owed there, and the outcome that led on."""
    run = Run(id="1", procedure=table, server="ex1", mailbox_role=mailbox_role)
    places = []
    while not run.verdict:
        action = run.next_action()
        owed = {one.kind.value: one.unclear for one in run.debts if one.status is DebtStatus.OWED}
        if dice.random() < 0.05:
            places.append((run.state, owed, CANCEL))
            run.cancel()
            continue
        if action.incurs:
            run.owe(prior=False)
        outcome = dice.choice(action.outcomes)
        places.append((run.state, owed, str(outcome)))
        run.observe(outcome)
    return places, run.state


@needs_program("node")
@pytest.mark.parametrize("mailbox_role", [False, True])
def test_debts_and_guards_are_those_of_a_run(mailbox_role):
    """Along walks at random, with stops: what is owed, and so which guards hold."""
    dice = random.Random(11)
    given = []
    for table in TABLES.values():
        for _ in range(40):
            places, end = walks(table, dice, mailbox_role=mailbox_role)
            outcomes = [outcome for *_, outcome in places]
            given.append({"name": table.name, "outcomes": outcomes, "places": places, "end": end})
    found = in_node(
        """
        answer = given.walks.map(({ name, outcomes }) => {
          const table = given.tables[name];
          let [state, owed] = [table.start, new Map()];
          const places = outcomes.map((outcome) => {
            const place = [state, Object.fromEntries(owed), outcome];
            const row = rowTaken(table, state, outcome, factsOf(table, given.chosen, owed));
            owed = owedAfter(table, state, outcome, owed);
            state = row.target;
            return place;
          });
          return { places, end: state };
        });
        """,
        {
            "walks": given,
            "chosen": ["mailbox_role"] if mailbox_role else [],
            "tables": {name: table_data(one) for name, one in TABLES.items()},
        },
    )
    for walk, shown in zip(given, found, strict=True):
        assert shown["end"] == walk["end"]
        assert shown["places"] == [list(place) for place in walk["places"]]


@needs_program("node")
def test_what_may_follow():
    """From the start everything but what a stop leads to; behind the last doubt very little."""
    first, last = in_node(
        """
        answer = given.places.map(([state, owed]) => {
          const may = ahead(given.table, state, new Set(["mailbox_role"]), new Map(owed));
          const endings = [...may.endings].map(([end, left]) => [end, [...left]]);
          return [[...may.states], endings, may.worst];
        });
        """,
        {
            "table": table_data(MAILBOX),
            "places": [
                ["restarting_pop3_backend", []],
                ["failing_back", [["activation_disabled", False]]],
            ],
        },
    )
    assert set(first[0]) == {*MAILBOX.by_name, "recovered", "escalated"}
    assert dict(first[1]) == {"recovered": [], "escalated": ["activation_disabled"]}
    assert first[2] == "disrupt"
    assert set(last[0]) == {"failing_back", "recovered", "escalated"}
    assert last[2] == "restore"


def report_of(table, *, stopped=False, **changed):
    """A report as ``--json`` has it, with one run; the values of that may be changed."""
    steps = [("restarting_pop3_backend", "done"), ("reprobing", "failed")]
    path = ["restarting_pop3_backend", "reprobing", "checking_switchover"]
    if stopped:
        path.append("cancelled")
    run = {
        "id": "3f2a.1",
        "procedure": table.name,
        "hash": table.hash,
        "server": "mbx1",
        "path": path,
        "steps": [{"state": state, "outcome": outcome} for state, outcome in steps],
    }
    return {"runs": [{**run, **changed}]}


@needs_program("node")
def test_a_report_is_stepped_through():
    """Also one within the answer of ``show``; what isn't one, or of this table, is said."""
    given = [
        report_of(MAILBOX, stopped=True),
        {"healing": {"report": report_of(MAILBOX)}},
        report_of(MAILBOX, hash="0" * 16),
        report_of(MAILBOX, procedure="proxy"),
        {"entries": []},
        [],
        None,
    ]
    found = in_node(
        """
        answer = given.reports.map((data) => {
          const { runs, problem } = runsOf(given.table, data);
          return runs.length
            ? placesOf(given.table, runs[0]).map(({ state, outcome }) => [state, outcome])
            : problem;
        });
        """,
        {"table": table_data(MAILBOX), "reports": given},
    )
    stopped, shown, *problems = found
    assert stopped == [
        ["restarting_pop3_backend", "done"],
        ["reprobing", "failed"],
        ["checking_switchover", CANCEL],
        ["cancelled", ""],
    ]
    assert [state for state, _ in shown] == [state for state, _ in stopped[:3]]
    assert "another version of the table" in problems[0]
    assert "no run of mailbox; its runs: proxy" in problems[1]
    assert all("is no report of popheal" in problem for problem in problems[2:])


# --- it needs nothing but itself -----------------------------------------------------------------


class Page(HTMLParser):
    """The elements of a page, and what is in its scripts and styles."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.inside, self._open = [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self._open = tag
        if tag in ("script", "style"):
            self.inside.append((tag, dict(attrs), ""))

    def handle_endtag(self, tag):
        self._open = ""

    def handle_data(self, data):
        if self._open in ("script", "style"):
            tag, attrs, text = self.inside[-1]
            self.inside[-1] = (tag, attrs, text + data)


@pytest.mark.parametrize("name", TABLES)
def test_a_page_is_one_file_that_forbids_all_else(name):
    """Its policy names its scripts and styles by their hashes; nothing is fetched, or inline."""
    text = render(TABLES[name], "html")
    page = Page(text)
    (policy,) = [one["content"] for _, one in page.elements if one.get("http-equiv")]
    assert policy.startswith("default-src 'none'; ")
    for tag, attrs, inside in page.inside:
        if attrs.get("type") != "application/json":
            digest = b64encode(sha256(inside.encode()).digest()).decode()
            part = next(one for one in policy.split("; ") if one.startswith(f"{tag}-src "))
            assert f"'sha256-{digest}'" in part
    for tag, attrs in page.elements:
        assert not {"src", "srcset", "style"} & set(attrs), tag
        assert not [one for one in attrs if one.startswith("on")], tag
    assert set(re.findall(r"\w+://[^\"<\s]+", text)) == {"http://www.w3.org/2000/svg"}


@pytest.mark.parametrize("name", TABLES)
def test_a_page_has_its_table_and_a_card_for_each_state(name):
    """The data that the script reads, with a format; and in the picture who it points at."""
    table = TABLES[name]
    page = Page(render(table, "html"))
    (data,) = [json.loads(text) for _, attrs, text in page.inside if attrs.get("id") == "table"]
    assert data == table_data(table)
    assert data["format"] == FORMAT
    cards = [one["data-state"] for _, one in page.elements if "data-state" in one]
    assert sorted(cards) == sorted([*table.by_name, *table.endings])
    names = [attrs["id"] for _, attrs in page.elements if "id" in attrs]
    assert len(names) == len(set(names))


def test_no_text_of_a_table_gets_out_of_its_place():
    """A sentence of somebody's own table is text, whatever is in it."""
    hostile = "</script><script>alert(1)</script><!-- {{script}} &amp; \u2028"
    first, *others = MAILBOX.states
    table = evolve(
        MAILBOX,
        monitors=(hostile,),
        states=(
            evolve(first, cites=Ours(hostile), action=evolve(first.action, sentence=hostile)),
            *others,
        ),
    )
    text = render(table, "html")
    assert "<script>alert" not in text
    assert text.count("<script") == 2
    page = Page(text)
    (data,) = [json.loads(text) for _, attrs, text in page.inside if attrs.get("id") == "table"]
    assert data["states"][first.name]["says"] == hostile


def test_a_run_is_there_as_the_page_is_opened():
    """In the shape of a report, so that the page has one way to read it."""
    begun = datetime(2026, 1, 5, 8, tzinfo=UTC)
    step = PathStep(
        state="restarting_pop3_backend",
        outcome="refused",
        started_at=begun,
        finished_at=begun + timedelta(seconds=10),
    )
    path = RunPath(run="3f2a.1", server="mbx1", states=(step.state, "escalated"), steps=(step,))
    page = Page(render(MAILBOX, "html", path=path))
    (data,) = [json.loads(text) for _, attrs, text in page.inside if attrs.get("id") == "run"]
    (run,) = data["runs"]
    assert (run["hash"], run["verdict"]) == (MAILBOX.hash, Verdict.ESCALATED.value)
    assert run["path"] == ["restarting_pop3_backend", "escalated"]
    assert run["steps"][0]["finished_at"] == "2026-01-05T08:00:10+00:00"


# --- the runbook's sentences ---------------------------------------------------------------------


def test_every_sentence_that_is_cited_has_its_words():
    """In the page they stand behind their place."""
    for table in PROCEDURES.values():
        cites = [one.cites for one in table.states]
        cites += [row.why for one in table.states for row in one.transitions]
        for cited in cites:
            assert isinstance(cited, Ours) or in_our_words(cited), str(cited)
    assert in_our_words(Section.MAILBOX.step("1", 99)) == ""
    assert in_our_words(Section.MAILBOX.step("77")) == ""
    assert set(SENTENCES) == set(Section)
