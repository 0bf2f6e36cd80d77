"""A healing on Temporal ends as one with a journal in memory: same report, effects and entries."""

from __future__ import annotations

import pytest

from tests.evidence.on_temporal import compare
from tests.support.fleet import NEVER_LONG, SHORT, Fleet, server_program

pytestmark = pytest.mark.slow

#: With a reboot, its drain and its failing back; and with a restart, of another procedure. All of
#: them are compared by the command.
SAMPLE = ("mailbox-healed-by-reboot", "client-access-healed-by-restart")


@pytest.fixture(scope="module", params=SAMPLE)
def compared(request, fleet):
    """A scenario healed in both ways."""
    return compare(fleet, request.param)


def test_it_ends_alike(compared):
    """With what :mod:`tests.evidence.on_temporal` compares: a length and a largest event, too."""
    assert not compared.problems


def test_whoever_goes_on_comes_to_the_same(fleet, compared):
    """Another worker replays a history from its beginning, and must ask for the very same."""
    from temporalio.worker import Replayer

    from popheal.temporal.converter import DATA_CONVERTER
    from popheal.temporal.healing_workflow import Healing
    from popheal.temporal.worker import sandbox

    replayer = Replayer(
        workflows=[Healing], data_converter=DATA_CONVERTER, workflow_runner=sandbox()
    )
    for history in compared.histories:
        fleet.run(replayer.replay_workflow(history))


@pytest.fixture(scope="module")
def uncached(fleet):
    """A server whose workers keep nothing in memory, so each step replays a whole history."""
    uncached = Fleet(server_program() or "", max_cached_workflows=0)
    yield uncached
    uncached.close()


@pytest.mark.parametrize(
    ("scenario", "long"),
    [("client-access-healed-by-restart", NEVER_LONG), ("command-time-healed-by-restart", SHORT)],
)
def test_it_ends_alike_with_nothing_kept_in_memory(uncached, scenario, long):
    compared = compare(uncached, scenario, long=long)
    assert not compared.problems
    assert (len(compared.histories) > 1) == (long == SHORT)
