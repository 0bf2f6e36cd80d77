"""Receives popheal's notifications and hands them on, with nothing but Python.

    HOOK_TOKEN=... python webhook_receiver.py 8080

In popheal's configuration: urls = ["jsons://hooks.contoso.com/popheal?+X-Token=..."]
"""

import hmac
import json
import os
import sys
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

#: No handover is longer.
MOST_BYTES = 256 * 1024


def open_ticket(notification: dict[str, Any]) -> None:
    """In place of this: your ticket system. ``message`` is Markdown."""
    print(notification["type"], notification["title"], notification["message"], sep="\n")


def make_server(
    port: int, token: str, hand_on: Callable[[dict[str, Any]], None] = open_ticket
) -> ThreadingHTTPServer:
    """The receiver, on loopback: put your proxy with TLS before it.

    Args:
        port: Where it listens.
        token: What the sender must know.
        hand_on: Called with each notification: ``title``, ``message``, and as ``type``
            ``success``, ``warning`` or ``failure``.
    """

    class Receiver(BaseHTTPRequestHandler):
        timeout = 30  # seconds for a sender that falls silent

        def do_POST(self) -> None:
            self.send_response(self.received())
            self.send_header("Content-Length", "0")
            self.end_headers()

        def received(self) -> int:
            """The status; anything but a success, and popheal notes that it was not delivered."""
            if not hmac.compare_digest(self.headers.get("X-Token", "").encode(), token.encode()):
                return 403
            length = self.headers.get("Content-Length", "")
            if not length.isdecimal():
                return 411
            if int(length) > MOST_BYTES:
                return 413
            try:
                notification = json.loads(self.rfile.read(int(length)))
                hand_on({name: str(notification[name]) for name in ("type", "title", "message")})
            except (ValueError, KeyError, TypeError):
                return 400
            return 204

        def log_message(self, *_: object) -> None:
            """Nothing: what is wanted is in the ticket."""

    return ThreadingHTTPServer(("127.0.0.1", port), Receiver)


if __name__ == "__main__":
    make_server(int(sys.argv[1]), os.environ["HOOK_TOKEN"]).serve_forever()
