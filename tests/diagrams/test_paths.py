"""A run on its picture: the way taken, where it is, what may follow, what it owes."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from datetime import UTC, datetime, timedelta

import pytest

from popheal import Alert, heal
from popheal.backends.simulated import load_scenario
from popheal.diagrams import PathStep, RunPath, render
from popheal.errors import UnknownName
from popheal.healthsets.pop import CLIENT_ACCESS, MAILBOX, PROCEDURES
from popheal.reports.run_paths import path_of
from popheal.tables.debts import DebtKind
from tests.evidence import run_picture
from tests.support.svg import SVG, card_box, check_layout, nodes, texts

BEGUN = datetime(2026, 1, 5, 8, tzinfo=UTC)


def steps_of(*done):
    """Steps one after the other, from state, outcome and seconds."""
    at, steps = BEGUN, []
    for state, outcome, seconds in done:
        until = at + timedelta(seconds=seconds)
        steps.append(PathStep(state=state, outcome=outcome, started_at=at, finished_at=until))
        at = until
    return tuple(steps)


def drawn(table, path):
    return check_layout(render(table, "svg", path=path))


def statuses(root):
    """What a run has to do with each state: the class of its card."""
    return {
        name: next(
            (
                one
                for one in ("taken", "now", "ahead", "dim", "ended", "good")
                if one in group.get("class").split()
            ),
            "",
        )
        for name, group in nodes(root).items()
    }


def words(root):
    return [box.words for box in texts(root)]


def lines(root, look):
    """The lines of a look, as paths."""
    return [
        one.get("d")
        for one in root.iter(f"{SVG}path")
        if {"way", look} <= set(one.get("class", "").split())
    ]


REBOOTED = (
    ("restarting_pop3_backend", "done", 10),
    ("reprobing", "failed", 40),
    ("checking_switchover", "feasible", 0),
    ("draining", "done", 0),
    ("verifying_no_active_copies", "clear", 15),
    ("rebooting", "done", 0),
)


def test_where_a_run_is_now():
    """What it went through, where it waits and since when, what may follow, what it owes."""
    steps = steps_of(*REBOOTED)
    path = RunPath(
        run="3f2a.1",
        server="mbx1.contoso.com",
        monitor="PopDeepTestMonitor",
        states=(*(one.state for one in steps), "awaiting_server"),
        steps=steps,
        owed=frozenset([DebtKind.ACTIVATION_DISABLED]),
        as_of=BEGUN + timedelta(minutes=5),
    )
    root = drawn(MAILBOX, path)
    shown = statuses(root)
    assert [name for name, one in shown.items() if one == "taken"] == [one.state for one in steps]
    assert shown["awaiting_server"] == "now"
    ahead = {"reprobing_after_reboot", "failing_back", "recovered", "escalated", "cancelled"}
    assert ahead < {name for name, one in shown.items() if one == "ahead"}
    assert "dim" not in shown.values()
    said = words(root)
    assert "mailbox on mbx1.contoso.com" in said
    assert "running for 5 min" in said
    assert "now, for 3 min 55 s" in said
    assert "failedafter 40 s" in said
    assert "feasibleat once" in said
    assert "08:00:50" in said
    assert any("as of 08:05:00" in one for one in said)
    rails = [one.get("class") for one in root.iter(f"{SVG}path") if "rail" in one.get("class", "")]
    assert sorted(rails) == ["rail", "rail ahead"]
    assert "The path: restarting_pop3_backend: done after 10 s;" in root.findtext(f"{SVG}desc")


def test_a_run_that_gave_up():
    """A way to giving up is drawn where it was taken; what is owed stands at its end."""
    steps = steps_of(*REBOOTED, ("awaiting_server", "not_back", 2700))
    path = RunPath(
        run="3f2a.1",
        server="mbx1",
        states=(*(one.state for one in steps), "escalated"),
        steps=steps,
        owed=frozenset([DebtKind.ACTIVATION_DISABLED]),
    )
    root = drawn(MAILBOX, path)
    shown, said = statuses(root), words(root)
    assert shown["escalated"] == "ended"
    assert {shown[name] for name in ("recovered", "cancelled", "failing_back")} == {"dim"}
    assert "escalated after 46 min 5 s" in said
    assert "escalateda person is needed; owed: activation disabled" in said
    assert {"gave up on", "not back", "after 45 min", "awaiting_server 45 min"} <= set(said)
    pill = card_box(nodes(root)["escalated"])
    (rail,) = [one.get("d") for one in root.iter(f"{SVG}path") if one.get("class") == "rail"]
    assert f"V{(pill.top + pill.bottom) / 2:g}" in rail
    assert not lines(root, "ahead")
    hops, start, legend = len(path.states) - 1, 1, 1
    assert len(lines(root, "taken")) == hops + start + legend


def test_a_run_that_was_stopped():
    """A stop leads on from wherever it came, and is no outcome of what was done there."""
    steps = steps_of(*REBOOTED[:2])
    path = RunPath(
        run="3f2a.1",
        server="mbx1",
        states=(*(one.state for one in steps), "checking_switchover", "cancelled"),
        steps=steps,
    )
    shown = statuses(drawn(MAILBOX, path))
    assert shown["cancelled"] == "ended"
    assert shown["checking_switchover"] == "taken"


def test_a_run_that_has_just_begun():
    """Nothing has been carried out."""
    path = RunPath(run="1", server="mbx1", states=("restarting_pop3_backend",), as_of=BEGUN)
    root = drawn(MAILBOX, path)
    assert statuses(root)["restarting_pop3_backend"] == "now"
    assert {"now", "running for 0 s"} <= set(words(root))


SCENARIOS = [
    "server-never-comes-back",
    "mailbox-healed-by-reboot",
    "nothing-to-test-on-a-drained-server",
    "client-access-healed-by-reboot",
    "client-access-not-healed-on-a-database-server",
    "client-access-back-end-rebooted",
    "proxy-not-healed-on-a-database-server",
    "command-time-healed-by-reboot",
    "probe-always-times-out",
]


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_run_of_a_report_is_drawn(name):
    """As far as it went, with its times; whatever it owed is at the ending."""
    scenario = load_scenario(name)
    report = heal(Alert(server=scenario.server, monitor=scenario.monitor), scenario.backend)
    assert report.runs
    for run in report.runs:
        table = PROCEDURES[run.procedure]
        path = path_of(run, report, table)
        root = drawn(table, path)
        shown = statuses(root)
        *been, end = run.path
        assert {shown[one] for one in been} == {"taken"}
        assert shown[end] == ("good" if run.verdict.good else "ended")
        assert set(shown) - {name for name, one in shown.items() if one == "dim"} == set(run.path)
        assert {f"{one.started_at:%H:%M:%S}" for one in run.steps} <= set(words(root))
        for debt in path.owed:
            assert f"owed: {debt.value.replace('_', ' ')}" in " ".join(words(root))
        assert "running" not in " ".join(words(root))
        check_layout(render(table, "svg", path=path, narrow=True))
        for part in range(1, len(table.parts) + 1):
            there = check_layout(render(table, "svg", path=path, part=part))
            here = {name: one for name, one in statuses(there).items() if name in shown}
            assert here == {name: shown[name] for name in here}
            assert any(run.server in one for one in words(there))


def test_the_picture_of_a_run_in_the_documentation_is_up_to_date():
    """``python -m tests.evidence.run_picture`` would change nothing."""
    assert run_picture.PICTURE.read_text("utf-8") == run_picture.picture()


def test_owed_of_another_run_is_not_owed():
    """A report has the debts of all its runs together; a run owes what its way may have left."""
    scenario = load_scenario("server-never-comes-back")
    report = heal(Alert(server=scenario.server, monitor=scenario.monitor), scenario.backend)
    (run,) = report.runs
    assert path_of(run, report, MAILBOX).owed == {DebtKind.ACTIVATION_DISABLED}
    assert path_of(run, report, CLIENT_ACCESS).owed == {DebtKind.ACTIVATION_DISABLED}
    assert path_of(run, report, PROCEDURES["pop_proxy"]).owed == frozenset()


@pytest.mark.parametrize("form", ["svg", "html"])
def test_a_run_by_another_table_is_not_drawn(form):
    """It is said which state isn't there."""
    path = RunPath(run="1", server="x", states=("restarting_pop3",), as_of=BEGUN)
    with pytest.raises(UnknownName, match="no state of 'mailbox' 'restarting_pop3'"):
        render(MAILBOX, form, path=path)


def test_moves_of_a_path():
    """Each has the step that was carried out before it, if one was."""
    steps = steps_of(*REBOOTED[:1])
    path = RunPath(
        run="1",
        server="x",
        states=("restarting_pop3_backend", "reprobing", "cancelled"),
        steps=steps,
    )
    assert [(hop.source, hop.target, hop.step) for hop in path.hops] == [
        ("restarting_pop3_backend", "reprobing", steps[0]),
        ("reprobing", "cancelled", None),
    ]
    assert ET.fromstring(render(MAILBOX, "svg", path=path)) is not None
