"""What a check says, in each form; and how it is asked from a program."""

from __future__ import annotations

import asyncio
import json
import os
from functools import partial
from importlib import resources

import pytest
from attrs import evolve

from popheal import Healer, Impact, Journal, Policy
from popheal.backends.simulated import SimulatedBackend, load_scenario
from popheal.backends.simulated import history as h
from popheal.engine.drive import drive
from popheal.errors import ConfigurationError
from popheal.exchange.backend import EFFECTS, LOOKS
from popheal.exchange.names import same_server
from popheal.policy.in_words import in_words
from popheal.policy.policy import Consent
from popheal.policy.windows import Window
from popheal.readiness import Judgement, Line, Readiness, ServerReadiness
from popheal.readiness.changes import changes, keep, kept_at, last_kept
from popheal.readiness.items import ITEMS, Section
from popheal.readiness.on_this_machine import journal_lines
from popheal.readiness.subject import Blocked, Subject
from tests.readiness.check_page import PAGE, with_items
from tests.support.json_schema import misfits
from tests.support.pages import require_whole
from tests.support.readiness import answering

GOOD, BAD, UNTOLD = Judgement.GOOD, Judgement.BAD, Judgement.COULD_NOT_TELL


@pytest.fixture(scope="module")
def scenario():
    return load_scenario("nothing-wrong")


@pytest.fixture(scope="module")
def found(scenario):
    return Healer(scenario.backend).check([scenario.server])


def line(key="clock", judgement=BAD, **more):
    return Line(key=key, judgement=judgement, **more)


def made(*lines, here=()):
    return Readiness(
        at=load_scenario("nothing-wrong").observed_at,
        seconds=1.5,
        organisation="contoso",
        here=here,
        servers=(ServerReadiness(server="ex1", lines=lines),),
        policy=("It only looks.",),
    )


# --- the table -----------------------------------------------------------------------------------


def test_the_table_holds_together():
    """What an item needs comes before it; what it uses are looks; each key is there once."""
    before = []
    for item in ITEMS:
        assert set(item.needs) <= set(before), item.key
        assert set(item.uses) <= set(LOOKS), item.key
        assert item.title
        assert item.means
        assert (item.ask is None) == (not item.uses)
        before.append(item.key)
    assert len(set(before)) == len(before)
    assert {item.section for item in ITEMS} == set(Section)


def test_an_item_uses_what_it_says(scenario):
    """So that where a method can do nothing, what needs it is not asked."""
    asked = []

    class Noting(SimulatedBackend):
        def __getattribute__(self, name):
            found = super().__getattribute__(name)
            return partial(note, name, found) if name in LOOKS else found

    def note(name, look, server, *more):
        if same_server(server, scenario.server):
            asked.append(name)
        return look(server, *more)

    for item in ITEMS:
        if item.ask is None:
            continue
        context = Healer(scenario.backend)._context(scenario.server)
        info = scenario.backend.server_info(scenario.server)
        subject = Subject(context=context, server=scenario.server, blocked=Blocked(), info=info)
        asked.clear()
        drive(partial(item.ask, subject), Noting(scenario.organisation), context)
        assert set(asked) <= set(item.uses), item.key


def test_a_server_of_two_names_is_looked_at_once(scenario):
    found = Healer(scenario.backend).check(["mbx1", "MBX1.contoso.com"])
    assert [one.server for one in found.servers] == ["mbx1"]


def test_it_changes_nothing(scenario):
    before = len(scenario.organisation.history.of(h.Called))
    Healer(scenario.backend).check([scenario.server])
    called = {one.method for one in scenario.organisation.history.of(h.Called)[before:]}
    assert called
    assert not called & {*EFFECTS, "invoke_probe"}


# --- in each form --------------------------------------------------------------------------------


def test_the_json_fits_its_schema(found):
    schema = json.loads(
        (resources.files("popheal.readiness") / "check.schema.json").read_text("utf-8")
    )
    data = json.loads(json.dumps(found.to_json()))
    assert [*misfits(data, schema)] == []
    assert [*misfits({**data, "more": 1}, schema)] == ["$.more"]
    assert Readiness.from_json(data) == found
    with pytest.raises(ConfigurationError):
        Readiness.from_json({})


def test_the_page_holds_everything_and_loads_nothing(found):
    page = require_whole(found.to_html())
    for _, one in found.all_lines():
        assert one.value in page.said
    assert found.servers[0].server in page.said


def test_what_others_have_written_does_nothing_in_a_page():
    evil = '<script>alert("x")</script>\x1b[31m'
    text = made(line(value=evil, cause=evil, next_step=evil, about=evil)).to_html()
    assert '<script>alert("x")</script>' in require_whole(text).said


@pytest.mark.parametrize(
    ("judgements", "status"),
    [((), 0), ((GOOD,), 0), ((GOOD, UNTOLD), 4), ((UNTOLD, BAD, GOOD), 1)],
)
def test_the_exit_status(judgements, status):
    assert made(*(line(judgement=one) for one in judgements)).exit_status == status


# --- from a program ------------------------------------------------------------------------------


def test_the_asynchronous_twin_says_the_same(scenario, found):
    async def check(backend):
        return await Healer(backend).acheck([scenario.server])

    class Async:
        organisation = scenario.backend.organisation
        clock = scenario.clock

    def twin(name):
        async def method(self, *args):
            return getattr(scenario.backend, name)(*args)

        return method

    for name in LOOKS:
        setattr(Async, name, twin(name))
    for backend in (scenario.backend, Async()):
        again = asyncio.run(check(backend))
        assert again.servers == found.servers


def test_a_backend_that_raises_what_it_must_not_is_told_as_such(scenario):
    def fails(_):
        raise RuntimeError("oops")

    backend = answering(scenario.organisation, pop_settings=fails)
    seen = Healer(backend).check([scenario.server])
    (one,) = [line for line in seen.servers[0].lines if line.key == "settings"]
    assert one.judgement is UNTOLD
    assert "RuntimeError: oops" in one.cause


# --- this machine --------------------------------------------------------------------------------


def names(lines):
    return [(one.name, one.judgement) for one in lines]


def test_a_journal_that_can_be_used(tmp_path):
    path = tmp_path / "journal.db"
    assert names(journal_lines(path, Policy())) == [("journal", GOOD)]
    assert not path.exists()
    with Journal(path):
        pass
    size = path.stat().st_size
    lines = journal_lines(path, Policy())
    assert names(lines) == [("journal", GOOD), ("at_work", GOOD)]
    assert lines[1].value == "nobody"
    assert path.stat().st_size == size


@pytest.mark.skipif(os.name != "posix", reason="needs modes of files")
def test_a_journal_in_a_place_that_others_can_write(tmp_path):
    path = tmp_path / "folder" / "journal.db"
    path.parent.mkdir(mode=0o777)
    path.parent.chmod(0o777)
    (line,) = journal_lines(path, Policy())
    assert line.judgement is BAD
    assert "others can put files beside" in line.cause


def test_a_journal_that_can_not(tmp_path):
    (tmp_path / "text").write_text("no journal at all, but longer than the header of one" * 20)
    for path, says in (
        (tmp_path, "a folder"),
        (tmp_path / "none" / "journal.db", "no folder"),
        (tmp_path / "text", "not a database"),
        (None, "can't be resumed"),
    ):
        (one,) = journal_lines(path, Policy())
        assert one.judgement is BAD
        assert says in f"{one.value} {one.cause}", path
        assert one.next_step
    (one,) = journal_lines(None, Policy(highest_impact=Impact.LOOK))
    assert one.judgement is GOOD


def test_healings_that_are_at_work_or_were_broken_off(tmp_path, scenario):
    path = tmp_path / "journal.db"
    begin = {
        "at": scenario.observed_at, "organisation": "x", "server": "ex1", "version": "0",
        "alert": {}, "policy": {},
    }  # fmt: skip
    with Journal(path) as journal:
        journal.begin("aaaa", **begin)
        (_, at_work) = journal_lines(path, Policy())
        assert "healing aaaa on ex1, process" in at_work.value
    (_, broken_off, nobody) = journal_lines(path, Policy())
    assert (broken_off.name, broken_off.judgement) == ("at_work healing aaaa", BAD)
    assert "popheal resume aaaa" in broken_off.next_step
    assert nobody.value == "nobody"


# --- what has changed ----------------------------------------------------------------------------


def test_changes_are_told_once(tmp_path):
    journal = tmp_path / "journal.db"
    assert last_kept(journal) is None
    first = made(line("clock"), line("zone", GOOD), line("drain", UNTOLD, because="clock"))
    assert [(one.line.key, one.was) for one in changes(None, first)] == [("clock", None)]
    keep(journal, first)
    assert last_kept(journal) == first
    assert kept_at(journal).stat().st_mode & 0o077 == 0
    assert changes(last_kept(journal), first) == []
    second = made(line("clock", GOOD), line("zone"), line("drain", BAD), line("host", GOOD))
    told = [(one.server, one.line.key, one.was) for one in changes(first, second)]
    assert told == [("ex1", "clock", BAD), ("ex1", "zone", GOOD), ("ex1", "drain", None)]
    kept_at(journal).write_text("{}")
    assert last_kept(journal) is None


# --- the policy ----------------------------------------------------------------------------------

SAYS = [
    (Policy(), ["at most 6 times within an hour", "at most once within 24 hours", "4 hours"]),
    (Policy(highest_impact=Impact.LOOK), ["popheal only looks"]),
    (Policy(highest_impact=Impact.CHANGE), ["It drains no server", "It asks nobody."]),
    (Policy(approval_from=Impact.CHANGE), ["asks a person before it changes anything."]),
    (
        Policy(approval_from=Impact.DISRUPT, approval_by_another=True),
        ["asks a person before it drains or restarts a server, who must not be"],
    ),
    (Policy(approval_undecided=True), ["Nobody has decided yet", "it holds."]),
    (Policy(pop_proxy=Consent.NEVER), ["never makes PopProxy active"]),
    (Policy(pop_proxy=Consent.ALLOW), ["asks nobody before it makes PopProxy"]),
    (
        Policy(reboots_per_server=0, restarts_per_hour=2),
        ["restarts none (reboots_per_server)", "at most twice"],
    ),
    (Policy(healthy_members=1), ["while 1 other member"]),
    (
        Policy(windows=[Window(days=("sat",), start="22:00", end="04:00")]),
        ["changes anything only in a window: sat 22:00 to 04:00 UTC"],
    ),
]


@pytest.mark.parametrize(("policy", "says"), SAYS)
def test_the_policy_in_words(policy, says):
    sentences = in_words(policy)
    for one in says:
        assert one in " ".join(sentences)
    assert all(
        one.startswith(("popheal ", "It ", "Where ", "Nobody ")) and one.endswith(".")
        for one in sentences
    )
    assert evolve(policy) == policy


# --- the documentation ---------------------------------------------------------------------------


def test_the_page_says_what_the_table_says():
    page = PAGE.read_text("utf-8")
    assert with_items(page) == page, "write it again: python -m tests.readiness.check_page"
    assert f"| {ITEMS[0].title} | `{ITEMS[0].key}` |" in page
