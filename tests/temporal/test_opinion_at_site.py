"""The second opinion on a fleet: got at the site, told as elsewhere, and holding up nothing."""

from __future__ import annotations

import base64
import socket

import pytest

pytest.importorskip("temporalio", reason="needs the extra 'temporal'")

from popheal import Journal, heal
from popheal.backends.simulated import load_scenario
from popheal.journal import Author
from popheal.second_opinion import SecondOpinion
from popheal.temporal.activities import SiteActivities
from tests.support.fleet import healed
from tests.support.healing import Watched, alert_of
from tests.temporal.test_notified import names_of

pytestmark = pytest.mark.slow

SCENARIO = "mailbox-healed-by-restart"
PASSWORD = "Tr0ub4dor&3-pop"


@pytest.fixture
def settings():
    """Of a host that refuses connections."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
        yield SecondOpinion(
            host="127.0.0.1", port=port, tls="plain", username="ann@contoso.com", password=PASSWORD
        )


def opinions(findings):
    return [one["detail"] for one in findings if one["kind"] == "second_opinion"]


def test_it_is_told_as_elsewhere_and_its_password_stays_at_the_site(fleet, settings):
    result, handle, _ = fleet.run(
        healed(fleet, SCENARIO, at_site={"second_opinion": settings}, second_opinion=True)
    )
    scenario = load_scenario(SCENARIO)
    report = heal(
        alert_of(scenario),
        Watched(scenario.organisation),
        journal=Journal(author=Author(process="a test", account="ann on mail1")),
        second_opinion=settings,
    )
    told = opinions(result.report["findings"])
    assert len(told) == 2
    assert told == opinions(report.to_json()["findings"])
    assert f"a POP3 logon of ann@contoso.com at {settings.where} could not tell" in told[0]
    written = fleet.run(handle.fetch_history()).to_json()
    assert PASSWORD not in written
    assert base64.b64encode(PASSWORD.encode())[:-4].decode() not in written


@pytest.mark.parametrize("lacking", ["settings", "activity"])
def test_a_site_that_has_none_holds_nothing_up(fleet, monkeypatch, lacking):
    """It was not told how, or its worker is of an older build."""
    if lacking == "activity":
        known = SiteActivities.all.fget
        without = property(lambda self: [one for one in known(self) if one.__name__ != "consult"])
        monkeypatch.setattr(SiteActivities, "all", without)
    result, handle, _ = fleet.run(healed(fleet, SCENARIO, second_opinion=True))
    assert result.report["verdict"] == "recovered"
    assert not opinions(result.report["findings"])
    assert names_of(fleet.run(handle.fetch_history())).count("consult") == 2
