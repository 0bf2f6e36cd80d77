"""Notifications: what is sent, what happens if that fails, and what never shows."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import apprise
import attrs
import pytest
import requests

from popheal import Report, Verdict, heal
from popheal.backends.psrp import Secret
from popheal.backends.simulated import load_scenario
from popheal.errors import ConfigurationError
from popheal.notify import NotDelivered, Notifier, _Delivery, _shows_only_text, title
from popheal.reports.event_log import log_event
from popheal.reports.events import HandedOver, HealingEnded
from popheal.reports.handover import HANDED_OVER
from tests.support.healing import alert_of
from tests.support.paths import ROOT

EXAMPLE = ROOT / "docs" / "examples" / "notify.py"
PASSWORD, TOKEN = "swordfish", "T0ken/in/the/path"
SECRETS = (PASSWORD, TOKEN, "T0ken", "127.0.0.1", "json://")


class Post(BaseHTTPRequestHandler):
    """Takes what is posted."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append(json.loads(body))
        if not self.path.endswith("at-once"):
            self.server.may_answer.wait(30)
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def office(monkeypatch):
    """A server on loopback, with what it got; its answer can be changed, and be put off."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Post)
    server.got, server.status, server.may_answer = [], 200, threading.Event()
    server.may_answer.set()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield server
    server.may_answer.set()
    server.shutdown()
    server.server_close()
    thread.join()


def url_of(office, tail: str = "") -> str:
    """The server's URL, with secrets wherever one may have them."""
    return f"json://popheal:{PASSWORD}@127.0.0.1:{office.server_port}/{TOKEN}{tail}"


def assert_discreet(*texts: str) -> None:
    """No part of a URL is there."""
    for text in texts:
        for secret in SECRETS:
            assert secret not in text


def report_of(name: str = "fault-survives-the-reboot", *observers) -> Report:
    """What comes of a scenario."""
    scenario = load_scenario(name)
    return heal(alert_of(scenario), scenario.backend, observers=observers)


def handed_over(report: Report) -> HandedOver:
    """The event that tells of it."""
    return HandedOver(at=datetime(2026, 1, 5, tzinfo=UTC), server=report.server, report=report)


# --- sending -------------------------------------------------------------------------------------


def test_a_handover_is_sent_as_its_page(office):
    """To every URL, given as text or as a secret."""
    notifier = Notifier([url_of(office), Secret(url_of(office))])
    report = report_of()
    notifier(handed_over(report))
    assert len(office.got) == 2
    for got in office.got:
        assert got["title"] == "popheal: escalated: mbx1.contoso.com"
        assert got["message"].strip() == report.to_markdown().strip()
        assert got["type"] == "failure"


def test_a_healing_that_is_handed_over_sends_one(office):
    """As an observer, and once."""
    report = report_of("fault-survives-the-reboot", Notifier([url_of(office)]))
    assert report.verdict is Verdict.ESCALATED
    (got,) = office.got
    assert report.handover.commands[0] in got["message"]
    report_of("mailbox-healed-by-restart", Notifier([url_of(office)]))
    assert len(office.got) == 1


def test_only_the_verdicts_asked_for_are_sent(office):
    """And no other event than the one."""
    report = report_of("maintenance")
    assert report.verdict is Verdict.HELD
    event = handed_over(report)
    Notifier([url_of(office)], verdicts=HANDED_OVER - {Verdict.HELD})(event)
    notifier = Notifier([url_of(office)], verdicts=[Verdict.HELD])
    ended = {"verdict": report.verdict, "summary": "", "seconds": 0.0}
    notifier(HealingEnded(at=event.at, server=event.server, **ended))
    assert office.got == []
    notifier(event)
    assert [got["type"] for got in office.got] == ["warning"]


def test_any_report_can_be_sent_by_hand(office):
    """Also one that nobody has to act on."""
    Notifier([url_of(office)]).send(report_of("mailbox-healed-by-restart"))
    assert [got["type"] for got in office.got] == ["success"]


def test_the_title_is_one_plain_line():
    """Whatever the server is called."""
    report = attrs.evolve(report_of("maintenance"), server="a\nb*[x](y)" + "z" * 200)
    assert title(report) == "popheal: held: a?b??x??y?" + "z" * 90


# --- when that fails -----------------------------------------------------------------------------


def test_a_failure_changes_nothing_and_is_logged_without_the_url(office, caplog):
    """The healing ends as it would have."""
    office.status = 500
    caplog.set_level(logging.INFO)
    report = report_of("fault-survives-the-reboot", Notifier([url_of(office)]))
    assert report.verdict is Verdict.ESCALATED
    (failure,) = [one for one in caplog.records if one.message == "observer_failed"]
    assert failure.error == "NotDelivered('URL 1 of 1: the message was not taken')"
    assert_discreet(caplog.text, failure.error)


@pytest.mark.slow
def test_who_does_not_answer_is_not_waited_for(office):
    """And keeps nobody else waiting."""
    office.may_answer.clear()
    urls = [url_of(office), url_of(office, "/at-once"), url_of(office)]
    began = time.monotonic()
    with pytest.raises(NotDelivered) as raised:
        Notifier(urls, timeout=2).send(report_of("maintenance"))
    assert time.monotonic() - began < 4
    late = "no answer within 2 s, it may still arrive"
    assert raised.value.problems == (f"URL 1 of 3: {late}", f"URL 3 of 3: {late}")
    assert str(raised.value) == (
        f"Not delivered: URL 1 of 3: {late}; URL 3 of 3: {late}. "
        "Everything that was to be sent is in the report."
    )
    hanging = [one for one in threading.enumerate() if isinstance(one, _Delivery)]
    assert all(one.daemon for one in hanging)
    office.may_answer.set()
    for one in hanging:
        one.join(10)


def test_waiting_can_be_broken_off(office, monkeypatch):
    """A first Ctrl-C ends the wait, not the program: the report is still to be returned."""

    def interrupted(delivery, timeout):
        raise KeyboardInterrupt

    office.may_answer.clear()
    monkeypatch.setattr(_Delivery, "join", interrupted)
    report = report_of("fault-survives-the-reboot", Notifier([url_of(office)]))
    assert report.handover
    with pytest.raises(NotDelivered, match="a person broke off the waiting"):
        Notifier([url_of(office)]).send(report)
    monkeypatch.undo()
    office.may_answer.set()
    for one in threading.enumerate():
        if isinstance(one, _Delivery):
            one.join(10)


@pytest.mark.parametrize("kind", [ValueError, SystemExit])
def test_what_apprise_raises_is_named_but_not_repeated(office, monkeypatch, capfd, kind):
    """Its text may hold the URL."""

    def failing(self, **message):
        raise kind(url_of(office))

    notifier = Notifier([url_of(office)])
    monkeypatch.setattr(apprise.Apprise, "notify", failing)
    with pytest.raises(NotDelivered) as raised:
        notifier.send(report_of("maintenance"))
    assert raised.value.problems == (f"URL 1 of 1: {kind.__name__} was raised",)
    assert raised.value.__context__ is raised.value.__cause__ is None
    assert_discreet(str(raised.value), repr(raised.value), *capfd.readouterr())


def test_a_url_that_is_no_longer_understood(office, monkeypatch):
    """A plugin may have been taken away since."""
    notifier = Notifier([url_of(office)])
    monkeypatch.setattr(apprise.Apprise, "instantiate", lambda *_, **__: None)
    with pytest.raises(NotDelivered, match="does not understand it any more"):
        notifier.send(report_of("maintenance"))


# --- what never shows ----------------------------------------------------------------------------


def test_nothing_of_a_url_is_logged_at_any_level(office, caplog):
    """Neither by us, nor by apprise and what it stands on; what others log is let through."""
    caplog.set_level(1)
    logging.getLogger("apprise").setLevel(1)
    try:
        notifier = Notifier([url_of(office)])
        notifier.send(report_of("maintenance"))
        office.status = 404
        with pytest.raises(NotDelivered):
            notifier.send(report_of("maintenance"))
        assert len(office.got) == 2
        assert_discreet(caplog.text)
        assert not [one for one in caplog.records if one.name.startswith(("apprise", "urllib3"))]
        requests.post(f"http://127.0.0.1:{office.server_port}/x", json={}, timeout=5)
        logging.getLogger("apprise").warning("of somebody else")
    finally:
        logging.getLogger("apprise").setLevel(logging.NOTSET)
    assert "POST /x" in caplog.text
    assert "of somebody else" in caplog.text


def test_a_notifier_shows_no_url(office):
    """Neither as text nor as data."""
    notifier = Notifier([url_of(office)])
    assert_discreet(repr(notifier), str(notifier), str(attrs.asdict(notifier)))
    assert "urls=(Secret(***),)" in repr(notifier)


def test_a_report_is_not_logged_whole(caplog):
    """Of the event only the verdict and the summary."""
    caplog.set_level(logging.INFO)
    report = report_of("maintenance")
    caplog.clear()
    log_event(handed_over(report))
    (record,) = caplog.records
    assert (record.message, record.verdict, record.summary) == (
        "handed_over",
        "held",
        report.summary,
    )
    assert not hasattr(record, "report")


# --- what it can't be made of --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("urls", "options", "problem"),
    [
        (f"json://{PASSWORD}@h", {}, "one URL, where a list is wanted"),
        (Secret(f"json://{PASSWORD}@h"), {}, "one URL, where a list is wanted"),
        ([], {}, "no URL to send to"),
        (["json://h"], {"verdicts": Verdict}, "handed over as nothing_wrong, recovered, trans"),
        (["json://h"], {"timeout": 0}, "timeout must be more than 0 seconds"),
        (["json://h"], {"timeout": float("nan")}, "timeout must be more than 0 seconds"),
        (["json://h", f"jsom://u:{PASSWORD}@h/{TOKEN}"], {}, "does not understand URL 2 of 2"),
        ([f"json://u:{PASSWORD}@/{TOKEN}"], {}, "does not understand URL 1 of 1"),
        ([f"{PASSWORD}"], {}, "does not understand URL 1 of 1"),
        ([""], {}, "does not understand URL 1 of 1"),
    ],
)
def test_mistakes_are_told_at_once(urls, options, problem, caplog):
    """And without repeating a URL."""
    caplog.set_level(1)
    with pytest.raises(ConfigurationError, match=problem) as raised:
        Notifier(urls, **options)
    assert_discreet(str(raised.value), repr(raised.value), caplog.text)


def test_a_url_that_breaks_apprise_is_not_understood(monkeypatch):
    """Whatever is raised, it is not repeated."""

    def failing(url):
        raise ValueError(url)

    monkeypatch.setattr(apprise.Apprise, "instantiate", failing)
    with pytest.raises(ConfigurationError, match="does not understand") as raised:
        Notifier([f"json://{PASSWORD}@h"])
    assert_discreet(str(raised.value))
    assert raised.value.__context__ is None


def test_without_apprise_the_extra_is_named(monkeypatch):
    """When the notifier is made, not when it is needed."""
    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(ConfigurationError, match=r"Install the extra 'notify': pip install"):
        Notifier(["json://h"])


# --- the example ---------------------------------------------------------------------------------


def run_example(**environment: str) -> subprocess.CompletedProcess[str]:
    """Run it as its readers do."""
    return subprocess.run(
        [sys.executable, EXAMPLE],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "NO_PROXY": "127.0.0.1", **environment},
    )


def test_the_example_is_short_and_sends_nothing_by_itself():
    """Under 40 lines; it shows the page."""
    assert len(EXAMPLE.read_text("utf-8").splitlines()) < 40
    done = run_example(NOTIFY_URL="")
    assert done.stdout.startswith("# POP on mbx1.contoso.com: escalated, a person is needed\n")
    assert done.stderr == ""


@pytest.mark.slow
def test_the_example_sends_what_it_shows(office):
    """With the commands, and the secrets are nowhere else."""
    done = run_example(NOTIFY_URL=url_of(office))
    (got,) = office.got
    assert "-DatabaseCopyActivationDisabledAndMoveNow $false" in got["message"]
    assert got["message"].strip() == done.stdout.strip()
    assert done.stderr == ""
    assert_discreet(done.stdout, got["message"])


@pytest.mark.slow
def test_the_example_says_if_it_could_not_send(office):
    """In the log; the page is shown all the same."""
    office.status = 503
    done = run_example(NOTIFY_URL=url_of(office))
    assert "## What to do next" in done.stdout
    assert "observer_failed: NotDelivered('URL 1 of 1: the message was not taken')" in done.stderr
    assert_discreet(done.stdout, done.stderr)


# --- plain text ----------------------------------------------------------------------------------

ODD = "POP.Protocol\\PopDeepTestProbe <b>a*b_c</b> & [d](e) `f` ~g~ $h | 1. i # j"


def with_odd_words():
    report = report_of()
    findings = tuple(attrs.evolve(one, detail=ODD) for one in report.findings)
    return attrs.evolve(report, findings=findings, summary=f"1. {ODD}")


def test_plain_text_has_no_marks_of_markdown():
    """It says what the page says, and words from far away stand in it as they are."""
    text = with_odd_words().to_text()
    assert f"1. {ODD}" in text
    assert text.count(ODD) > 1
    assert "\\\\" not in text
    assert "```" not in text
    assert "&amp;" not in text
    first, underline, *_ = text.splitlines()
    assert first.startswith("POP on mbx1.contoso.com: escalated")
    assert underline == "=" * len(first)


def test_commands_in_plain_text_can_be_copied():
    report = report_of()
    lines = [line.strip() for line in report.to_text().splitlines()]
    for one in (*report.handover.first_commands, *report.handover.commands):
        assert one in lines


@pytest.mark.parametrize("plain", [False, True])
def test_a_service_that_shows_only_text_is_sent_text(office, monkeypatch, plain):
    monkeypatch.setattr("popheal.notify._shows_only_text", lambda _service: plain)
    report = with_odd_words()
    Notifier([url_of(office, "/at-once")]).send(report)
    (got,) = office.got
    wanted = report.to_text() if plain else report.to_markdown()
    assert got["message"].strip() == wanted.strip()


@pytest.mark.parametrize("url", ["syslog://", "ntfy://topic"])
def test_a_service_of_text_is_told_from_another(url):
    assert _shows_only_text(apprise.Apprise.instantiate(url))
    assert not _shows_only_text(apprise.Apprise.instantiate("mailtos://a:b@example.com"))
