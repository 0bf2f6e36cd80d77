"""What one transition of a run costs, against the bare trigger of `transitions`."""

from __future__ import annotations

import statistics
import time

from transitions import Machine

from popheal.engine.run import Run
from popheal.healthsets.pop import MAILBOX

OUTCOMES = ("done", "failed", "feasible", "done", "clear", "done", "up", "succeeded", "done")
ROUNDS, RUNS = 15, 300


def bare() -> float:
    """Seconds for each trigger of a plain machine with the same states and rows."""
    machine = Machine(
        model=None,
        states=[*(one.name for one in MAILBOX.states), *MAILBOX.endings],
        initial=MAILBOX.start,
        auto_transitions=False,
        send_event=True,
    )
    for one in MAILBOX.states:
        for row in one.transitions:
            machine.add_transition(row.outcome, one.name, row.target)

    class Model:
        state = MAILBOX.start

    started = time.perf_counter()
    for _ in range(RUNS):
        model = Model()
        for outcome in OUTCOMES:
            machine.events[outcome].trigger(model)
    return (time.perf_counter() - started) / (RUNS * len(OUTCOMES))


def ours() -> float:
    """Seconds for each step of a run: asking for the action, and observing its outcome."""
    started = time.perf_counter()
    for number in range(RUNS):
        run = Run(id=str(number), procedure=MAILBOX, server="mbx1", mailbox_role=True)
        for outcome in OUTCOMES:
            run.next_action()
            run.observe(outcome)
    return (time.perf_counter() - started) / (RUNS * len(OUTCOMES))


def main() -> None:
    """Alternate, and compare pair by pair."""
    pairs = [(bare(), ours()) for _ in range(ROUNDS)]
    ratio = statistics.median(b / a for a, b in pairs)
    print(f"bare trigger  {statistics.median(a for a, _ in pairs) * 1e6:6.1f} us")
    print(
        f"step of a run {statistics.median(b for _, b in pairs) * 1e6:6.1f} us   ratio {ratio:4.2f}"
    )


if __name__ == "__main__":
    main()
