"""What a request brings: never more than is allowed, and nothing that is not asked for."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any, Final

from attrs import evolve
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from popheal.exchange.names import is_server_name
from popheal.reports.alert_given import alert_given
from popheal.reports.alert_text import decode_alert, read_alert
from popheal.reports.report import Alert

#: No alert is longer; whatever is, is something else.
MOST_BYTES: Final = 1_000_000
#: Seconds in which a body has to be there.
_PATIENCE: Final = 30.0

_JSON: Final = "application/json"
_NAMES: Final = {
    "server": '"server"',
    "health_set": '"health_set"',
    "monitor": '"monitor"',
    "text": '"text"',
}


async def body_of(request: Request) -> bytes:
    """The body of a request. Raises HTTPException: 413 if it is too long, 408 if it is late."""
    found = bytearray()
    try:
        async with asyncio.timeout(_PATIENCE):
            async for piece in request.stream():
                found += piece
                if len(found) > MOST_BYTES:
                    raise HTTPException(413, f"The body has more than {MOST_BYTES:,} bytes.")
    except ClientDisconnect:
        raise HTTPException(400, "The connection ended before the body was there.") from None
    except TimeoutError:
        raise HTTPException(408, f"The body was not there within {_PATIENCE:g} seconds.") from None
    return bytes(found)


async def object_of(request: Request, *keys: str) -> dict[str, str]:
    """The body as a JSON object of texts. Raises HTTPException: 400 if it is none, or has others.

    Who asks is never among them: that is whose the token is.
    """
    body = await body_of(request)
    try:
        read = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        raise HTTPException(400, "The body is no JSON.") from None
    possible = f"Possible here: {', '.join(keys) or 'nothing at all'}."
    if not isinstance(read, Mapping):
        raise HTTPException(400, f"The body is no JSON object. {possible}")
    for key, value in read.items():
        if key not in keys:
            raise HTTPException(400, f"{json.dumps(key)} is not known. {possible}")
        if not isinstance(value, str):
            raise HTTPException(400, f"{json.dumps(key)} is no text.")
    # JSON may have half a character, as where an alert was cut off; nothing else can write it.
    return {key: value.encode("utf-8", "replace").decode() for key, value in read.items()}


async def alert_of(request: Request, owner: str) -> tuple[Alert, tuple[str, ...]]:
    """The alert that a request raises, as JSON or as the text of one; and what was unclear in it.

    Raises:
        HTTPException: If the body can't be used.
        UnknownName: If there is no such health set or monitor.
        UnclearAlert: If it can't be told which alert is meant.
    """
    given: Mapping[str, Any] = {}
    kind = request.headers.get("content-type", "").partition(";")[0].strip().casefold()
    if kind == _JSON:
        given = await object_of(request, *_NAMES)
        text = given.get("text", "")
    elif kind in ("", "text/plain"):
        text = decode_alert(await body_of(request))
        if not text.strip():
            raise HTTPException(400, "The body is empty: send the text of an alert, or JSON.")
    else:
        raise HTTPException(415, f"Send {_JSON}, or text/plain.")
    told = read_alert(text) if text.strip() else None
    fields = {name: given.get(name) for name in ("server", "health_set", "monitor")}
    alert = alert_given(told, **fields, names=_NAMES)
    if not is_server_name(alert.server):
        raise HTTPException(400, f"{json.dumps(alert.server)} is not the name of a server.")
    return evolve(alert, raised_by=(owner,)), tuple(told.unclear) if told else ()
