"""The plain endpoint's commands: the scripts of the PSRP backend, known by their text.

There is no PowerShell here. Each script is carried out by what it means, on the backend that is
served; any other script is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from popheal.backends.psrp import scripts
from popheal.errors import (
    NotAuthorised,
    NotBegun,
    OutcomeUnknown,
    PophealError,
    Unreachable,
    Unreadable,
)
from popheal.exchange.backend import Backend
from popheal.lab import windows_objects as objects
from popheal.lab.cmdlets import refused_script
from popheal.lab.error_writer import NOT_RECOGNIZED, Ended, LostTrack, NobodyThere, Problem
from popheal.lab.serializer import PsObject
from popheal.lab.shell_manner import ShellManner

Given = Mapping[str, object]
Run = Callable[[Backend, str, Given], list[PsObject]]


def _services(backend: Backend, server: str, given: Given) -> list[PsObject]:
    names = given.get("name")
    wanted = [str(name) for name in names] if isinstance(names, list) else [str(names)]
    return [objects.service(row) for row in backend.services(server, wanted)]


def _host_status(backend: Backend, server: str, _given: Given) -> list[PsObject]:
    return [objects.host_status(backend.host_status(server))]


def _restart_service(backend: Backend, server: str, given: Given) -> list[PsObject]:
    backend.restart_service(server, str(given.get("service")))
    return []


def _start_service(backend: Backend, server: str, given: Given) -> list[PsObject]:
    backend.start_service(server, str(given.get("service")))
    return []


def _restart_server(backend: Backend, server: str, given: Given) -> list[PsObject]:
    backend.reboot(server, _moment(given.get("bootedat")))
    return []


def _read_logs(backend: Backend, server: str, given: Given) -> list[PsObject]:
    found = backend.pop_logs(
        server,
        str(given.get("location")),
        _moment(given.get("since")),
        _moment(given.get("until")),
    )
    head, tail = (int(str(given.get(name))) for name in ("headbytes", "tailbytes"))
    return [objects.log_file(row, head, tail) for row in found]


def _recovery_actions(backend: Backend, server: str, given: Given) -> list[PsObject]:
    found = backend.recovery_actions(server, _moment(given.get("since")))
    return [event for row in found for event in objects.recovery_events(row)]


_LOOKS: Mapping[str, Run] = {
    scripts.SERVICES: _services,
    scripts.HOST_STATUS: _host_status,
    scripts.READ_LOGS: _read_logs,
    scripts.RECOVERY_ACTIONS: _recovery_actions,
}
_EFFECTS: Mapping[str, Run] = {
    scripts.RESTART_SERVICE: _restart_service,
    scripts.START_SERVICE: _start_service,
    scripts.RESTART_SERVER: _restart_server,
}


_CONSTRAINED = "Cannot invoke method: only on core types in this language mode."
_CONSTRAINED_ID = "MethodInvocationNotSupportedInConstrainedLanguage"


def run_script(
    backend: Backend, server: str, text: str, given: Given, manner: ShellManner
) -> Ended:
    """Run one script with its parameters on a server.

    Args:
        backend: What is served.
        server: The server.
        text: The script.
        given: Its parameters.
        manner: What the endpoint is like.

    Raises NobodyThere where the backend can't reach the server, LostTrack where it doesn't know
    the outcome itself.
    """
    if manner.language == "NoLanguage":
        return refused_script()
    # psrpcore hands on line ends as they were sent; ours are plain.
    if text == scripts.ABOUT:
        return Ended(output=[manner.about(server)])
    if manner.language != "FullLanguage":
        return _stopped(_CONSTRAINED, "PSInvalidOperationException", _CONSTRAINED_ID)
    run = _LOOKS.get(text) or _EFFECTS.get(text)
    if run is None and text != scripts.CONDITIONS:
        return _stopped("This lab runs no scripts but those of popheal.", "ParseException")
    lowered = {key.lower(): value for key, value in given.items()}
    here, meant = manner.name or server.partition(".")[0], str(lowered.get("hostname"))
    if here.lower() != meant.lower():
        return _declined(f"This server is {here}, not {meant}.", "wrong_server")
    if run is None:
        return Ended(output=[manner.conditions()])
    try:
        output = run(backend, server, lowered)
    except PophealError as error:
        return _failed(error, effect=text in _EFFECTS)
    return Ended(output=output, restarts=text == scripts.RESTART_SERVER)


def _failed(error: PophealError, *, effect: bool) -> Ended:
    if isinstance(error, Unreachable):
        raise NobodyThere
    if isinstance(error, OutcomeUnknown) or (effect and isinstance(error, Unreadable)):
        raise LostTrack
    if isinstance(error, NotBegun):
        return _declined(error.cause, error.reason)
    if isinstance(error, Unreadable):
        return Ended(output=[PsObject(types=("System.Object",), text="?")])
    if isinstance(error, NotAuthorised):
        if effect:
            # Only that proves that nothing ran; it is what an endpoint says that hides cmdlets.
            return _stopped(NOT_RECOGNIZED.format("Get-CimInstance"), "CommandNotFoundException")
        return _stopped("Access is denied.", "UnauthorizedAccessException")
    return _stopped(str(getattr(error, "cause", error)), "ServiceCommandException")


def _declined(text: str, why: str) -> Ended:
    """What the scripts refuse before they begin anything."""
    return _stopped(text, "InvalidOperationException", f"{scripts.NOT_BEGUN}.{why}")


def _stopped(text: str, reason: str, error_id: str = "") -> Ended:
    problem = Problem(text=text, reason=reason, command="script", category=0, error_id=error_id)
    return Ended(problem=problem, terminating=True)


def _moment(value: object) -> datetime:
    return datetime.fromisoformat(str(value)).astimezone(UTC)
