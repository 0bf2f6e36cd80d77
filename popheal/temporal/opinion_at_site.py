"""The second opinion, which a site's worker gets: where and as whom is known there only."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError

from popheal.errors import PophealError
from popheal.second_opinion import Consulted
from popheal.temporal.messages import Answer, Command, site_queue
from popheal.util.serialize import from_jsonable

#: It is told and decides nothing, so a worker is waited for but a short time.
_TAKEN_UP_WITHIN: Final = timedelta(seconds=30)
#: No settings allow more.
_LONGEST: Final = timedelta(seconds=330)


async def consult_at(site: str, command: Command, activity_id: str) -> Consulted | None:
    """Ask for it. None if the site has none, or if nobody could tell."""
    try:
        answer: Answer = await workflow.execute_activity(
            "consult",
            command,
            result_type=Answer,
            task_queue=site_queue(site),
            activity_id=activity_id,
            schedule_to_start_timeout=_TAKEN_UP_WITHIN,
            start_to_close_timeout=_LONGEST,
            retry_policy=RetryPolicy(maximum_attempts=1),
        )
        return from_jsonable(answer.value, Consulted) if answer.value else None
    except (ActivityError, PophealError):
        return None
