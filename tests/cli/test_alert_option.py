"""``--alert-file``: an alert's text instead of, or beside, the other options."""

from __future__ import annotations

import io
from pathlib import Path

import click
import pytest

from popheal.cli.alert_option import alert_of
from tests.reports.test_alert_text import SCOM


@pytest.fixture
def scom(tmp_path):
    """A mail of Operations Manager in a file."""
    path = tmp_path / "alert.txt"
    path.write_text(SCOM)
    return path


def test_all_of_it_from_the_text(scom):
    """And the text is kept, for its words."""
    alert = alert_of(None, None, None, scom)
    assert (alert.server, alert.health_set) == ("ex1.contoso.com", "POP.Protocol")
    assert alert.monitor == "PopDeepTestMonitor"
    assert "LogonDenied" in alert.text


def test_from_standard_input(monkeypatch):
    """As a monitoring system pipes it."""

    class Piped:
        buffer = io.BytesIO(SCOM.encode("utf-16"))

    monkeypatch.setattr("sys.stdin", Piped())
    assert alert_of(None, None, None, Path("-")).server == "ex1.contoso.com"


def test_options_that_agree(scom):
    """Names in either form."""
    assert alert_of("EX1", None, "poptestdeepmonitor", scom).monitor == "PopDeepTestMonitor"
    assert alert_of("EX1", "pop.protocol", None, scom).health_set == "POP.Protocol"


@pytest.mark.parametrize(
    ("server", "health_set", "monitor", "said"),
    [
        ("EX2", None, None, "SERVER is EX2, but the alert is about ex1.contoso.com"),
        (None, None, "PopCTPMonitor", "--monitor is PopCTPMonitor, but the alert names"),
        (None, "POP.Proxy", None, "--health-set is POP.Proxy, but the alert names POP.Protocol"),
    ],
)
def test_options_that_contradict_it(scom, server, health_set, monitor, said):
    """Which one is meant is for a person to say."""
    with pytest.raises(click.UsageError, match=said):
        alert_of(server, health_set, monitor, scom)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "it is empty"),
        ("PopCTPMonitor is Unhealthy", "The alert names none"),
        ("Server: a1\nServer: b2\nPopCTPMonitor", "several servers: a1, b2"),
        ("x" * 1_000_001, "so it is no alert"),
    ],
)
def test_texts_that_say_too_little_or_too_much(tmp_path, text, said):
    """Each with what to give instead."""
    path = tmp_path / "alert.txt"
    path.write_text(text)
    with pytest.raises(click.UsageError, match=said):
        alert_of(None, None, None, path)


def test_several_servers_and_one_that_is_meant(tmp_path, capsys):
    """What is unclear is told."""
    path = tmp_path / "alert.txt"
    path.write_text("Server: a1\nServer: b2\nOwaDeepTestMonitor")
    assert alert_of("b2", None, None, path).server == "b2"
    assert "OwaDeepTestMonitor" in capsys.readouterr().err


def test_without_either(tmp_path):
    """The server must come from somewhere; the file must be there."""
    with pytest.raises(click.UsageError, match="Which server"):
        alert_of(None, None, None, None)
    with pytest.raises(click.UsageError, match="can't be read"):
        alert_of("ex1", None, None, tmp_path / "none.txt")
    assert alert_of("ex1", None, None, None).health_set == "POP"
