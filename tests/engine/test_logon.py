"""A logon that ends: whether it lasts is asked once, and one that is refused is told at once."""

from __future__ import annotations

from datetime import timedelta

import pytest

from popheal import Alert, Verdict, heal
from popheal.backends.simulated import load_scenario
from popheal.errors import NotAuthorised
from popheal.journal import Journal
from popheal.reports.events import WaitHindered
from popheal.reports.report import FindingKind

NAME = "mailbox-healed-by-reboot"


class LoggedOn:
    """Passes everything on, and says how long its logon lasts.

    Args:
        lasts: What it says.
        refused: Which looks for the server's boot are refused, counted from 1 after its reboot.
    """

    def __init__(self, backend, lasts, refused=()):
        self._backend = backend
        self.lasts = lasts
        self.asked = 0
        self.tries = None
        self._refused = refused
        self.seen_at = []

    def __getattr__(self, name):
        return getattr(self._backend, name)

    def logon_lasts(self, server):
        self.asked += 1
        if isinstance(self.lasts, Exception):
            raise self.lasts
        return self.lasts

    def reboot(self, server, booted_at):
        self._backend.reboot(server, booted_at)
        self.tries = 0

    def host_status(self, server):
        if self.tries is not None:
            self.tries += 1
            self.seen_at.append(self._backend.clock.now())
            if self.tries in self._refused:
                raise denied(server)
        return self._backend.host_status(server)


def denied(server="mbx1.contoso.com"):
    cause, step = "the password was not accepted", "Check it."
    return NotAuthorised(server=server, command="log on", cause=cause, next_step=step)


def healed(lasts, refused=(), **options):
    scenario = load_scenario(NAME)
    backend = LoggedOn(scenario.backend, lasts, refused)
    told = []
    with Journal() as journal:
        report = heal(
            Alert(server="MBX1"),
            backend,
            clock=scenario.clock,
            journal=journal,
            observers=[told.append],
            **options,
        )
    return report, backend, [one for one in told if isinstance(one, WaitHindered)]


@pytest.mark.parametrize("hours", [None, 12])
def test_one_that_lasts_is_asked_about_once(hours):
    report, backend, _ = healed(hours and timedelta(hours=hours))
    assert report.verdict is Verdict.RECOVERED
    assert backend.asked == 1


@pytest.mark.parametrize("lasts", [timedelta(hours=1), timedelta(0), denied()])
def test_one_that_does_not_last_begins_nothing(lasts):
    report, _, _ = healed(lasts)
    assert report.verdict is Verdict.HELD
    assert not report.runs
    assert [one for one in report.findings if one.kind is FindingKind.NOT_AUTHORISED]


def test_a_refusal_in_a_wait_is_told_once_and_the_wait_goes_on():
    report, backend, told = healed(None, refused={1, 2, 3})
    assert report.verdict is Verdict.RECOVERED
    assert len(told) == 1
    assert "not accepted" in told[0].error
    # A password that was refused is tried rarely, lest the account be locked.
    first, second = backend.seen_at[:2]
    assert second - first >= timedelta(minutes=5)


def test_a_second_refusal_is_told_again():
    _, _, told = healed(None, refused={1, 3})
    assert len(told) == 2


def test_where_it_stays_refused_nobody_says_that_the_server_is_down():
    report, _, _ = healed(None, refused=range(1, 1000))
    step = next(one for one in report.runs[0].steps if one.state == "awaiting_server")
    assert (step.outcome, step.kind) == ("could_not_tell", FindingKind.NOT_AUTHORISED)
    assert report.verdict is Verdict.ESCALATED
