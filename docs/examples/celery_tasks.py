"""popheal as a task of Celery.

    POPHEAL_CONFIG=popheal.toml celery -A celery_tasks worker --pool threads --concurrency 4

A task may be delivered twice, and a worker may die in the middle of one. Neither restarts a server
twice: each process writes into the same journal, on this machine, and looks before it acts.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from celery import Celery
from celery.exceptions import Reject
from celery.signals import worker_shutting_down

import popheal
from popheal.backends.psrp import PsrpBackend
from popheal.config.load import load_config
from popheal.errors import AlreadyRunning, Detached

app = Celery("popheal", broker=os.environ.get("POPHEAL_BROKER", "memory://"))
app.conf.task_acks_late = True  # a worker that dies has not answered the alert
app.conf.task_reject_on_worker_lost = True
app.conf.worker_prefetch_multiplier = 1
# Longer than the longest healing (popheal verify says how long), else it is delivered again.
app.conf.broker_transport_options = {"visibility_timeout": 12 * 3600}

control = popheal.Control()


@worker_shutting_down.connect
def leave(**_: Any) -> None:
    """A worker that is to end leaves its healings as they are, and another goes on with them."""
    control.detach()


@contextmanager
def healer() -> Iterator[popheal.Healer]:
    """Connections of the task's own: those of a process that has forked can't be shared."""
    told = load_config(os.environ["POPHEAL_CONFIG"])
    with popheal.Journal(told.journal) as journal, PsrpBackend(told.settings) as backend:
        yield popheal.Healer(backend, policy=told.policy, journal=journal)


@app.task(bind=True, max_retries=12)
def heal(self: Any, server: str, monitor: str | None = None) -> dict[str, Any]:
    """Answer an alert; the report, as JSON has it."""
    with healer() as it:
        try:
            report = gone_on_with(it, server) or it.heal(
                popheal.Alert(server=server, monitor=monitor), control=control
            )
        except Detached as left:
            raise Reject(str(left), requeue=True) from None
    if report.verdict is popheal.Verdict.HELD and report.handover.retry_at:
        raise self.retry(eta=report.handover.retry_at)
    return report.to_json()


def gone_on_with(it: popheal.Healer, server: str) -> popheal.Report | None:
    """The end of what a worker that has died had begun on the server, if there is such a thing."""
    for one in it.journal.healings(unfinished=True, server=server):
        try:
            return it.resume(one.id, control=control)
        except AlreadyRunning:
            continue  # another worker is at work on it: what is asked now will be held
    return None
