"""The healings of some time: counted as they were, as data, as text and as a page."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner

import popheal
from popheal import Alert, Impact, Journal, Policy, Verdict
from popheal.backends.simulated import load_scenario
from popheal.cli.app import popheal as command
from popheal.review import page_of_period, period_of
from popheal.util.clock import VirtualClock
from tests.support.pages import require_whole

#: What was healed, and on which day of January.
HEALED = {
    1: "mailbox-healed-by-restart",
    2: "mailbox-healed-by-reboot",
    3: "fault-survives-the-reboot",
    4: "maintenance",
    5: "stand-alone-server",
    6: "mailbox-healed-by-restart",
}


class Died(BaseException):
    """The process dies."""


def day(number):
    return datetime(2026, 1, number, tzinfo=UTC)


def heal(journal, name, at, **options):
    played = load_scenario(name, VirtualClock(at))
    alert = Alert(server=played.server, monitor=played.monitor)
    return popheal.heal(alert, played.backend, clock=played.clock, journal=journal, **options)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """A journal of some days, with one healing that was broken off at the end."""
    made = tmp_path_factory.mktemp("period") / "journal.db"
    asks = Policy(approval_from=Impact.DISRUPT, reboots_per_server=9, hours_between_reboots=0)
    with Journal(made) as journal:
        for number, name in HEALED.items():
            heal(journal, name, day(number), policy=asks, approver=lambda _: True)

        def dies(_):
            raise Died

        with pytest.raises(Died):
            heal(journal, "mailbox-healed-by-reboot", day(7), policy=asks, approver=dies)
    return made


@pytest.fixture(scope="module")
def period(path):
    with Journal(path, read_only=True) as journal:
        return period_of(journal, day(1), day(31))


def test_each_healing_is_counted_as_its_report_has_it(path, period):
    """Verdicts, durations, what was done, and why others did not end well."""
    with Journal(path, read_only=True) as journal:
        records = journal.healings()
    assert [one.id for one in period.healings] == [one.id for one in records]
    verdicts = Counter(one.verdict for one in records if one.verdict)
    assert {one.value: took.number for one, took in period.by_verdict.items()} == verdicts
    escalated = period.by_verdict[Verdict.ESCALATED]
    assert (escalated.median, escalated.longest) == (945, 1800)
    assert period.why == {"probe: failed": 1, "maintenance": 1, "nowhere_to_go": 1}
    assert period.effects == {"restart_service": 5, "drain": 2, "reboot": 2}
    assert period.approvals == {"granted": 2, "asked": 1}
    (broken,) = period.unfinished
    assert (broken.state, broken.verdict, broken.seconds) == ("interrupted", None, None)
    (left,) = [one for one in period.healings if one.left and one.verdict]
    assert "activation disabled" in left.left[0]


@pytest.mark.parametrize(("since", "until", "number"), [(1, 8, 7), (2, 4, 2), (8, 9, 0), (3, 3, 0)])
def test_a_healing_belongs_to_the_time_in_which_it_began(path, since, until, number):
    """The first moment of a period is in it, the last is not."""
    with Journal(path, read_only=True) as journal:
        assert len(period_of(journal, day(since), day(until)).healings) == number


def test_the_page_says_the_same(period):
    """Of each healing, how it ended and what it left; nothing is loaded."""
    said = require_whole(page_of_period(period)).said
    for one in period.healings:
        assert one.id in said
        assert one.summary in said
        assert all(text in said for text in one.left)
    assert "7 healings: 3 recovered, 2 escalated, 1 held, 1 not ended" in said
    empty = type(period)(since=day(1), until=day(2), healings=())
    assert "no healings" in require_whole(page_of_period(empty)).said


# --- the command ---------------------------------------------------------------------------------


def run(path, *args, **env):
    arguments = ["report", "--journal", str(path), *args]
    return CliRunner().invoke(command, arguments, env={"POPHEAL_CONFIG": None, **env})


def test_the_command_answers_as_text_json_and_a_page(tmp_path, path, period):
    page = tmp_path / "page.html"
    options = ("--since", "2026-01-01", "--until", "2026-01-31T00:00+00:00")
    told = run(path, *options, "--json", "--html", str(page))
    assert told.exit_code == 0
    assert json.loads(told.stdout) == json.loads(json.dumps(period.to_json()))
    assert page.read_text("utf-8") == page_of_period(period)
    text = run(path, *options).stdout
    assert "Total      7 healings: 3 recovered, 2 escalated, 1 held, 1 not ended" in text
    assert "Why        probe: failed (1), maintenance (1), nowhere to go (1)" in text
    assert "interrupted" in text


@pytest.mark.parametrize("columns", ["40", "80", "120"])
def test_it_fits_the_terminal(path, columns):
    """But for the head of each healing, which is to be copied."""
    lines = run(path, "--since", "2026-01-01", COLUMNS=columns).stdout.splitlines()
    assert len(lines) > 15
    assert all(len(line) <= int(columns) for line in lines if not line.startswith("2026-"))


def test_how_long_ago(path):
    """Hours, days and weeks, by the wall clock."""
    ago = (datetime.now(UTC) - day(4)) / timedelta(hours=1)
    for value in (f"{int(ago) + 1}h", f"{int(ago // 24) + 1}d", f"{int(ago // 168) + 1}w"):
        told = json.loads(run(path, "--since", value, "--json").stdout)
        assert 4 <= told["number"] <= 7, value
    assert json.loads(run(path, "--json", "--since", "1h").stdout)["number"] == 0


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--since", "yesterday"), "'yesterday' is no time"),
        (("--since", "999999w"), "is no time"),
        (("--since", "2026-01-02", "--until", "2026-01-01"), "--since is not before --until"),
    ],
)
def test_a_time_that_is_none_is_wrong_usage(path, options, says):
    result = run(path, *options)
    assert (result.exit_code, result.stdout) == (2, "")
    assert says in result.stderr
