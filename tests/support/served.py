"""A service over HTTP that is at work in a thread, and a client of it: over a simulation."""

from __future__ import annotations

import asyncio
import http.client
import json
import threading
import time
from contextlib import asynccontextmanager

import pytest
from attrs import define

from popheal import Control, Policy
from popheal.backends.simulated import SimulatedBackend
from popheal.backends.simulated.scenario import build_scenario
from popheal.serve.app import Service
from popheal.serve.desk import JournalDesk
from popheal.serve.server import serve
from popheal.serve.settings import ServeSettings, Token
from popheal.tables.actions import Impact
from popheal.util.clock import SystemClock
from popheal.util.secrets import Secret
from popheal.watch.loop import Watch

#: Owner and rights of each; the token itself is made of the name.
PEOPLE = {
    "scom": ("alert",),
    "ann": ("look", "decide"),
    "boss": ("alert", "look", "decide"),
    "prometheus": ("look",),
}
POLICY = Policy(approval_from=Impact.CHANGE, approval_by_another=True, sibling_share=0)
#: Real seconds until something that takes a few is a defect.
PATIENCE = 60
#: It goes by itself, as several wait on it at once; a minute is some half of a second.
SPEED = 100


def token(name):
    return f"token-of-{name}-that-nobody-guesses"


@define
class Answered:
    status: int
    body: str
    headers: dict[str, str]

    @property
    def json(self):
        return json.loads(self.body)


class Served:
    """A service at work in a thread, and a client of it.

    Args:
        behind: An asynchronous context manager: given this, a watch and the desk before it.
    """

    def __init__(self, behind):
        self.clock = SystemClock(speed=SPEED)
        content = {
            "title": "Alerted",
            "alert": {"server": "MBX1", "health_set": "POP"},
            "organisation": {"preset": "dag5"},
            "faults": [
                {"server": name, "fails": ["deep"], "cure": "restart"}
                for name in ("MBX1", "MBX4", "MBX5")
            ],
        }
        self.simulation = build_scenario(content, clock=self.clock).organisation
        self.events, self.control = [], Control()
        self.url, self._listens = "", threading.Event()
        self.thread = threading.Thread(target=lambda: asyncio.run(self._work(behind)))
        self.thread.start()
        assert self._listens.wait(PATIENCE)

    async def _work(self, behind):
        async with behind(self) as (self.watch, desk):
            tokens = [
                Token(owner=name, may=frozenset(may), secret=Secret(token(name)))
                for name, may in PEOPLE.items()
            ]
            service = Service(
                desk,
                tokens,
                metrics=lambda: (b"popheal_up 1\n", "text/plain; version=0.0.4"),
                observers=[self.events.append],
            )
            settings = ServeSettings(port=0)
            await serve(service, self.watch, settings, listening=self._listening)

    def _listening(self, url):
        self.url = url
        self._listens.set()

    def end(self):
        self.control.detach()
        self.thread.join(PATIENCE)
        assert not self.thread.is_alive()

    def ask(self, who, method, path, body=None, kind="application/json", **headers):
        if who:
            headers["Authorization"] = f"Bearer {token(who)}"
        if body is not None:
            headers["Content-Type"] = kind
        if isinstance(body, dict):
            body = json.dumps(body)
        host, _, port = self.url.removeprefix("http://").partition(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=PATIENCE)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return Answered(answer.status, answer.read().decode(), dict(answer.getheaders()))
        finally:
            connection.close()

    def healing_of(self, server):
        """The healing of a server, as soon as there is one."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            answer = self.ask("ann", "GET", f"/healings?server={server}").json
            if found := answer.get("healings"):
                return found[-1]["id"]
            time.sleep(0.02)  # likewise
        return pytest.fail(f"{server} is not healed")

    def when(self, healing, state):
        """How a healing stands, as soon as it stands so."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            answer = self.ask("ann", "GET", f"/healings/{healing}")
            assert answer.status in (200, 503), answer.body
            stands = answer.json
            if stands.get("state") == state:
                return stands
            time.sleep(0.02)  # another thread is at work on it, by a clock of its own
        return pytest.fail(f"it is {stands}, not {state}")


def over_journal(journal):
    """Behind a service: a watch that heals by itself, and its journal."""

    @asynccontextmanager
    async def behind(served):
        watch = Watch(
            (),
            SimulatedBackend(served.simulation),
            journal=journal,
            policy=POLICY,
            clock=served.clock,
            observers=[served.events.append],
            control=served.control,
        )
        yield watch, JournalDesk(watch, journal)

    return behind
