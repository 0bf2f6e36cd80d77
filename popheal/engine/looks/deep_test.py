"""Whether a deep test had anything to test (erratum D24)."""

from __future__ import annotations

from typing import Final

from popheal.engine.looks.copies import read_copies_on
from popheal.errors import BackendError
from popheal.exchange.interpret import is_active
from popheal.exchange.models import ProbeResult
from popheal.healthsets.pop.catalog import DEEP_TEST_PROBE
from popheal.healthsets.pop.causes import NOTHING_TO_TEST, name_cause

#: What is said then.
NO_DATABASE: Final = (
    "no database is active there, so it may have had nothing to test, and says nothing of POP"
)


async def had_nothing_to_test(server: str, result: ProbeResult | None) -> bool:
    """Whether a deep test that failed says so, on a server on which no database is active.

    Then it says nothing of POP there: it could not tell.

    Args:
        server: Where it was run.
        result: What it returned.
    """
    if not is_deep(result) or result is None:
        return False
    named = name_cause((result.error, result.exception))
    return named is not None and named.name == NOTHING_TO_TEST and not await has_active(server)


def is_deep(result: ProbeResult | None) -> bool:
    """Whether it is the result of the deep test."""
    return result is not None and result.probe.casefold() == DEEP_TEST_PROBE.casefold()


async def has_active(server: str) -> bool:
    """Whether a database is active there; so it is taken for if it can't be told."""
    try:
        copies = await read_copies_on(server)
    except BackendError:
        return True
    return any(is_active(copy) and not database.recovery for copy, database in copies)
