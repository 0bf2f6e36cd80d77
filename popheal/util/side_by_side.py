"""Several things at once that mostly wait: in threads that nobody has to wait for at the end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Final, TypeVar

T = TypeVar("T")

#: Seconds until it is asked again whether to leave off.
_OFTEN: Final = 0.2


class LeftOff(Exception):
    """Those that are under way were left to themselves, and no others were begun."""


def _never() -> bool:
    return False


def side_by_side(
    jobs: Sequence[Callable[[int], T]], at_once: int, leave_off: Callable[[], bool] = _never
) -> list[T]:
    """What each job returns, in their order; each is given the number of who does it, from 0.

    Args:
        jobs: What is to be done.
        at_once: How many at a time.
        leave_off: Asked now and then whether to wait no longer.

    Raises:
        LeftOff: If it was left off.
        Exception: What the first of them raised, once all have ended.
    """
    results: list[T | None] = [None] * len(jobs)
    failed: list[Exception] = []
    waiting: SimpleQueue[tuple[int, Callable[[int], T]] | None] = SimpleQueue()
    ended: SimpleQueue[None] = SimpleQueue()
    for numbered in enumerate(jobs):
        waiting.put(numbered)
    broken_off = threading.Event()

    def work(worker: int) -> None:
        while not broken_off.is_set() and (job := waiting.get()) is not None:
            number, do = job
            try:
                results[number] = do(worker)
            except Exception as error:  # noqa: BLE001 - raised where it is waited for
                failed.append(error)
            ended.put(None)

    workers = min(at_once, len(jobs))
    for number in range(workers):
        waiting.put(None)
        threading.Thread(target=work, args=(number,), name=f"popheal-{number}", daemon=True).start()
    try:
        left = len(jobs)
        while left:
            if leave_off():
                raise LeftOff
            with suppress(Empty):
                ended.get(timeout=_OFTEN)
                left -= 1
    finally:
        broken_off.set()
    if failed:
        raise failed[0]
    return results  # type: ignore[return-value] # each is there by now
