"""Shells that will surely be needed are opened side by side, and no logon is tried twice for it."""

from __future__ import annotations

import threading
import time

import pytest
from pypsrp.powershell import RunspacePool

from popheal import Alert, Journal, Verdict, heal
from popheal.backends.psrp import PsrpBackend, PsrpSettings, exchange_connection, winrm_connection
from popheal.backends.simulated import load_scenario
from popheal.errors import NotAuthorised, Unreachable
from popheal.exchange.backend import OpensAhead
from popheal.lab import Lab
from popheal.lab.wire_faults import Wire, WireFault
from popheal.util.secrets import Secret
from tests.support.lab_backend import EX1, EX2, FakeBackend

pytestmark = pytest.mark.lab


class Openings:
    """What is being opened, and how much of it at a time; each waits until so many are."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, together: int) -> None:
        self.begun: list[str] = []
        self._barrier = threading.Barrier(together, timeout=20)
        original = RunspacePool.open

        def open_together(pool: RunspacePool, *args: object) -> None:
            self.begun.append(pool.connection.transport.endpoint)
            self._barrier.wait()
            original(pool, *args)

        monkeypatch.setattr(RunspacePool, "open", open_together)


def test_shells_open_side_by_side(
    lab: Lab, backend: PsrpBackend, fake: FakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither would open if it had to wait for the other; and each is opened once."""
    assert isinstance(backend, OpensAhead)
    openings = Openings(monkeypatch, together=2)
    backend.open_ahead(EX1, [EX2])
    assert backend.host_status(EX1) == fake.host_status(EX1)
    assert backend.host_status(EX2) == fake.host_status(EX2)
    assert len(openings.begun) == 2
    backend.open_ahead(EX1, [EX2])
    backend.host_status(EX2)
    assert len(openings.begun) == 2
    assert lab.shells(EX1, "wsman") == lab.shells(EX2, "wsman") == 1
    backend.close()
    assert lab.shells(EX1, "wsman") == lab.shells(EX2, "wsman") == 0


def test_a_failure_is_told_to_the_next_look_and_to_no_other(lab: Lab, backend: PsrpBackend) -> None:
    """A password that is refused is not tried more often, or the account might be locked."""
    lab.faults.add(WireFault(kind=Wire.UNAUTHORISED, action="Create", server=EX1, endpoint="plain"))
    backend.open_ahead(EX1, [])
    with pytest.raises(NotAuthorised) as caught:
        backend.host_status(EX1)
    assert caught.value.server == EX1
    # The one fault that was planned is used up: a second try had been none.
    assert backend.host_status(EX1)


def test_what_is_still_opening_keeps_nobody(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Closing does not wait for a server that is silent."""
    lab.faults.add(WireFault(kind=Wire.STALL, action="Create", server=EX1, endpoint="plain"))
    monkeypatch.setattr("popheal.backends.psrp.routing.TIDY", 0.5)
    backend = PsrpBackend(lab.settings(connect_timeout=20))
    backend.open_ahead(EX1, [])
    started = time.monotonic()
    backend.close()
    assert time.monotonic() - started < 5


def test_nothing_is_opened_in_clear_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a password would go over the wire as it is, that is left to the look, which says so."""
    openings = Openings(monkeypatch, together=1)
    readable = {"ssl": False, "auth": "basic", "username": "a", "password": Secret("b")}
    settings = PsrpSettings(
        exchange=exchange_connection([EX1], **readable), winrm=winrm_connection(**readable)
    )
    with PsrpBackend(settings) as backend:
        backend.open_ahead(EX1, [EX2])
        with pytest.raises(Unreachable, match="clear text"):
            backend.host_status(EX1)
    assert openings.begun == []


def test_a_recovery_opens_the_members_of_a_group_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """As soon as the group is known, those of all of its members that are up."""
    scenario = load_scenario("mailbox-healed-by-reboot")
    asked: list[tuple[str, ...]] = []
    monkeypatch.setattr(
        type(scenario.backend),
        "open_ahead",
        lambda _self, server, others: asked.append((server, *others)),
        raising=False,
    )
    report = heal(
        Alert(server=scenario.server), scenario.backend, clock=scenario.clock, journal=Journal()
    )
    assert report.verdict is Verdict.RECOVERED
    assert ("mbx1.contoso.com",) in asked
    assert ("MBX2", "MBX3") in asked
