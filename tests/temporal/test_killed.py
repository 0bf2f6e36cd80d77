"""A worker of the site is killed around an effect: nothing is done twice, and nothing is lost."""

from __future__ import annotations

import pytest

pytest.importorskip("psrpcore", reason="needs popheal[lab]")

from tests.evidence.on_temporal import killed

pytestmark = [pytest.mark.slow, pytest.mark.lab]


@pytest.mark.parametrize("when", ["granted", "done"])
def test_a_worker_that_is_killed_at_its_effect(fleet, when):
    """When the latch is taken, and when the command has been given: every effect by the command."""
    assert killed(fleet, "mailbox-healed-by-restart", 1, when) == []
