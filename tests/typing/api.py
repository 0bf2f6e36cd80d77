"""The public API as a typed program uses it; checked by mypy and pyright, never run."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import popheal
from popheal import Alert, ApprovalRequest, Backend, Event, Policy, Report, Timing, Verdict
from popheal.backends.psrp import PsrpBackend
from popheal.backends.simulated import SimulatedBackend, load_scenario
from popheal.diagrams import overview, render
from popheal.engine.control import Control
from popheal.engine.run import Run
from popheal.exchange.backend import AsyncBackend, Inspectable
from popheal.healthsets.pop import MAILBOX
from popheal.readiness import Judgement, Readiness
from popheal.snapshot import Snapshot, take_snapshot
from popheal.tables.actions import Impact
from popheal.tables.table import Procedure
from popheal.tabletop import Tabletop, rehearse_every_fault


def watch(event: Event) -> None:
    """An observer."""
    name: str = event.name
    at: datetime = event.at
    print(name, at)


def approve(request: ApprovalRequest) -> bool | None:
    """An approver."""
    return None if request.over() else request.plan.worst_case.reboots == 0


async def approve_async(request: ApprovalRequest) -> bool:
    """An asynchronous one."""
    return bool(request.plan.hash)


def embed(backend: Backend) -> Verdict:
    """Heal with everything that can be given."""
    policy = Policy(highest_impact=Impact.CHANGE, timing=Timing(settle=300))
    report: Report = popheal.heal(
        Alert(server="mbx1", health_set="POP", monitor=None),
        backend,
        policy=policy,
        observers=[watch],
        control=Control(),
        approver=approve,
    )
    return report.verdict


async def embed_async(backend: AsyncBackend) -> dict[str, object]:
    """The asynchronous form, and JSON."""
    report = await popheal.aheal(Alert(server="mbx1"), backend, approver=approve_async)
    return report.to_json()


def own_loop(procedure: Procedure) -> None:
    """A program with a loop of its own."""
    run = Run(id="1", procedure=procedure, server="mbx1", mailbox_role=True)
    while (action := run.next_action()) is not None:
        run.observe(action.outcomes[0])


def simulated() -> Backend:
    """The simulated backend is a backend."""
    backend: SimulatedBackend = load_scenario("mailbox-healed-by-reboot").backend
    return backend


def real(backend: PsrpBackend) -> Backend:
    """So is the real one."""
    return backend


def inspectable(backend: PsrpBackend) -> Inspectable:
    """It can tell what its own ways are like, too."""
    return backend


async def checked(backend: PsrpBackend) -> bool:
    """A check says a line each; it is text, JSON and a page."""
    readiness: Readiness = popheal.Healer(backend).check(["ex1"])
    again = await popheal.Healer(backend, policy=Policy()).acheck(["ex1"])
    bad: list[str] = [
        line.next_step for _, line in again.all_lines() if line.judgement is Judgement.BAD
    ]
    page: str = readiness.to_html()
    return bool(bad or page) and Readiness.from_json(again.to_json()) == again


def rehearsed(backend: PsrpBackend, path: str) -> Tabletop:
    """A snapshot of any backend is a scenario; every fault of one is rehearsed."""
    snapshot: Snapshot = take_snapshot(backend, "ex1", policy=Policy())
    text: str = snapshot.to_toml()
    Path(path).write_text(text, encoding="utf-8")
    return rehearse_every_fault(Path(path))


def draw(procedure: Procedure, form: str) -> tuple[str, bytes, str | bytes]:
    """A picture is text, or bytes as a PNG; in a format that is not known yet, either."""
    text: str = render(procedure, "svg") + overview(procedure) + overview(procedure, "dot")
    image: bytes = render(procedure, "png") + overview(procedure, "png")
    return text, image, render(procedure, form)


render(MAILBOX, "png").encode()  # type: ignore[attr-defined]  # pyright: ignore
popheal.heal("mbx1", simulated())  # type: ignore[arg-type]  # pyright: ignore
popheal.heal(Alert(server=1), simulated())  # type: ignore[arg-type]  # pyright: ignore
Alert("mbx1")  # type: ignore[call-arg]  # pyright: ignore
