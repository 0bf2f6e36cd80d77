"""A healing on Temporal ends as one with a journal in memory: same report, effects and entries."""

from __future__ import annotations

import pytest

from tests.evidence.on_temporal import compare

#: With a reboot, its drain and its failing back; and with a restart, of another procedure. All of
#: them are compared by the command.
SAMPLE = ("mailbox-healed-by-reboot", "client-access-healed-by-restart")


@pytest.fixture(scope="module", params=SAMPLE)
def compared(request, fleet):
    """A scenario healed in both ways."""
    return compare(fleet, request.param)


def test_it_ends_alike(compared):
    assert not compared.problems
