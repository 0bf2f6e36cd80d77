"""Two healings in one group: never are both members out of service."""

from __future__ import annotations

import asyncio

import pytest

from popheal import Alert
from popheal.backends.simulated import load_scenario
from popheal.policy.policy import Policy
from popheal.reports.report import Report
from popheal.tables.table import Verdict
from tests.journal.test_two_processes import SERVERS, TWO_ILL
from tests.support.fleet import site_worker_of
from tests.support.healing import Watched
from tests.support.lab_process import Witness
from tests.support.properties import violations


@pytest.mark.slow
def test_one_of_two_members_waits_for_another_time(fleet, tmp_path):
    path = tmp_path / "two-ill.toml"
    path.write_text(TWO_ILL)
    played = load_scenario(path)
    backend = Watched(played.organisation)
    witness = Witness(played.organisation)
    policy = Policy(sibling_share=1.0)

    async def heal(server):
        alert = Alert(server=server, monitor="PopDeepTestMonitor")
        handle = await fleet.begin(alert, backend.organisation, "two-ill", policy=policy)
        return Report.from_json((await handle.result()).report)

    async def heal_both():
        # One after the other: the organisation is simulated, and is one.
        async with site_worker_of(fleet, "two-ill", backend, workers=1):
            return await asyncio.gather(*map(heal, SERVERS))

    held, healed = sorted(fleet.run(heal_both()), key=lambda one: one.verdict.value)
    assert (held.verdict, healed.verdict) == (Verdict.HELD, Verdict.RECOVERED)
    assert "another healing is at work on a member of" in held.summary
    at_work = healed.alert.server.partition(".")[0]
    assert f"Let it, or stop it: popheal fleet stop {at_work}" in held.handover.next_steps[0]
    assert not violations(witness.evidence().case(healed))
