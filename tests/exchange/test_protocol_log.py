"""Reading the POP3 protocol log: heads, partial lines, time spans, quoting, back-end files."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

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
