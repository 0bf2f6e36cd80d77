"""The ways by which a watch asks: as many as a backend can have, and none left behind."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from popheal.backends.simulated import load_scenario
from popheal.watch.connections import Connections


class Alone:
    """A backend that only one may use at a time."""

    organisation = "alone"

    def __init__(self):
        self.inside = self.most = 0

    def server_health(self, server):
        self.inside += 1
        self.most = max(self.most, self.inside)
        time.sleep(0)  # another thread gets its turn, if it may
        self.inside -= 1
        return [server]

    def avoiding(self, servers):
        return self


def test_one_that_can_not_be_divided_is_asked_one_thing_at_a_time():
    backend = Alone()

    async def ask():
        connections = Connections(backend, 4)
        assert connections.at_once == 1
        async with connections.of_its_own() as own:
            views = [own, type(own).avoiding(own, ())]
            with ThreadPoolExecutor(4) as threads:
                asked = [
                    threads.submit(views[number % 2].server_health, number) for number in range(400)
                ]
                looked = [await connections.look("server_health", "x") for _ in range(50)]
            assert [one.result() for one in asked] == [[number] for number in range(400)]
            assert looked == [["x"]] * 50
        await connections.close()

    asyncio.run(ask())
    assert backend.most == 1


class Divided:
    """A backend of several connections, which notes how each of them ended."""

    organisation = "divided"
    entrances = ("ex1", "ex2")

    def __init__(self):
        self.turns, self.ends = [], []

    def apart(self, without=(), turn=0):
        self.turns.append(turn)
        return _Own(self)


class _Own:
    def __init__(self, whole):
        self.whole = whole

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.whole.ends.append(kind and kind.__name__)

    def server_health(self, server):
        if server == "refuses":
            raise PermissionError(server)
        return [server]


def test_looks_share_connections_and_a_healing_has_its_own():
    backend = Divided()

    async def ask():
        connections = Connections(backend, 4)
        assert connections.at_once == 8
        for _ in range(3):
            assert await connections.look("server_health", "x") == ["x"]
            with pytest.raises(PermissionError):
                await connections.look("server_health", "refuses")
        assert backend.turns == [0], "the one that is open already is used again"
        async with connections.of_its_own():
            assert backend.turns == [0, 1]
        with pytest.raises(LookupError):
            async with connections.of_its_own():
                raise LookupError
        assert backend.ends == [None, None], "given back, whatever came of it"
        await connections.close()

    asyncio.run(ask())
    assert backend.ends == [None] * 3


def test_what_is_broken_off_is_dropped():
    backend = Divided()

    async def ask():
        connections = Connections(backend, 4)
        await connections.look("server_health", "x")
        with pytest.raises(asyncio.CancelledError):
            async with connections.of_its_own():
                raise asyncio.CancelledError
        assert backend.ends == ["CancelledError"]
        connections.abandon()
        await connections.close()

    asyncio.run(ask())
    assert backend.ends == ["CancelledError"] * 2


def test_a_simulated_organisation_is_asked_many_things_at_once():
    assert Connections(load_scenario("mailbox-healed-by-restart").backend, 4).at_once == 4
