"""popheal in a FastAPI application: alerts come in by HTTP, and healings go on meanwhile.

POPHEAL_CONFIG=popheal.toml POPHEAL_TOKEN=... uvicorn fastapi_app:from_environment --factory
"""

import asyncio
import logging
import os
import secrets
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Any

from attrs import evolve
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel

import popheal
from popheal.backends.psrp import PsrpBackend
from popheal.config.load import load_config
from popheal.errors import AlreadyEnded, UnknownName
from popheal.journal.record import HealingRecord
from popheal.journal.status import standing_of

log = logging.getLogger(__name__)
#: Seconds until a request is answered: mostly it has turned out then if there is no such server.
PROMPTLY = 5.0


class Healings:
    """The healings of this process.

    Args:
        healer: With a journal on the disk, so that the next start goes on where this one was.
    """

    def __init__(self, healer: popheal.Healer) -> None:
        self.healer, self.journal = healer, healer.journal
        self._control = popheal.Control()
        self._at_work: set[asyncio.Task[popheal.Report]] = set()

    async def begin(self, alert: popheal.Alert) -> str:
        """Begin to answer an alert; returns the healing's id."""
        ids: list[str] = []

        def note(event: popheal.Event) -> None:
            if event.name == "healing_started":
                ids.append(event.id)

        healer = evolve(self.healer, observers=[*self.healer.observers, note])
        task = self._start(healer.aheal(alert, control=self._control))
        await asyncio.wait([task], timeout=PROMPTLY)
        if task.done():
            task.result()  # raises what there was to raise
        return ids[0]

    def go_on(self) -> None:
        """Go on with every healing whose process has died."""
        for one in self.journal.healings(unfinished=True):
            if not one.alive:
                self._start(self.healer.aresume(one.id, control=self._control))

    async def leave(self) -> None:
        """Leave each as it is: the next start goes on with it."""
        self._control.detach()
        await asyncio.gather(*self._at_work, return_exceptions=True)

    def _start(self, work: Coroutine[Any, Any, popheal.Report]) -> "asyncio.Task[popheal.Report]":
        task = asyncio.create_task(work)
        self._at_work.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: "asyncio.Task[popheal.Report]") -> None:
        self._at_work.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.warning("%s", error)


def known(request: Request, given: Annotated[Any, Depends(HTTPBearer())]) -> None:
    """Who has the token may have servers restarted."""
    told: HTTPAuthorizationCredentials = given
    if not secrets.compare_digest(told.credentials.encode(), request.app.state.token.encode()):
        raise HTTPException(401, "Not the token.")


def healings_of(request: Request) -> Healings:
    """The healings of the application."""
    found: Healings = request.app.state.healings
    return found


routes = APIRouter(dependencies=[Depends(known)])
All = Annotated[Healings, Depends(healings_of)]


class AlertIn(BaseModel):
    """What monitoring posts."""

    server: str
    monitor: str | None = None
    text: str = ""


@routes.post("/healings", status_code=202)
async def heal(alert: AlertIn, response: Response, healings: All) -> dict[str, str]:
    """Begin to answer an alert; its healing can be asked about from then on."""
    try:
        told = popheal.Alert(server=alert.server, monitor=alert.monitor, text=alert.text)
        begun = await healings.begin(told)
    except popheal.PophealError as error:
        raise HTTPException(422, str(error)) from None
    response.headers["Location"] = f"/healings/{begun}"
    return {"id": begun}


def found(healings: Healings, healing: str) -> HealingRecord:
    """A healing by its id, or the beginning of it."""
    try:
        return healings.journal.healing(healing)
    except UnknownName:
        raise HTTPException(404, "There is no such healing.") from None


@routes.get("/healings/{healing}")
def show(healing: str, healings: All) -> dict[str, Any]:
    """How a healing stands, and its report once it has ended."""
    record = found(healings, healing)
    return {**standing_of(healings.journal, record).to_json(), "report": record.report}


@routes.delete("/healings/{healing}", status_code=202)
def stop(healing: str, healings: All) -> None:
    """Stop a healing: from its next step on it only puts things back."""
    record = found(healings, healing)
    try:
        healings.journal.cancel(record.id, at=datetime.now(UTC))
    except AlreadyEnded as error:
        raise HTTPException(409, str(error)) from None


@routes.get("/servers/{server}/plan")
async def plan(server: str, healings: All) -> dict[str, Any]:
    """What healing the server could do: every way, and the worst case. Changes nothing."""
    try:
        return (await healings.healer.aplan(popheal.Alert(server=server))).to_json()
    except popheal.PophealError as error:
        raise HTTPException(422, str(error)) from None


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """From its start to its end."""
    app.state.healings.go_on()
    yield
    await app.state.healings.leave()


def create_app(healer: popheal.Healer, token: str) -> FastAPI:
    """The application. Serve it by TLS only, in one process (no ``--workers``)."""
    app = FastAPI(title="popheal", lifespan=lifespan)
    app.state.healings, app.state.token = Healings(healer), token
    app.include_router(routes)
    return app


def from_environment() -> FastAPI:
    """The application for the configuration that the environment names."""
    told = load_config(os.environ["POPHEAL_CONFIG"])
    journal, backend = popheal.Journal(told.journal), PsrpBackend(told.settings)
    healer = popheal.Healer(backend, policy=told.policy, journal=journal)
    return create_app(healer, os.environ["POPHEAL_TOKEN"])
