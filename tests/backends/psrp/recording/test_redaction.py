"""What is replaced in a text, and what stays."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from popheal.backends.psrp import scripts
from popheal.backends.psrp.recording.pseudonyms import Pseudonyms
from popheal.backends.psrp.recording.redaction import Redaction
from popheal.backends.psrp.recording.vocabulary import is_harmless
from popheal.backends.simulated.monitors import MONITORS as SIMULATED
from popheal.exchange.models import (
    ComponentState,
    DatabaseCopy,
    MonitorHealth,
    ProbeResult,
    ServiceStatus,
)
from popheal.healthsets.pop import catalog

STAYS = [
    "",
    "The operation couldn't be performed because the object couldn't be found.",
    "A parameter cannot be found that matches parameter name 'ActivateOnServer'.",
    "Get-MailboxDatabaseCopyStatus",
    "DisconnectedAndHealthy",
    "2026-01-05T08:00:00.1234567Z",
    "2026-01-05 08:00:00+02:00",
    "10/9/2024 8:58:55\u202fPM",
    "Version 15.2 (Build 986.5)",
    "-2146233087 0x80004005 12.5 %",
    "[::]:110 0.0.0.0:995 127.0.0.1 ::1 ::ffff:127.0.0.1",
    r"%ExchangeInstallPath%Logging\Pop3",
    "POP32026010508-1.LOG POP3BE20260105-1.LOG",
    "00000000000000E1,1,R=ok;Msg=Proxy",
    "S-1-5-18",
    "System.Management.Automation.RemoteException: -ERR Logon failure",
    "[[System.String, mscorlib, Culture=neutral, PublicKeyToken=b77a5c561934e089]]",
    "System.Collections.Generic.List`1[[System.String, mscorlib, Version=4.0.0.0]]",
]


@pytest.mark.parametrize("text", STAYS)
def test_what_is_harmless_stays(text: str) -> None:
    """Messages, numbers, times, names of the product's."""
    assert Redaction().prose(text) == text


REPLACED = [
    ("EX1 and ex1", "NAME1 and name1"),
    ("'EX1' on 'dc1.contoso.com'", "'NAME1' on 'server1.domain1.com'"),
    ("jane.doe@contoso.com", "account1@domain1.com"),
    (r"CONTOSO\jane$", r"NAME1\name2$"),
    ("10.0.0.5:110 10.0.0.5 10.0.0.6", "198.18.0.1:110 198.18.0.1 198.18.0.2"),
    ("from:10.0.0.5", "from:198.18.0.1"),
    ("fe80::1%12", "2001:db8::1%12"),
    ("6f1c2ab0-7d4e-4c1f-9b3a-5de0a1b2c3d4", "00000000-0000-4000-8000-000000000001"),
    ("S-1-5-21-1004336348-1177238915-682003330-512", "S-1-5-21-1-1-1-1001"),
    ("HealthMailbox0123abc@contoso.com", "HealthMailbox00000001@domain1.com"),
    ("xHealthMailbox0123abc", "name1HealthMailbox00000001"),
    ("Proxy=EX2.contoso.test:1995:SSL", "Proxy=SERVER1.domain1.test:1995:SSL"),
    ("mail.exchange.com", "server1.domain1.com"),
    ("Microsoft.Exchange.Data.Wingtip.Toys", "Microsoft.Exchange.Data.name1.name2"),
    ("mail-01 mail_01 DB01", "name1 name2 NAME3"),
    ("Gr\u00f6\u00dfe \u65e5\u672c \U0001f4a9", "name1 name2 name3"),
    ("\u201cWingtip\u201d \u2013 O\u2019Hara\u2026", "\u201cname1\u201d \u2013 O\u2019name2\u2026"),
]


@pytest.mark.parametrize(("text", "expected"), REPLACED)
def test_everything_else_is_replaced(text: str, expected: str) -> None:
    """In a form that is as good as the original's: what reads it reads this."""
    assert Redaction().prose(text) == expected


def test_a_name_is_replaced_as_a_whole_wherever_it_is_expected() -> None:
    """Whatever words it is made of; and from then on in every text."""
    redaction = Redaction()
    assert redaction.prose("Archive Mailbox Database 0123") == "Archive Mailbox Database 0123"
    assert redaction.name("Archive", "database") == "database1"
    assert redaction.name("Mailbox Database 0123", "database") == "database2"
    said = "Copying of the mailbox database 0123 to 'Archive' failed; archived."
    expected = "Copying of the database2 to 'database1' failed; name1."
    assert redaction.prose(said) == expected


def test_the_product_s_own_names_stay_even_there() -> None:
    """A path in the directory has both kinds in it."""
    redaction = Redaction()
    path = "CN=EX1,CN=Servers,CN=Wingtip,CN=Microsoft Exchange,CN=Services,CN=Configuration"
    expected = "CN=SERVER1,CN=Servers,CN=name1,CN=Microsoft Exchange,CN=Services,CN=Configuration"
    assert redaction.name(path, "server") == expected
    probe = r"POP.Protocol\PopDeepTestProbe\MSExchangePOP3BE"
    assert redaction.name(probe, "resource") == probe
    assert redaction.name(r"DB01\EX1", "database") == r"DATABASE1\SERVER1"
    assert redaction.name("[EX1, 7.00:00:00]", "server") == "[SERVER1, 7.00:00:00]"


def test_terms_stay_where_something_has_the_same_name() -> None:
    """A database called "Server" makes no other property of each server."""
    redaction = Redaction()
    redaction.name("Server", "database")
    assert redaction.prose("Server") == "database1"
    assert redaction.term("Server") == "Server"
    assert redaction.term("Wingtip Server") == "name1 database1"


def known_to_popheal() -> list[str]:
    """Every name that a decision is made by."""
    rows = [*catalog.MONITORS, *SIMULATED]
    names = [one.name for one in rows] + [one.probe for one in rows]
    names += [one.health_set for one in rows] + list(catalog.HEALTH_SETS)
    names += [catalog.POP3_FRONT_END, catalog.POP3_BACK_END, catalog.HEALTH_MANAGER]
    names += [catalog.POP_PROXY_COMPONENT, catalog.HEALTH_API]
    names += [word for sets in catalog.DEPENDENCY_HEALTH_SETS.values() for word in sets]
    for name, monitors in catalog.LOGON_MONITORS.values():
        names += [f"{name}.Protocol", *monitors]
    return names


@pytest.mark.parametrize("name", sorted(set(filter(None, known_to_popheal()))))
def test_names_that_decide_stay(name: str) -> None:
    """Else a recording would not show why something was done."""
    redaction = Redaction()
    assert redaction.prose(name) == name
    assert redaction.name(name, "resource") == name


@pytest.mark.parametrize(
    "record", [ComponentState, DatabaseCopy, MonitorHealth, ProbeResult, ServiceStatus]
)
def test_words_of_the_models_are_known(record: type) -> None:
    """Their attributes are properties of the product's objects."""
    assert all(is_harmless(name) for name in record.__annotations__)


@pytest.mark.parametrize("script", scripts.NAMES, ids=scripts.NAMES.get)
def test_what_a_script_gives_keeps_its_names(script: str) -> None:
    """Else its answer could not be read when a recording is served again."""
    names = re.findall(r"^\s+(\w+)\s*= ", script, re.MULTILINE)
    assert [one for one in names if not is_harmless(one)] == []


# --- whatever the text ---------------------------------------------------------------------------

#: Words that nobody knows, of any script.
NAMES = st.from_regex(r"[a-z]{0,3}(?:zorq|\u00f6x|\u65e5)[a-z0-9_]{0,6}", fullmatch=True)
#: What may stand beside a name.
BESIDE = st.text(alphabet=" \t\r\n.,:;=@\\/-_'\"()[]{}<>|%$&+*#~^`\u2013\u201d", max_size=4)
TEXTS = st.text(max_size=60)
WORDS = re.compile("[^\x00-/:-@\\[-^`{-\x7f\u00a0\u2010-\u2015\u2018-\u201f\u2026\u202f]+")


def words_of(text: str) -> set[str]:
    return set(WORDS.findall(text))


def check_nothing_else_is_in(text: str, names: Pseudonyms) -> None:
    """Each word is harmless, or a replacement or part of one."""
    shown = (names.of(name) for name in names)  # and in capitals where the name is
    given = {word for one in shown for word in words_of(f"{one} {one.lower()} {one.upper()}")}
    for word in words_of(text):
        rest = re.sub("(?i)healthmailbox|[TZ]|[0-9A-Fa-fx]{16,18}", "", word)
        known = is_harmless(word) or word in given
        assert known or is_harmless(rest) or rest in given or not rest, (word, text)


@settings(max_examples=60)
@given(TEXTS)
@example("Ä:ä")
def test_nothing_unknown_is_left_of_any_text(text: str) -> None:
    """Whatever characters it is made of, in either reading."""
    redaction = Redaction()
    for said in (redaction.prose(text), redaction.name(text, "server"), redaction.term(text)):
        check_nothing_else_is_in(said, redaction.names)


@settings(max_examples=60)
@given(st.lists(st.tuples(NAMES, BESIDE), min_size=1, max_size=6))
def test_no_name_is_left_whatever_is_beside_it(pieces: list[tuple[str, str]]) -> None:
    """At the beginning, in the middle and at the end."""
    text = "".join(f"{name}{beside}" for name, beside in pieces)
    redaction = Redaction()
    for said in (redaction.prose(text), redaction.name(text)):
        for name, _ in pieces:
            assert name not in said.casefold()


@settings(max_examples=60)
@given(st.lists(NAMES, min_size=1, max_size=8, unique_by=str.casefold))
def test_one_name_one_replacement(names: list[str]) -> None:
    """The same one always the same, whatever its case; two names never the same."""
    redaction = Redaction()
    first = [redaction.name(name) for name in names]
    assert [redaction.prose(name) for name in names] == first
    assert [redaction.name(name.upper()).casefold() for name in names] == first
    assert len(set(first)) == len(names)


@settings(max_examples=60)
@given(st.lists(TEXTS, max_size=5))
def test_the_order_makes_no_difference_to_what_is_hidden(texts: list[str]) -> None:
    """What was met before makes nothing readable."""
    redaction = Redaction()
    for text in texts:
        redaction.name(text, "database")
        check_nothing_else_is_in(redaction.prose(text), redaction.names)


def test_long_texts_take_no_more_than_their_length() -> None:
    """Nothing in it is tried again from every character or name on: that would take minutes."""
    users = "".join(f"user.n{number}@contoso.com " for number in range(2_000))
    for text in (users, "a" * 30_000, "x@" * 15_000, "1:" * 15_000, "a-" * 15_000, "0123" * 7_500):
        redaction = Redaction()
        assert redaction.prose(text) is not None
        assert redaction.name(text) is not None
