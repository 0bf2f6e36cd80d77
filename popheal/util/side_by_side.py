"""Several things at once that mostly wait: in threads that nobody has to wait for at the end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import TypeVar

T = TypeVar("T")


def side_by_side(jobs: Sequence[Callable[[int], T]], at_once: int) -> list[T]:
    """What each job returns, in their order; each is given the number of who does it, from 0.

    Raises what the first of them raised, once all have ended. Broken off (by Ctrl-C), it leaves
    those that are under way to themselves, and begins no others.
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
        for _ in jobs:
            ended.get()
    finally:
        broken_off.set()
    if failed:
        raise failed[0]
    return results  # type: ignore[return-value] # each is there by now
