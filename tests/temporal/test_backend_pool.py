"""The backends of a site's worker: used again, and those that hang only once they don't."""

from __future__ import annotations

import asyncio
import threading

import pytest

pytest.importorskip("temporalio")

from popheal.temporal.activities import BackendPool


class Slow:
    """A backend whose call hangs, and that can't be closed before that has ended."""

    def __init__(self) -> None:
        self.answers = threading.Event()
        self.closed = threading.Event()

    def close(self) -> None:
        assert self.answers.wait(30)
        self.closed.set()


def broken_off(pool: BackendPool) -> Slow:
    """The backend of a call that was cancelled."""
    with pytest.raises(asyncio.CancelledError), pool.one() as backend:
        raise asyncio.CancelledError
    found: Slow = backend
    return found


def until_closed() -> None:
    """Wait for whoever closes one."""
    for thread in threading.enumerate():
        if thread.name == "popheal-closing":
            thread.join(30)


def test_a_backend_that_hangs_is_used_again_once_its_connections_are_given_back():
    """Not before; and there is not one more after each call that is broken off."""
    pool = BackendPool(Slow)
    hanging = broken_off(pool)
    with pool.one() as other:
        assert other is not hanging
        hanging.answers.set()
        until_closed()
        assert hanging.closed.is_set()
        with pool.one() as again:
            assert again is hanging
    other.answers.set()
    for _ in range(5):
        assert broken_off(pool) in (hanging, other)
        until_closed()


def test_the_end_waits_for_what_hangs():
    """Else its connections would be left open at the server."""
    pool = BackendPool(Slow)
    hanging = broken_off(pool)
    hanging.answers.set()
    pool.close()
    assert hanging.closed.is_set()


def test_a_call_that_fails_leaves_its_backend_as_it_is():
    """Its connections stay open."""
    pool = BackendPool(Slow)
    with pytest.raises(ValueError, match="no"), pool.one() as backend:
        raise ValueError("no")
    with pool.one() as again:
        assert again is backend
