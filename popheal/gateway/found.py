"""A healing of a fleet as it was found there: its workflow, and as a journal would have it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from attrs import evolve, fields_dict, frozen
from temporalio.client import WorkflowExecution, WorkflowExecutionStatus

from popheal.journal import HealingRecord
from popheal.temporal.custody import Line
from popheal.temporal.listing import OPEN
from popheal.util.serialize import from_jsonable

_FIELDS: Final = tuple(fields_dict(HealingRecord))


@frozen(kw_only=True)
class Execution:
    """A workflow of a healing, by its last run.

    Attributes:
        workflow: Its id, which all healings of a server have.
        run: Its last run.
        first_run: Its first one, which tells it from the others of that id; empty as long as it
            was only seen in a list.
        status: What Temporal says of it.
    """

    workflow: str
    run: str
    first_run: str
    status: WorkflowExecutionStatus
    began: datetime
    closed: datetime | None

    @property
    def goes_on(self) -> bool:
        """Whether it goes on in another run."""
        return self.status is WorkflowExecutionStatus.CONTINUED_AS_NEW

    @property
    def is_open(self) -> bool:
        """Whether it runs, in whichever of its runs."""
        return self.status in OPEN

    @property
    def is_done(self) -> bool:
        """Whether it has come to its end by itself."""
        return self.status is WorkflowExecutionStatus.COMPLETED

    @classmethod
    def described(cls, found: WorkflowExecution) -> Execution:
        """As Temporal describes it."""
        one = cls.listed(found)
        return one if one.first_run else evolve(one, first_run=one.run)

    @classmethod
    def listed(cls, found: WorkflowExecution) -> Execution:
        """As Temporal lists it."""
        return cls(
            workflow=found.id,
            run=found.run_id,
            first_run=found.raw_info.first_run_id,
            status=found.status or WorkflowExecutionStatus.RUNNING,
            began=found.start_time,
            closed=found.close_time,
        )


@frozen(kw_only=True)
class Found:
    """A healing of the fleet.

    Attributes:
        record: As a journal has it. One whose workflow has ended without a report has not ended,
            and is not alive.
        lines: What is known of what it has written down, as an export of a journal has it.
        at: Its workflow.
        failed: Why that has failed, or has begun nothing; empty if it has not.
    """

    record: HealingRecord
    at: Execution
    lines: Sequence[Line] = ()
    failed: str = ""

    @property
    def is_lost(self) -> bool:
        """Whether its workflow was terminated, or has failed: it owes what it has changed."""
        return self.record.ended_at is None and not self.record.alive

    @property
    def how_lost(self) -> str:
        """What Temporal says of it, and what to do, in words."""
        if not self.is_lost:
            return self.failed
        what = self.failed or f"its workflow is {self.at.status.name.lower().replace('_', ' ')}"
        return f"{what}: see popheal fleet settle {self.record.server}"


def record_of(lines: Iterable[Line]) -> HealingRecord | None:
    """The healing of which an export tells; None if there is none in it yet."""
    line = next((one for one in lines if one["type"] == "healing"), None)
    if line is None:
        return None
    known = {name: line[name] for name in _FIELDS if name in line}
    return from_jsonable(known, HealingRecord)
