"""A healing is disturbed around an effect: nothing is done twice, and nothing is lost.

One case of each kind; ``python -m tests.evidence.disturbances`` goes through every effect.
"""

from __future__ import annotations

import pytest

pytest.importorskip("psrpcore", reason="needs popheal[lab]")

from tests.evidence.disturbed import disturbed
from tests.support.fleet import Fleet, server_program

pytestmark = [pytest.mark.slow, pytest.mark.lab, pytest.mark.evidence]

SCENARIO = "mailbox-healed-by-restart"


@pytest.mark.parametrize(
    ("how", "when"),
    [
        ("site-killed", "granted"),
        ("site-killed", "done"),
        ("site-frozen", "asked"),
        ("activity-paused", "done"),
        # Whose command is still on its way: it is waited for, and not given once more.
        ("workflow-reset", "granted"),
    ],
)
def test_it_ends_alike(fleet, how, when):
    assert disturbed(fleet, SCENARIO, 1, when, how).wrong == ()


@pytest.fixture(scope="module")
def apart(fleet, tmp_path_factory):
    """A server with a file, whose engine is a process that can be killed."""
    file = tmp_path_factory.mktemp("fleet") / "temporal.db"
    apart = Fleet(server_program() or "", file=file, engine=False)
    yield apart
    apart.close()


@pytest.mark.parametrize(
    ("how", "when"),
    [("engine-killed", "done"), ("engine-frozen", "asked"), ("server-killed", "granted")],
)
def test_it_ends_alike_without_engine_or_server(apart, how, when):
    assert disturbed(apart, SCENARIO, 1, when, how).wrong == ()
