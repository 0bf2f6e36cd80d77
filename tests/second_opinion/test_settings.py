"""Settings of the second opinion: what they may be, and that the password shows nowhere."""

from __future__ import annotations

import traceback

import attrs
import pytest

from popheal.errors import InvalidValue
from popheal.second_opinion import SecondOpinion
from popheal.util.secrets import Secret

PASSWORD = "Tr0ub4dor&3"
RIGHT = {"host": "pop.contoso.com", "username": "popheal@contoso.com", "password": PASSWORD}


@pytest.mark.parametrize(("tls", "port"), [("tls", 995), ("stls", 110)])
def test_the_port_is_the_usual_one_of_the_mode(tls, port):
    made = SecondOpinion(**RIGHT, tls=tls)
    assert (made.port, made.where) == (port, f"pop.contoso.com:{port} ({tls})")


def test_an_address_with_colons_is_told_with_brackets():
    assert SecondOpinion(**{**RIGHT, "host": "::1"}, tls="plain").where == "[::1]:110 (plain)"


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("host", "", "the name of a host"),
        ("host", "pop3://pop.contoso.com", "the name of a host"),
        ("host", "user@pop.contoso.com", "the name of a host"),
        ("tls", "ssl", "one of tls, stls, plain"),
        ("tls", "plain", "clear text"),
        ("port", 0, "from 1 to 65535"),
        ("port", 65536, "from 1 to 65535"),
        ("username", "a\r\nDELE 1", "on one line"),
        ("username", "HealthMailbox0a1b@contoso.com", "health mailbox"),
        ("deadline", 0, "to 300"),
        ("deadline", 301, "to 300"),
        ("deadline", float("nan"), "to 300"),
    ],
)
def test_what_can_not_be_used_is_told_with_what_would_be_right(key, value, said):
    with pytest.raises(InvalidValue) as caught:
        SecondOpinion(**{**RIGHT, key: value})
    assert caught.value.path == (key,)
    assert said in str(caught.value)
    assert PASSWORD not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("password", ["", f"{PASSWORD}\r\nDELE 1", f"{PASSWORD}\0", 12345])
def test_a_password_that_can_not_be_used_is_not_repeated(password):
    with pytest.raises(InvalidValue) as caught:
        SecondOpinion(**{**RIGHT, "password": password})
    assert str(password) not in str(caught.value) or not password
    assert PASSWORD not in str(caught.value)


def test_the_password_shows_nowhere():
    made = SecondOpinion(**RIGHT)
    assert made.password == Secret(PASSWORD)
    for text in (repr(made), str(made), str(attrs.asdict(made))):
        assert PASSWORD not in text
