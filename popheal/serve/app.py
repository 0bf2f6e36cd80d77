"""The routes: what is asked over HTTP, by whom, and what is answered.

Every request but ``GET /alive`` needs a bearer token. A token is a person or a program: who raises
an alert, approves or stops is its owner, whatever the request says.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from popheal.errors import (
    AlreadyEnded,
    ApprovalNotPending,
    FleetSilent,
    JournalError,
    PophealError,
    UnknownName,
)
from popheal.journal import HealingRecord, Journal
from popheal.journal.status import standing_of
from popheal.reports.alert_given import UnclearAlert
from popheal.reports.event_log import log_event, log_failure
from popheal.reports.events import Observer
from popheal.review import case_of_record, page_of
from popheal.serve.bodies import alert_of, object_of
from popheal.serve.desk import Desk
from popheal.serve.events import RequestAnswered
from popheal.serve.settings import ALERT, DECIDE, LOOK, RIGHTS, Token
from popheal.serve.tokens import Tokens
from popheal.util.serialize import to_jsonable
from popheal.util.text import one_line
from popheal.watch.answer import Answer

#: Seconds that whoever raises an alert waits for what is done about it.
_PATIENCE: Final = 20.0
#: As many healings as are listed at once.
_NEWEST: Final = 50
_MOST: Final = 500
#: What a request brings is told no longer than that.
_LONGEST: Final = 200
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
#: How each error is answered; one that is not here is a defect.
_STATUS: Final[Mapping[type[Exception], int]] = {
    AlreadyEnded: 409,
    ApprovalNotPending: 409,
    UnclearAlert: 400,
    JournalError: 503,
    FleetSilent: 503,
    UnknownName: 404,  # AlreadyEnded is one, and stands before it
}

#: Makes the text that Prometheus reads, and says of which content type it is.
Metrics = Callable[[], tuple[bytes, str]]


class Service:
    """Answers requests.

    Args:
        desk: Who takes alerts, and knows the healings.
        tokens: Who may ask for what.
        metrics: Makes what ``GET /metrics`` answers, if anything does.
        observers: Called with an event for each request.
    """

    def __init__(
        self,
        desk: Desk,
        tokens: Sequence[Token],
        *,
        metrics: Metrics | None = None,
        observers: Sequence[Observer] = (),
    ) -> None:
        self._desk = desk
        self._tokens = Tokens(tokens)
        self._metrics = metrics
        self._observers = (log_event, *observers)

    def app(self) -> Starlette:
        """The application, for a server of ASGI."""
        routes = (
            ("GET", "/alive", "", self._alive),
            ("GET", "/healings", LOOK, self._healings),
            ("GET", "/healings/{healing}", LOOK, self._healing),
            ("GET", "/metrics", LOOK, self._told_metrics),
            ("POST", "/alerts", ALERT, self._alert),
            ("POST", "/healings/{healing}/approve", DECIDE, self._approve),
            ("POST", "/healings/{healing}/refuse", DECIDE, self._refuse),
            ("POST", "/healings/{healing}/stop", DECIDE, self._stop),
        )
        return Starlette(
            routes=[
                Route(path, self._guarded(right, answer), methods=[method])
                for method, path, right, answer in routes
            ],
            exception_handlers={HTTPException: self._lost},  # type: ignore[dict-item]
        )

    # --- around each request ---------------------------------------------------------------------

    def _guarded(
        self, right: str, answer: Callable[[Request, str], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def guarded(request: Request) -> Response:
            token = self._tokens.owner_of(request.headers.get("authorization", ""))
            owner, refused = token.owner if token else "", ""
            try:
                if right:
                    _require(token, right)
                response = await answer(request, owner)
            except HTTPException as error:
                response = _error(error.status_code, error.detail, error.headers)
            except PophealError as error:
                response, refused = _refusal(error), error.sentence()
            except Exception as error:  # noqa: BLE001 - a defect is told, and ends nothing else
                refused = f"a defect of popheal: {type(error).__name__}"
                response = _error(500, refused)
            return self._answered(request, response, owner, refused)

        return guarded

    async def _lost(self, request: Request, error: HTTPException) -> Response:
        """There is no such path, or not for that method."""
        return self._answered(request, _error(error.status_code, error.detail, error.headers), "")

    def _answered(
        self, request: Request, response: Response, owner: str, refused: str = ""
    ) -> Response:
        response.headers.update(_HEADERS)
        event = RequestAnswered(
            at=datetime.now(UTC),
            server="",
            by=owner or None,
            method=request.method,
            path=one_line(request.url.path, _LONGEST),
            status=response.status_code,
            client=request.client.host if request.client else "",
            refused=one_line(refused, _LONGEST) or None,
        )
        for observer in self._observers:
            try:
                observer(event)
            except Exception as error:  # noqa: BLE001 - telling must never change what is told
                log_failure(event.name, error)
        return response

    # --- looking ---------------------------------------------------------------------------------

    async def _alive(self, _request: Request, _owner: str) -> Response:
        """Whether the watch is at work: for whoever watches it."""
        return JSONResponse({"watching": self._desk.runs}, 200 if self._desk.runs else 503)

    async def _healings(self, request: Request, _owner: str) -> Response:
        asked = request.query_params
        newest = asked.get("newest", str(_NEWEST))
        is_short = newest.isdecimal() and len(newest) <= len(str(_MOST))
        if not is_short or not 1 <= int(newest) <= _MOST:
            raise HTTPException(400, f"newest is a number from 1 to {_MOST}.")
        found = await self._desk.healings(
            unfinished=asked.get("unfinished", "") in ("1", "true"),
            server=asked.get("server", ""),
            newest=int(newest),
        )
        return JSONResponse({"healings": [one.to_json() for one in found]})

    async def _healing(self, request: Request, _owner: str) -> Response:
        """How it stands and its report, as JSON; or as a page, if that is asked for."""
        name = request.path_params["healing"]
        if "text/html" in request.headers.get("accept", ""):
            return HTMLResponse(await self._desk.read(name, _page))
        return JSONResponse(await self._desk.read(name, _told))

    async def _told_metrics(self, _request: Request, _owner: str) -> Response:
        if self._metrics is None:
            raise HTTPException(404, "There are no metrics: popheal[metrics] is not installed.")
        text, kind = self._metrics()
        return Response(text, media_type=kind)

    # --- alerts, and what people say -------------------------------------------------------------

    async def _alert(self, request: Request, owner: str) -> Response:
        try:
            alert, unclear = await alert_of(request, owner)
        except UnknownName as error:
            raise HTTPException(400, str(error)) from None
        if not self._desk.runs:
            raise HTTPException(503, "The watch is ending, or has not begun yet.")
        try:
            async with asyncio.timeout(_PATIENCE):
                answer = await self._desk.raise_alert(alert)
        except TimeoutError:
            answer = Answer(what="looking")  # it is answered all the same
        if answer.what == "not_taken":
            raise HTTPException(503, f"The alert was not taken. {answer.why}")
        said = {"server": alert.server, "monitor": alert.monitor, "answer": answer.what}
        said |= {"healing": answer.healing or None, "why": answer.why or None}
        headers = {"Location": f"/healings/{answer.healing}"} if answer.healing else None
        return JSONResponse({**said, "unclear": unclear}, 202, headers)

    async def _approve(self, request: Request, owner: str) -> Response:
        return await self._decide(request, owner, granted=True)

    async def _refuse(self, request: Request, owner: str) -> Response:
        return await self._decide(request, owner, granted=False)

    async def _decide(self, request: Request, owner: str, *, granted: bool) -> Response:
        name = request.path_params["healing"]
        plan = (await object_of(request, "plan")).get("plan", "")
        if not plan:
            raise HTTPException(400, 'Say which plan: {"plan": "..."}, as the healing asks it.')
        answered = await self._desk.decide(name, plan, granted=granted, by=owner)
        return JSONResponse(to_jsonable(answered))

    async def _stop(self, request: Request, owner: str) -> Response:
        await object_of(request)
        standing = await self._desk.stop(request.path_params["healing"], by=owner)
        return JSONResponse(standing.to_json(), 202)


def _require(token: Token | None, right: str) -> None:
    if token is None:
        raise HTTPException(
            401, "It needs a token: Authorization: Bearer ...", {"WWW-Authenticate": "Bearer"}
        )
    if right not in token.may:
        raise HTTPException(
            403, f"The token of {token.owner} is not one to {RIGHTS[right]} (may: '{right}')."
        )


def _told(journal: Journal, record: HealingRecord) -> dict[str, Any]:
    standing = standing_of(journal, record)
    question = to_jsonable(standing.question) if standing.question else None
    return {**standing.to_json(), "question": question, "report": record.report}


def _page(journal: Journal, record: HealingRecord) -> str:
    return page_of(case_of_record(journal, record, as_of=datetime.now(UTC)))


def _refusal(error: PophealError) -> Response:
    """What popheal itself refuses; most next steps are for whoever has the journal."""
    status = next((one for kind, one in _STATUS.items() if isinstance(error, kind)), 500)
    for_everybody = isinstance(error, UnclearAlert | FleetSilent)
    said = str(error) if for_everybody else f"{error.sentence().rstrip('.')}."
    return _error(status, said)


def _error(status: int, said: str, headers: Mapping[str, str] | None = None) -> Response:
    return JSONResponse({"error": said}, status, headers)
