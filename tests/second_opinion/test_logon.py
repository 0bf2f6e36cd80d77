"""The independent logon, against a real POP3 server and against hand-written bad ones."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import contextmanager

import pytest

from popheal.second_opinion import Answer, Opinion, SecondOpinion
from popheal.second_opinion.logon import ask
from tests.support import dovecot
from tests.support.certificates import signed_for
from tests.support.dovecot import PASSWORD, USER
from tests.support.programs import needs_program

#: In the tests of what never ends: short, and far from what they allow for it in all.
SHORT = 0.4
LONG = 5.0


def settings(**given):
    return SecondOpinion(**{"host": "localhost", "username": USER, "password": PASSWORD, **given})


# --- a real server -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server():
    with dovecot.serving() as running:
        yield running


needs_dovecot = needs_program("dovecot")


@needs_dovecot
@pytest.mark.parametrize("tls", ["plain", "stls", "tls"])
def test_a_logon_works_in_each_mode(server, tls):
    port = server.tls if tls == "tls" else server.plain
    opinion = ask(settings(tls=tls, port=port, ca_bundle=server.authority))
    assert opinion.answer is Answer.WORKED, opinion.detail


@needs_dovecot
@pytest.mark.parametrize("tls", ["plain", "stls", "tls"])
def test_a_wrong_password_is_refused_in_the_servers_words(server, tls):
    port = server.tls if tls == "tls" else server.plain
    opinion = ask(settings(tls=tls, port=port, ca_bundle=server.authority, password="another"))
    assert opinion.answer is Answer.REFUSED
    assert opinion.detail == "the password: -ERR [AUTH] Authentication failed."


@needs_dovecot
@pytest.mark.parametrize("tls", ["stls", "tls"])
def test_a_certificate_for_another_name_is_not_accepted(server, tls):
    port = server.tls if tls == "tls" else server.plain
    opinion = ask(settings(host="127.0.0.1", tls=tls, port=port, ca_bundle=server.authority))
    assert opinion.answer is Answer.COULD_NOT_TELL
    assert "certificate was not accepted" in opinion.detail
    assert "not valid for '127.0.0.1'" in opinion.detail


@needs_dovecot
def test_a_certificate_of_an_unknown_authority_is_not_accepted(server):
    opinion = ask(settings(port=server.tls))
    assert opinion.answer is Answer.COULD_NOT_TELL
    assert "certificate was not accepted" in opinion.detail


@needs_dovecot
def test_tls_spoken_to_a_plain_port_is_told(server):
    opinion = ask(settings(port=server.plain, ca_bundle=server.authority))
    assert opinion.answer is Answer.COULD_NOT_TELL
    assert opinion.detail.startswith("the TLS handshake: ")


# --- servers that are none -----------------------------------------------------------------------


@contextmanager
def listening(talk, *, greeting=b"+OK hello\r\n"):
    """A server on loopback that greets, then does something with a connection; its port."""
    over = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        connection, _ = listener.accept()
        with connection:
            try:
                connection.sendall(greeting)
                talk(connection, over)
            except OSError:
                pass  # the client has gone

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        over.set()
        thread.join(LONG)
        listener.close()
    assert not thread.is_alive(), "the client has let go of its connection"


def until_let_go(connection):
    """Whether the client ends the connection, if nothing is sent."""
    connection.settimeout(LONG)
    while connection.recv(1000):
        pass


def silent(connection, over):
    until_let_go(connection)


def trickle(connection, over):
    while not over.wait(0.02):
        connection.sendall(b"+")


def endless_line(connection, over):
    while not over.is_set():
        connection.sendall(b"+" * 10000)


def after(*answers):
    """Give these answers, one to each command, and then end the connection."""

    def talk(connection, over):
        for answer in answers:
            if connection.recv(1000):
                connection.sendall(answer)

    return talk


@pytest.mark.parametrize("talk", [silent, trickle], ids=["silent", "trickling"])
@pytest.mark.parametrize("greeting", [b"", b"+OK hello\r\n"], ids=["before", "after greeting"])
@pytest.mark.parametrize("tls", ["plain", "stls", "tls"])
def test_whatever_the_server_does_it_is_over_in_time(talk, greeting, tls):
    with listening(talk, greeting=greeting) as port:
        began = time.monotonic()
        opinion = ask(settings(host="127.0.0.1", tls=tls, port=port, deadline=SHORT))
        took = time.monotonic() - began
    assert opinion.answer is Answer.COULD_NOT_TELL
    assert took < LONG


def test_the_deadline_is_one_for_all_of_it():
    """Each answer comes in good time, but all of them together don't."""

    def talk(connection, over):
        while not over.wait(0.1):
            connection.sendall(b"x")

    with listening(talk, greeting=b"+OK ") as port:
        opinion = ask(settings(tls="plain", host="127.0.0.1", port=port, deadline=SHORT))
    assert (opinion.answer, opinion.detail) == (
        Answer.COULD_NOT_TELL,
        f"no end within {SHORT:g} s, at the greeting",
    )


def test_a_line_without_end_is_cut_off_long_before_the_deadline():
    with listening(endless_line) as port:
        opinion = ask(settings(host="127.0.0.1", tls="plain", port=port, deadline=60))
    assert opinion == Opinion(Answer.COULD_NOT_TELL, "the user name: a line without end")


@pytest.mark.parametrize(
    ("greeting", "answers"),
    [
        (b"", ()),
        (b"+OK", ()),
        (b"+OK\r\n", ()),
        (b"+OK\r\n", (b"+OK\r\n",)),
        (b"+OK\r\n", (b"+OK\r\n", b"+OK")),
    ],
)
def test_a_connection_that_is_ended_is_no_answer(greeting, answers):
    """Nor is the beginning of one."""
    with listening(after(*answers), greeting=greeting) as port:
        opinion = ask(settings(host="127.0.0.1", tls="plain", port=port))
    assert opinion.answer is Answer.COULD_NOT_TELL, opinion


def test_a_server_without_stls_gets_no_password():
    heard = []

    def talk(connection, over):
        heard.append(connection.recv(1000))
        connection.sendall(b"-ERR unknown command\r\n")
        while said := connection.recv(1000):
            heard.append(said)

    with listening(talk) as port:
        opinion = ask(settings(host="127.0.0.1", tls="stls", port=port))
    assert opinion.answer is Answer.COULD_NOT_TELL
    assert opinion.detail == "STLS, before any password was sent: -ERR unknown command"
    assert heard == [b"STLS\r\n"]


def test_what_is_said_before_tls_has_begun_is_no_answer_afterwards():
    """Somebody in between may have said it."""

    def talk(connection, over):
        connection.recv(1000)
        connection.sendall(b"+OK\r\n+OK\r\n+OK\r\n")
        until_let_go(connection)

    with listening(talk) as port:
        opinion = ask(settings(host="127.0.0.1", tls="stls", port=port, deadline=SHORT))
    assert opinion.answer is Answer.COULD_NOT_TELL


@pytest.mark.parametrize(
    ("greeting", "answers", "answer", "said"),
    [
        (b"-ERR busy\r\n", (), Answer.REFUSED, "the greeting: -ERR busy"),
        (b"SSH-2.0-x\r\n", (), Answer.COULD_NOT_TELL, "the greeting: this is not POP3: SSH-2.0-x"),
        (b"+OK\r\n", (b"-ERR no\r\n",), Answer.REFUSED, "the user name: -ERR no"),
        (b"+OK\r\n", (b"+OK\r\n", b"-ERR no\r\n"), Answer.REFUSED, "the password: -ERR no"),
        (b"+OK\r\n", (b"+OK\r\n", b"+OK\r\n"), Answer.WORKED, "logged on"),
    ],
)
def test_what_each_answer_means(greeting, answers, answer, said):
    with listening(after(*answers), greeting=greeting) as port:
        opinion = ask(settings(host="127.0.0.1", tls="plain", port=port))
    assert (opinion.answer, opinion.detail) == (answer, said)


def test_a_server_that_repeats_the_password_does_not_make_us_tell_it():
    said = f"-ERR unknown command PASS {PASSWORD.upper()} {PASSWORD}\r\n".encode()
    with listening(after(b"+OK\r\n", said)) as port:
        opinion = ask(settings(host="127.0.0.1", tls="plain", port=port))
    assert opinion.detail == "the password: -ERR unknown command PASS *** ***"


def test_what_the_server_says_is_made_printable():
    with listening(after(b"-ERR \x1b[31mred\x07\r\n")) as port:
        opinion = ask(settings(host="127.0.0.1", tls="plain", port=port))
    assert opinion.detail.isprintable()


def test_nobody_there():
    with socket.create_server(("127.0.0.1", 0)) as bound:
        port = bound.getsockname()[1]
    opinion = ask(settings(host="127.0.0.1", port=port))
    assert (opinion.answer, opinion.detail) == (
        Answer.COULD_NOT_TELL,
        "connecting: Connection refused",
    )


def test_a_name_that_is_long_in_being_found(monkeypatch):
    """No socket is there yet that could be shut: the thread is left behind."""
    found = threading.Event()

    def find(*_):
        found.wait(LONG)
        raise OSError("too late")

    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **options: find(args))
    began = time.monotonic()
    opinion = ask(settings(host="pop.contoso.test", deadline=SHORT))
    took = time.monotonic() - began
    found.set()
    assert took < LONG / 2
    assert opinion.detail == f"no end within {SHORT:g} s, at connecting"


def test_authorities_that_can_not_be_read_are_told_before_anybody_is_connected_to(tmp_path):
    opinion = ask(settings(port=1, ca_bundle=str(tmp_path / "none.pem")))
    assert opinion.detail == "the authorities in ca_bundle: No such file or directory"
    key_only = signed_for("localhost", tmp_path).key
    opinion = ask(settings(port=1, ca_bundle=str(key_only)))
    assert opinion.detail.startswith("the authorities in ca_bundle: ")
