"""One server of the lab on the network: HTTP with Basic authentication, loopback only."""

from __future__ import annotations

import base64
import contextlib
import hmac
import socket
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from attrs import frozen

from popheal.lab.endpoint import Endpoint, Hangup, Reply

#: Seconds a server that was told to restart waits for its answer to be fetched.
_LINGER = 2.0
_LARGEST_REQUEST = 4 * 1024 * 1024

_REASONS = {
    200: "OK",
    302: "Found",
    307: "Temporary Redirect",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    413: "Content Too Large",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


@frozen(kw_only=True)
class Login:
    """Who may use the lab."""

    username: str
    password: str

    def accepts(self, header: str) -> bool:
        """Whether an Authorization header is right."""
        token = base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
        return hmac.compare_digest(header.encode(), f"Basic {token}".encode())

    def __repr__(self) -> str:
        return f"Login({self.username!r}, ***)"


class Listener:
    """A server's listening socket, which can go away and come back at the same port.

    Args:
        name: Full name of the server.
        port: Port at 127.0.0.1; 0 for any free one, which is kept from then on.
        endpoints: By path, lower case without slashes.
        is_up: Asked before each request: a server that is down doesn't answer.
    """

    def __init__(
        self,
        name: str,
        port: int,
        login: Login,
        endpoints: dict[str, Endpoint],
        is_up: Callable[[], bool],
    ) -> None:
        self.name = name
        self.port = port
        self.login = login
        self.endpoints = endpoints
        self._is_up = is_up
        self._lock = threading.RLock()
        self._server: _Server | None = None
        self._lingers_until = 0.0

    @property
    def answers(self) -> bool:
        """Whether a request that came in is to be answered now."""
        return self._server is not None and (self._is_up() or self._lingering)

    @property
    def _lingering(self) -> bool:
        return time.monotonic() < self._lingers_until

    def follow(self) -> None:
        """Open or close the socket, as the server is up or down."""
        with self._lock:
            up = self._is_up()
            if up and self._server is None:
                self.open()
            elif not up and self._server is not None and not self._lingering:
                self.close()

    def open(self) -> None:
        """Listen. Raises OSError where the port is taken."""
        with self._lock:
            if self._server is None:
                self._server = _Server(("127.0.0.1", self.port), self)
                self.port = self._server.server_port
                self._server.start()

    def close(self) -> None:
        """Stop listening, cut all connections and forget all shells."""
        with self._lock:
            server, self._server = self._server, None
            if server is not None:
                for endpoint in self.endpoints.values():
                    endpoint.shells.clear()
                server.stop()

    def linger(self) -> None:
        """The server is about to go down: let it answer what it was asked first."""
        self._lingers_until = time.monotonic() + _LINGER

    def part(self) -> None:
        """The answer is on its way: nothing keeps the server up any more."""
        self._lingers_until = 0.0


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], listener: Listener) -> None:
        self.listener = listener
        self._connections: dict[socket.socket, threading.Lock] = {}
        self._connections_lock = threading.Lock()
        self._stopping = False
        super().__init__(address, _Handler)
        self._acceptor = threading.Thread(
            target=self._accept, name=f"lab {listener.name}", daemon=True
        )

    def start(self) -> None:
        self._acceptor.start()

    def _accept(self) -> None:
        # Rather than serve_forever, which polls, and so takes its time to stop.
        while True:
            try:
                request, address = self.get_request()
            except OSError:
                return
            if self._stopping:
                request.close()
                return
            self.process_request(request, address)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._connections_lock:
            self._connections[request] = threading.Lock()
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._connections_lock:
            self._connections.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is nothing to print."""

    def writing(self, connection: socket.socket) -> threading.Lock:
        """Held while an answer is written, so that it isn't cut in the middle."""
        with self._connections_lock:
            return self._connections.setdefault(connection, threading.Lock())

    def stop(self) -> None:
        self._stopping = True
        with contextlib.suppress(OSError):
            # Wakes the acceptor, on any system.
            socket.create_connection(("127.0.0.1", self.server_port), timeout=1).close()
        self._acceptor.join(1)
        self.server_close()
        with self._connections_lock:
            connections = dict(self._connections)
        for connection, lock in connections.items():
            with lock, contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 120  # seconds for which an idle connection is kept
    server: _Server

    def do_POST(self) -> None:
        listener = self.server.listener
        if not listener.answers:
            self.close_connection = True
            return
        length = int(self.headers.get("Content-Length") or 0)
        if length > _LARGEST_REQUEST:
            self._write(Reply(413, b"", "text/plain"))
            return
        data = self.rfile.read(length)
        endpoint = listener.endpoints.get(self.path.partition("?")[0].strip("/").lower())
        if endpoint is None:
            self._write(Reply(404, b"", "text/html"))
            return
        if not listener.login.accepts(self.headers.get("Authorization") or ""):
            self._write(Reply(401, b"", "text/html"))
            return
        try:
            reply = endpoint.answer(data)
        except Hangup:
            self.close_connection = True
            return
        self._write(reply)

    def _write(self, reply: Reply) -> None:
        head = [
            f"HTTP/1.1 {reply.status} {_REASONS[reply.status]}",
            f"Content-Type: {reply.content_type}",
            f"Content-Length: {len(reply.body)}",
        ]
        headers = dict(reply.headers)
        if reply.status == 401:  # noqa: PLR2004
            headers.setdefault("WWW-Authenticate", 'Basic realm="lab"')
        head += [f"{name}: {value}" for name, value in headers.items()]
        body = reply.body[: len(reply.body) // 2] if reply.cut else reply.body
        listener = self.server.listener
        with self.server.writing(self.connection):
            if reply.last:
                listener.part()
            self.wfile.write("\r\n".join([*head, "", ""]).encode() + body)
        if reply.cut:
            self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - named so by http.server
        """Keep quiet."""
