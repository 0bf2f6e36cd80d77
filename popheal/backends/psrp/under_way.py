"""What is being asked right now, for whoever wonders why it takes so long."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

#: Says what is being done, by the state that it is in when it is asked.
Words = Callable[[], str]


class UnderWay:
    """The calls that are under way, over all connections of a backend; readable from any thread."""

    def __init__(self) -> None:
        self._calls: dict[object, Words] = {}

    @contextmanager
    def call(self, words: Words) -> Iterator[None]:
        """While this lasts, a call is under way."""
        this = object()
        self._calls[this] = words
        try:
            yield
        finally:
            del self._calls[this]

    def in_words(self) -> str:
        """The call that has been under way for longest; empty if none is."""
        words = next(iter(self._calls.copy().values()), None)
        return words() if words else ""
