"""Reading the POP3 protocol log: heads, partial lines, time spans, quoting, back-end files."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from popheal.exchange.models import LogFile
from popheal.exchange.protocol_log import Correlation, correlate, is_back_end_file

FIELDS = (
    "dateTime,sessionId,seqNumber,sIp,cIp,user,duration,rqsize,rpsize,command,parameters,context"
)
AT = datetime(2026, 1, 5, 8, 0, 30, tzinfo=UTC)
SINCE, UNTIL = AT - timedelta(seconds=30), AT + timedelta(seconds=30)


def head(fields=FIELDS):
    return (
        f"{fields}\r\n#Software: Microsoft Exchange Server\r\n#Version: 15.00.1497.002\r\n"
        f"#Log-type: POP3 Log\r\n#Date: 2026-01-05T08:00:00.000Z\r\n#Fields: {fields}\r\n"
    )


def line(
    host="mbx2.contoso.com",
    at=AT,
    user="HealthMailboxab28d88",
    client="127.0.0.1:5511",
    session="00000000000000E5",
    command="pass",
    context=None,
):
    """One line: by default the failed logon of a probe, passed to that host."""
    stamp = at.strftime("%Y-%m-%dT%H:%M:%S.123Z")
    failed = f'"R=""-ERR [Error=ProxyFailed Proxy={host}:1995:SSL] no"";Msg=Proxy:{host}:1995:SSL"'
    columns = f"{stamp},{session},2,127.0.0.1:995,{client},{user},107,76,99,{command},*****"
    return f"{columns},{failed if context is None else context}\r\n"


CLOSED = line(command="CloseSession", context="")
ALONE = line(context='"R=""-ERR no mailbox"""')


def found(*texts, name="POP32026010508-1.LOG"):
    return correlate([LogFile(name=name, text=text) for text in texts], SINCE, UNTIL)


def test_the_probe_session_names_its_back_end():
    """From 127.0.0.1, as a health mailbox, within the span."""
    assert found(head() + line()).backends == ("mbx2.contoso.com",)


def test_several_back_ends_in_order():
    """Each once."""
    text = head() + line("b.x") + line("a.x", session="E6") + line("b.x", session="E7")
    assert found(text).backends == ("b.x", "a.x")


@pytest.mark.parametrize(
    "other",
    [
        line(at=SINCE - timedelta(seconds=2)),
        line(at=UNTIL + timedelta(seconds=2)),
        line(user="jane", client="10.0.0.7:1234"),
        line()[:60],
        line().replace(AT.strftime("%Y"), "yesterday"),
        "",
    ],
)
def test_other_lines_are_passed_over(other):
    """Another time, a real user, a half-written line, an unreadable time."""
    seen = found(head() + line(user="joe", client="10.0.0.8:1", session="E9") + other)
    assert seen.backends == ()
    assert not seen.conclusive


def test_a_file_may_have_several_heads_with_other_fields():
    """The service was restarted, or updated; each head holds from there on."""
    newer = FIELDS + ",puid"
    text = head() + line("a.x") + head(newer) + line("b.x").rstrip() + ",PUID\r\n"
    assert found(text).backends == ("a.x", "b.x")
    shuffled = "context,dateTime,cIp,command"
    odd = f"{head(shuffled)}Msg=Proxy:c.x:1995:SSL,{AT:%Y-%m-%dT%H:%M:%SZ},127.0.0.1:1,pass\r\n"
    assert found(odd).backends == ("c.x",)


def test_lines_before_a_head_prove_nothing():
    """Without a #Fields line nobody knows what a column is."""
    for text in (line(), ""):
        assert found(text) == correlate([], SINCE, UNTIL) == Correlation(False, ())


def test_back_end_files_lie_in_the_same_folder():
    """They are another log: the front end is the client there."""
    assert is_back_end_file("C:\\Logs\\POP3BE2026010508-1.LOG")
    assert not is_back_end_file("pop32026010508-1.log")
    assert not found(head() + line(), name="POP3BE2026010508-1.LOG").backends


def test_a_byte_order_mark_is_no_field():
    """As some tools write it."""
    assert found("\ufeff" + head() + line()).backends


@given(st.text(), st.integers(min_value=0, max_value=600))
def test_anything_can_stand_in_a_log(noise, cut):
    """Whatever it holds and wherever it is cut, reading it does not fail, nor invent a server."""
    text = (head() + noise + "\r\n" + line())[:cut]
    assert set(found(text).backends) <= {"mbx2.contoso.com"}
    assert found(noise + "\n" + head() + line()).backends[-1] == "mbx2.contoso.com"


def test_a_name_that_is_cut_off_is_not_a_name():
    """The line is still being written: mbx1 may become mbx10."""
    text = head() + line("mbx10.contoso.com")
    assert found(text[: text.rindex("mbx10") + 4]).backends == ()


def test_none_means_none_only_for_a_whole_failed_session():
    """From the logon to the end, and with nothing left out of the file."""
    assert found(head() + ALONE + CLOSED).conclusive
    assert not found(head() + ALONE).conclusive
    assert not found(head() + CLOSED).conclusive
    assert not found(head() + ALONE + CLOSED + "#Omitted: 50000000 bytes\r\n").conclusive


def test_sessions_that_logged_on_prove_nothing():
    """Another probe that succeeded through a healthy back end is not the failed one."""
    success = '"R=ok;Msg=""Proxy:mbx1.x:1995:SSL;ProxySuccess"""'
    fine = line("mbx1.x", session="E1", context=success)
    closed = line(session="E1", command="CloseSession", context="")
    assert found(head() + fine + closed) == Correlation(False, ())
    assert found(head() + fine + closed + line("mbx2.x")).backends == ("mbx2.x",)


# --- by connection -------------------------------------------------------------------------------

CASES = Path(__file__).parents[1] / "samples" / "cases" / "logs"


def case(name):
    """One of the sample logs; the probe ran from 08:19 to 08:23."""
    text = (CASES / f"{name}.LOG").read_bytes().decode("utf-8")
    day = datetime(2026, 10, 1, 8, tzinfo=UTC)
    files = [LogFile(name="POP32026100108-1.LOG", text=text)]
    return correlate(files, day.replace(minute=19), day.replace(minute=23))


def test_ids_are_given_out_again_without_a_new_head():
    """The service restarted in between: an older session of that id is another one."""
    seen = case("ids-begin-anew-ok-then-failed")
    assert seen.backends == seen.proven == ("mbx07.contoso.test",)
    assert not seen.conclusive
    assert case("ids-begin-anew-ok-then-front-end") == Correlation(
        conclusive=True, backends=(), said=('R="-ERR Server Unavailable. 21";ErrMsg=LocalFailure',)
    )


def test_a_failed_logon_without_an_account_is_one_to_look_at():
    """From the server itself: it may be the probe, and proves nothing."""
    seen = case("account-not-logged")
    assert seen == Correlation(conclusive=False, backends=("mbx07.contoso.test",))


@pytest.mark.parametrize(
    "older",
    [
        line("old.x", command="OpenSession", context="") + line("old.x"),
        line("old.x", client="127.0.0.1:40000"),
        line("old.x").replace(",2,127", ",9,127"),
    ],
    ids=["opened before", "another port", "a lower number"],
)
def test_a_line_that_can_not_be_of_the_connection_before_begins_another(older):
    """By OpenSession, by the client's port, or by its number."""
    opened = line(command="OpenSession", context="") if "OpenSession" in older else ""
    seen = found(head() + older + opened + ALONE + CLOSED)
    assert seen.proven == ("old.x",)
    closed_only = found(head() + older.replace("-ERR", "R") + opened + ALONE + CLOSED)
    assert not closed_only.conclusive or closed_only.backends


# --- who can write it ----------------------------------------------------------------------------

STRANGER = "203.0.113.7:40044"


@pytest.mark.parametrize(
    "strange",
    [
        line("evil.x", user="xhealthmailbox1", client=STRANGER, session="F1"),
        line("evil.x", user="HealthMailboxab28d88", client=STRANGER, session="F1"),
        line("evil.x", user="HEALTHMAILBOX", client="127.0.0.1:4", session="F1"),
        line("evil.x", user="HealthMailbox0", client=STRANGER, session="F1", context="R=ok"),
        line("evil.x", user="HealthMailbox0", client=STRANGER).replace("pass", "user"),
    ],
    ids=["like it", "the very name", "not quite, from here", "succeeded", "never logged on"],
)
def test_what_looks_like_a_probe_names_nobody_and_makes_the_log_inconclusive(strange):
    """Anybody can type that name; then nobody can say which session was the probe's."""
    assert found(head() + ALONE + CLOSED).conclusive
    for text in (ALONE + CLOSED + strange, strange + ALONE + CLOSED):
        seen = found(head() + text)
        assert not seen.conclusive
        assert "evil.x" not in seen.proven
    alone = found(head() + strange)
    assert alone.proven == ()
    assert not alone.conclusive
    assert found(head() + line("mbx1.x") + strange).backends == ("mbx1.x",)


def test_another_time_is_no_matter():
    """A stranger an hour ago makes nothing doubtful now."""
    before = line(
        user="healthmailbox1", client=STRANGER, session="F1", at=SINCE - timedelta(hours=1)
    )
    assert found(head() + before + ALONE + CLOSED).conclusive


def test_the_servers_own_address_is_the_server_itself():
    """Not only loopback: a service bound to one address is probed by it."""
    own = line("mbx1.x", client="192.0.2.9:50000").replace("127.0.0.1:995", "192.0.2.9:995")
    assert found(head() + own).proven == ("mbx1.x",)
    assert found(head() + own.replace("192.0.2.9:50000", "192.0.2.8:50000")).proven == ()


def test_nameless_sessions_never_make_none_conclusive():
    """They are candidates only while there is nothing better."""
    bare = line("mbx3.x", user="", session="F2")
    assert found(head() + bare) == Correlation(conclusive=False, backends=("mbx3.x",))
    assert found(head() + bare + line("mbx1.x")).backends == ("mbx1.x",)
    assert not found(head() + bare + ALONE + CLOSED).conclusive
    bare_alone = line(user="", session="F2", context='"R=""-ERR no"""')
    closed = line(user="", session="F2", command="CloseSession", context="")
    assert found(head() + bare_alone + closed) == Correlation(conclusive=False, backends=())
    elsewhere = line("mbx3.x", user="", session="F2", client=STRANGER)
    assert found(head() + elsewhere).backends == ()


@pytest.mark.parametrize(
    "forged",
    [line("evil.x").replace("\r\n", "\n"), 'x,"' + line("evil.x")],
    ids=["a lone line feed", "within quotation marks"],
)
def test_lines_that_somebody_may_have_written_prove_nothing(forged):
    """What a client sends may hold a line end: then no line of that file is certain."""
    seen = found(head() + forged + ALONE + CLOSED)
    assert not seen.conclusive
    assert seen.proven == ()
    assert seen.said == ()


def test_what_the_log_says_is_that_of_the_probe_alone():
    """The words that name a cause are not a stranger's either."""
    denied = '"R=""-ERR no"";ErrMsg=AuthFailed:LogonDenied"'
    assert "LogonDenied" in found(head() + line(context=denied)).said[0]
    assert found(head() + line(context=denied, user="anna", client=STRANGER)).said == ()
    assert found(head() + line(context=denied, user="", session="F2")).said == ()
