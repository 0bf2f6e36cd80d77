"""Every fault on every server: each is tried, and what is told of it is what happened."""

from __future__ import annotations

import json
import tomllib
from datetime import UTC, datetime

import pytest

from popheal import Impact, Policy, Verdict, Window
from popheal.backends.simulated import build_scenario
from popheal.backends.simulated.named_faults import KINDS, TRIED
from popheal.policy.in_words import in_words
from popheal.snapshot import take_snapshot
from popheal.tabletop import rehearse_every_fault
from popheal.tabletop.page import page_of
from popheal.tabletop.words import cures_of, effects_of, heading_of
from tests.support.pages import require_whole

TWO = """
title = "<b>Two</b> members"
[alert]
server = "a"
health_set = "POP"
[organisation]
at = 2026-11-30T12:00:00Z
[servers.a]
[servers.b]
[dags.group]
members = ["a", "b"]
[databases.one]
copies = ["a", "b"]
[databases.two]
copies = ["b", "a"]
[[faults]]
server = "b"
fails = ["deep"]
cure = "never"
"""
ALONE = """
title = "A server alone"
[alert]
server = "a"
health_set = "POP"
[servers.a]
[databases.one]
copies = ["a"]
"""
#: With which a trial takes little time.
LOOK = Policy(highest_impact=Impact.LOOK)


def written(folder, text):
    path = folder / "org.toml"
    path.write_text(text, "utf-8")
    return path


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """The exercise of two members."""
    return rehearse_every_fault(written(tmp_path_factory.mktemp("two"), TWO))


@pytest.fixture(scope="module")
def approved(tmp_path_factory):
    """The same where a person has to approve of a drain, in a window at night."""
    windows = [Window(days=["mon"], start="22:00", end="23:59")]
    policy = Policy(approval_from=Impact.DISRUPT, windows=windows, approval_by_another=True)
    return rehearse_every_fault(written(tmp_path_factory.mktemp("two"), TWO), policy=policy)


def of(table, server, fault, cure):
    (one,) = [o for o in table.of(server) if o.fault == fault and cure in o.cures]
    return one


def test_each_kind_is_tried_on_each_server_with_each_cure(two):
    """Once each; the faults that the file has itself are left out, and that is said."""
    tried = [(one.server, one.fault, cure) for one in two.trials for cure in one.cures]
    ours = [one for one in KINDS.values() if one.name in {name for _, name, _ in tried}]
    assert sorted(tried) == sorted(
        (server, kind.name, cure) for server in "ab" for kind in ours for cure in kind.cures
    )
    assert {"PopCTPMonitor", "PopDeepTestMonitor", "back end hangs"} <= {one.name for one in ours}
    assert "(1)" in heading_of(two)[0]
    assert of(two, "b", "PopProxyTestMonitor", "cured by restart").verdict is Verdict.RECOVERED


def test_what_is_told_is_what_happened(two):
    """Restarts, the drain with its databases, the reboot, how long at most, what is left."""
    one = of(two, "a", "PopDeepTestMonitor", "cured by reboot")
    assert one.verdict is Verdict.RECOVERED
    assert list(effects_of(one)) == [
        "restarts MSExchangePOP3BE", "drains a (one to b)", "reboots a",
    ]  # fmt: skip
    assert [(move.database, move.targets) for move in one.targets] == [("one", ("b",))]
    assert one.at_most > one.lasted > 300
    by_restart = of(two, "a", "PopDeepTestMonitor", "cured by restart")
    assert list(effects_of(by_restart)) == ["restarts MSExchangePOP3BE"]
    assert by_restart.moves == by_restart.drained == by_restart.asked == ()
    never = of(two, "a", "PopDeepTestMonitor", "never cured")
    assert never.verdict is Verdict.ESCALATED
    assert "a.contoso.com is left drained" in " ".join(never.left)
    assert of(two, "a", "certificate expired", "never cured").restarted == ()


def test_without_another_copy_nothing_is_rebooted(tmp_path):
    """The tabletop of a stand-alone server shows where it ends."""
    table = rehearse_every_fault(written(tmp_path, ALONE))
    assert {one.rebooted for one in table.trials} == {()}
    one = of(table, "a", "PopSelfTestMonitor", "cured by reboot")
    assert (one.verdict, one.cures) == (Verdict.ESCALATED, ("cured by reboot", "never cured"))
    assert cures_of(one) == "cured by reboot, or never cured"


def test_the_policy_is_heeded(tmp_path):
    """Where it allows no change, nothing is done, whatever would cure it."""
    table = rehearse_every_fault(written(tmp_path, ALONE), policy=LOOK)
    assert not any(list(effects_of(one)) for one in table.trials)
    assert any(cures_of(one) == "whatever cures it" and one.cures == TRIED for one in table.trials)
    assert "highest_impact = look" in heading_of(table)[1]
    assert heading_of(table)[2] == " ".join(in_words(LOOK)), "as a check tells it"


def test_who_is_asked_is_told_and_an_open_window_is_waited_for(approved):
    """A person before each drain, whoever that must be; it is played when something may be done."""
    assert approved.at == datetime(2026, 11, 30, 22, 0, tzinfo=UTC)
    drained = [one for one in approved.trials if one.drained]
    assert drained
    assert all(one.asked for one in drained)
    assert not any(one.asked for one in approved.trials if not one.drained)
    assert not any("window" in one.summary for one in approved.trials)


def test_it_has_a_form_for_programs(tmp_path):
    """Plain JSON values; the same each time."""
    path = written(tmp_path, ALONE)
    one, other = (rehearse_every_fault(path, policy=LOOK).to_json() for _ in range(2))
    assert json.loads(json.dumps(one)) == other


def test_a_scenario_is_told_about_as_it_goes(tmp_path):
    """Whoever watches sees how far it has come."""
    told = []
    rehearse_every_fault(
        written(tmp_path, ALONE),
        policy=LOOK,
        progress=lambda over, of_all, what: told.append((over, of_all, what)),
    )
    assert [over for over, _, _ in told] == list(range(len(told)))
    assert told[-1][1] == len(told)
    assert "PopCTPMonitor on a" in {what for _, _, what in told}


# --- the page ------------------------------------------------------------------------------------


def test_the_page_is_whole_and_loads_nothing(approved):
    """Everything in it, nothing from elsewhere, and no markup of others."""
    page = require_whole(page_of(approved))
    assert "<b>Two</b> members" in page.said
    assert not page.elements["b"]
    for one in approved.trials:
        assert cures_of(one) in page.said
        assert all(text in page.said for text in (*effects_of(one, moves=False), *one.asked))


def test_a_snapshot_can_be_exercised(tmp_path):
    """What one command writes, the other reads."""
    scenario = build_scenario(tomllib.loads(ALONE))
    text = take_snapshot(scenario.backend, "a").to_toml()
    table = rehearse_every_fault(written(tmp_path, text), policy=LOOK)
    assert table.servers == ("a",)
    assert len(table.trials) == len(
        rehearse_every_fault(written(tmp_path, ALONE), policy=LOOK).trials
    )
