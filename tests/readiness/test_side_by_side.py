"""Many servers at once: those that never answer keep nobody waiting."""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
import time

import pytest
from attrs import evolve

from popheal import Control, Healer
from popheal.backends.psrp.inspector import inspect_way
from popheal.backends.simulated import SimulatedBackend
from popheal.backends.simulated.scenario import build_scenario
from popheal.errors import Detached
from popheal.exchange.backend import LOOKS
from popheal.exchange.inspection import Inspection
from popheal.lab import Lab
from popheal.readiness import Judgement
from popheal.util.side_by_side import LeftOff, side_by_side

NAMES = [f"cas{number}.contoso.com" for number in range(1, 21)]
SILENT = NAMES[4], NAMES[11], NAMES[19]
#: Seconds: what answers must do so by then on a machine that is busy with much else.
PATIENCE = 5.0
UNTOLD = Judgement.COULD_NOT_TELL


def twenty():
    content = {
        "title": "Twenty servers",
        "alert": {"server": "CAS1", "health_set": "POP"},
        "organisation": {"version": "2013"},
        "servers": {name.partition(".")[0].upper(): {"roles": ["client_access"]} for name in NAMES},
    }
    return build_scenario(content).organisation


class Ways(SimulatedBackend):
    """The ways in are those of a lab; everything else is looked at in process."""

    entrances = NAMES[:2]
    settings = None
    at_work = 0
    most_at_work = 0

    def ways(self, server):
        return ("[exchange]", "[winrm]") if server in self.entrances else ("[winrm]",)

    def inspect(self, server, way, methods):
        return inspect_way(self.settings, server, way, methods)

    @contextlib.contextmanager
    def apart(self, without=(), turn=0):
        assert set(without) <= set(self.entrances)
        Ways.at_work += 1
        Ways.most_at_work = max(Ways.most_at_work, Ways.at_work)
        yield self
        Ways.at_work -= 1


@contextlib.contextmanager
def never_answers():
    """A port to which no connection comes about: what waits to be accepted is full."""
    with contextlib.ExitStack() as stack:
        full = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(3):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                waiting.connect(full.getsockname())
        yield full.getsockname()[1]


@pytest.mark.lab
@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a full queue refuses")
def test_three_of_twenty_never_answer():
    organisation = twenty()
    with Lab(SimulatedBackend(organisation), NAMES) as lab, never_answers() as port:
        short = lab.settings(connect_timeout=PATIENCE)
        dead = dict.fromkeys(SILENT, f"127.0.0.1:{port}")
        backend = Ways(organisation)
        backend.settings = evolve(short, addresses={**short.addresses, **dead})
        healer = Healer(backend)
        began = time.monotonic()
        healer.check([name for name in NAMES if name not in SILENT])
        answers = time.monotonic() - began
        began = time.monotonic()
        found = healer.check(NAMES)
        took = time.monotonic() - began
    assert took <= 2 * PATIENCE + answers
    assert [one.server for one in found.servers] == NAMES
    for one in found.servers:
        wrong = {line.name for line in one.lines if line.judgement is not Judgement.GOOD}
        asked = {line.name for line in one.lines if not line.because} & wrong
        assert asked == ({"tcp [winrm]"} if one.server in SILENT else set()), one.server
    assert 2 <= Ways.most_at_work <= 12, "six at a time for each of two entrances"


# --- entrances -----------------------------------------------------------------------------------


class Doors(SimulatedBackend):
    """Its entrances are as they are said to be."""

    entrances = ("mbx1.contoso.com", "mbx2.contoso.com")
    shut = ()
    lacks = ()
    used = ()

    def ways(self, server):
        return ("front", "own")

    def inspect(self, server, way, methods):
        blocks = tuple(one for one in LOOKS if one in self.lacks) if way == "front" else ()
        blocks = LOOKS if way == "front" and server in self.shut else blocks
        passed = not blocks
        return [Inspection(question="session", passed=passed, next_step="Mend it.", blocks=blocks)]

    def apart(self, without=(), turn=0):
        self.used = (*self.used, tuple(without))
        return contextlib.nullcontext(self)


def doors(**changed):
    content = {
        "title": "Two",
        "alert": {"server": "MBX1", "health_set": "POP"},
        "organisation": {"preset": "dag2"},
    }
    backend = Doors(build_scenario(content).organisation)
    for name, value in changed.items():
        setattr(backend, name, value)
    return backend


def waiting(found):
    return {(one.server, line.because) for one in found.servers for line in one.lines} - {
        (one.server, "") for one in found.servers
    }


def test_another_entrance_is_taken_where_one_is_shut():
    backend = doors(shut=["mbx1.contoso.com"])
    found = Healer(backend).check(["mbx2.contoso.com"])
    assert backend.used == (("mbx1.contoso.com",),)
    assert waiting(found) == set()
    (_, entrance) = found.servers
    assert entrance.server == "mbx1.contoso.com"
    assert [line.name for line in entrance.lines] == ["session front"]


def test_where_all_are_shut_nothing_is_asked_that_goes_by_them():
    found = Healer(doors(shut=Doors.entrances)).check(["mbx1.contoso.com", "mbx2.contoso.com"])
    first, second = ({line.name: line for line in one.lines} for one in found.servers)
    assert first["server"].because == "session front"
    assert second["server"].because == "mbx1.contoso.com: session front"
    lines = second
    assert lines["boot"].judgement is Judgement.GOOD


def test_a_cmdlet_that_is_lacking_everywhere_keeps_only_its_own_lines_waiting():
    found = Healer(doors(lacks=("pop_settings",))).check(["mbx2.contoso.com"])
    held = {line.key for line in found.servers[0].lines if line.because}
    assert held == {"settings", "loopback", "pop_log"}


# --- breaking off --------------------------------------------------------------------------------


def test_it_can_be_ended_early():
    control = Control()
    control.cancel()
    for backend in (doors(), SimulatedBackend(twenty())):
        with pytest.raises(Detached):
            Healer(backend).check(NAMES[:1], control=control)


def test_what_is_under_way_is_left_to_itself():
    hangs, over = threading.Event(), threading.Event()

    def hang(_worker):
        over.set()
        hangs.wait(60)

    with pytest.raises(LeftOff):
        side_by_side([hang, hang], 1, over.is_set)
    hangs.set()


def test_what_a_job_raises_is_raised_once_all_have_ended():
    done = []

    def fails(_worker):
        raise LookupError("no")

    with pytest.raises(LookupError):
        side_by_side([fails, done.append], 2)
    assert len(done) == 1
    assert side_by_side([], 3) == []
