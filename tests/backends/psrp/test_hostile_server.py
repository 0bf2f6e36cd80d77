"""A far side that never comes to an end: every call does, in time, and in bounded memory.

Written by hand on bare sockets, as no HTTP library would behave so.
"""

from __future__ import annotations

import itertools
import socket
import threading
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache

import pytest

from popheal.backends.psrp import (
    PsrpBackend,
    PsrpSettings,
    exchange_connection,
    winrm_connection,
)
from popheal.errors import BackendError

#: Seconds that a command may take in these tests, and seconds by which it may be late: a busy
#: machine needs some for its threads.
TIMEOUT, SLACK = 1.2, 2.0

HEADERS = b"HTTP/1.1 200 OK\r\nContent-Type: application/soap+xml;charset=UTF-8\r\n"
Behaviour = Callable[[socket.socket], None]


def silent(_client: socket.socket) -> None:
    """Takes the request, and says nothing."""
    time.sleep(60)


def silent_after_headers(client: socket.socket) -> None:
    client.sendall(HEADERS + b"Content-Length: 100\r\n\r\n")
    time.sleep(60)


def trickled(what: bytes) -> Behaviour:
    """Sends it byte by byte, each well within any wait for the next."""

    def behave(client: socket.socket) -> None:
        for byte in itertools.chain(what, itertools.repeat(0x20)):
            client.sendall(bytes([byte]))
            time.sleep(0.02)

    return behave


def endless_body(client: socket.socket) -> None:
    client.sendall(HEADERS + b"Transfer-Encoding: chunked\r\n\r\n")
    piece = b"%x\r\n%s\r\n" % (1 << 16, b" " * (1 << 16))
    while True:
        client.sendall(piece)


def endless_length(client: socket.socket) -> None:
    client.sendall(HEADERS + b"Content-Length: 99999999999\r\n\r\n")
    while True:
        client.sendall(b" " * (1 << 16))


@cache
def _bomb() -> bytes:
    """A quarter of a megabyte that is a quarter of a gigabyte; made without that much memory."""
    packing = zlib.compressobj(9, wbits=31)
    pieces = [packing.compress(b" " * (1 << 20)) for _ in range(256)]
    return b"".join([*pieces, packing.flush()])


def gzip_bomb(client: socket.socket) -> None:
    bomb = _bomb()
    client.sendall(HEADERS + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb))
    client.sendall(bomb)
    time.sleep(60)


def endless_headers(client: socket.socket) -> None:
    client.sendall(b"HTTP/1.1 200 OK\r\n")
    for number in itertools.count():
        client.sendall(b"X-%d: y\r\n" % number)
        time.sleep(0.02)


def endless_continue(client: socket.socket) -> None:
    """Says "go on" for ever."""
    while True:
        client.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        time.sleep(0.01)


def unauthorised_for_ever(client: socket.socket) -> None:
    """Negotiates on and on."""
    while True:
        client.sendall(
            b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Negotiate\r\nContent-Length: 0\r\n\r\n"
        )
        if not client.recv(1 << 16):
            return


def redirected_for_ever(client: socket.socket) -> None:
    while True:
        client.sendall(
            b"HTTP/1.1 307 Temporary Redirect\r\nLocation: /PowerShell\r\nContent-Length: 0\r\n\r\n"
        )
        if not client.recv(1 << 16):
            return


BUSY = (
    b'<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body><s:Fault><s:Detail>'
    b'<f:WSManFault xmlns:f="http://schemas.microsoft.com/wbem/wsman/1/wsmanfault" '
    b'Code="2150859174"><f:Message>Too many shells.</f:Message></f:WSManFault>'
    b"</s:Detail></s:Fault></s:Body></s:Envelope>"
)


def busy_for_ever(client: socket.socket) -> None:
    """Has too many shells already, each time that it is asked."""
    head = HEADERS.replace(b"200 OK", b"500 Internal Server Error")
    while True:
        client.sendall(head + b"Content-Length: %d\r\n\r\n%s" % (len(BUSY), BUSY))
        if not client.recv(1 << 16):
            return


BEHAVIOURS = {
    "silent": silent,
    "silent after headers": silent_after_headers,
    "trickled status": trickled(b"HTTP/1.1 "),
    "trickled headers": trickled(b"HTTP/1.1 200 OK\r\nX-A: "),
    "trickled body": trickled(HEADERS + b"Content-Length: 9999\r\n\r\n"),
    "trickled chunks": trickled(HEADERS + b"Transfer-Encoding: chunked\r\n\r\n270f\r\n"),
    "endless body": endless_body,
    "endless length": endless_length,
    "gzip bomb": gzip_bomb,
    "endless headers": endless_headers,
    "endless continue": endless_continue,
    "401 for ever": unauthorised_for_ever,
    "307 for ever": redirected_for_ever,
    "busy for ever": busy_for_ever,
}


@contextmanager
def serving(behave: Behaviour) -> Iterator[int]:
    """A server that behaves like that to whoever connects; its port."""
    clients: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def talk(client: socket.socket) -> None:
            with suppress(OSError):
                client.recv(1 << 16)
                behave(client)

        def accept() -> None:
            with suppress(OSError):
                while True:
                    client, _ = listening.accept()
                    clients.append(client)
                    threading.Thread(target=talk, args=[client], daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        try:
            yield listening.getsockname()[1]
        finally:
            listening.shutdown(socket.SHUT_RDWR)  # the thread that waits for clients is told
            for client in clients:
                client.close()


def backend_at(port: int, ways: int = 1, **given: float) -> PsrpBackend:
    logon = {"auth": "basic", "username": "u", "password": "p", "port": port}
    servers = [f"ex{number}.contoso.test" for number in range(1, ways + 1)]
    return PsrpBackend(
        PsrpSettings(
            exchange=exchange_connection(servers, **logon),
            winrm=winrm_connection(**logon),
            addresses=dict.fromkeys(servers, "127.0.0.1"),
            **{"command_timeout": TIMEOUT, "answer_limit": 32.0, **given},
        )
    )


@pytest.mark.parametrize("name", BEHAVIOURS)
@pytest.mark.parametrize("look", ["server_health", "host_status"])
def test_every_call_ends_in_time(name, look):
    """Opening, reading and tidying up together; and it is told that nobody knows."""
    with serving(BEHAVIOURS[name]) as port, backend_at(port) as backend:
        began = time.monotonic()
        with pytest.raises(BackendError) as caught:
            getattr(backend, look)("ex1.contoso.test")
        assert time.monotonic() - began < TIMEOUT + SLACK
        assert caught.value.next_step


@pytest.mark.parametrize("name", ["silent", "trickled body", "endless headers", "busy for ever"])
def test_every_way_in_together_ends_in_time(name):
    """Whatever is tried again, and wherever else, is within the one deadline."""
    with serving(BEHAVIOURS[name]) as port, backend_at(port, ways=5) as backend:
        began = time.monotonic()
        with pytest.raises(BackendError):
            backend.server_health("ex1.contoso.test")
        assert time.monotonic() - began < TIMEOUT + SLACK


@pytest.mark.parametrize("name", ["endless body", "endless length", "gzip bomb"])
def test_an_answer_has_a_size(name):
    """More than the settings allow is not even kept until the deadline."""
    given = {"command_timeout": 60.0, "answer_limit": 4.0}
    with serving(BEHAVIOURS[name]) as port, backend_at(port, **given) as backend:
        tracemalloc.start()
        try:
            with pytest.raises(BackendError, match="longer than"):
                backend.server_health("ex1.contoso.test")
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert most < 80 * 1024 * 1024


def test_an_effect_whose_answer_does_not_end_may_have_been_done():
    """Nobody knows; so it is not repeated."""
    with serving(endless_body) as port, backend_at(port) as backend:
        with pytest.raises(BackendError) as caught:
            backend.set_activation_disabled("ex1.contoso.test", True)
        assert caught.value.cause
