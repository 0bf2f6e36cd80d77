"""What a recording holds: a heading, and one line for each command with its answer.

A line is one JSON object. All names in it are replaced; see
:mod:`~popheal.backends.psrp.recording.redaction`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from attrs import field, frozen

from popheal.errors import ConfigurationError
from popheal.util.serialize import from_jsonable, to_jsonable_compact

#: Grows if a key changes its meaning.
FORMAT: Final = 1
_FIRST_OF_A_COMMAND: Final = 0x00041000

#: The messages that a client gets, by the names and numbers of [MS-PSRP] 2.2.1.
MESSAGE_TYPES: Final[Mapping[str, int]] = MappingProxyType(
    {
        "SESSION_CAPABILITY": 0x00010002,
        "ENCRYPTED_SESSION_KEY": 0x00010006,
        "PUBLIC_KEY_REQUEST": 0x00010007,
        "RUNSPACEPOOL_INIT_DATA": 0x0002100B,
        "RUNSPACE_AVAILABILITY": 0x00021004,
        "RUNSPACEPOOL_STATE": 0x00021005,
        "USER_EVENT": 0x00021008,
        "APPLICATION_PRIVATE_DATA": 0x00021009,
        "RUNSPACEPOOL_HOST_CALL": 0x00021100,
        "PIPELINE_OUTPUT": 0x00041004,
        "ERROR_RECORD": 0x00041005,
        "PIPELINE_STATE": 0x00041006,
        "DEBUG_RECORD": 0x00041007,
        "VERBOSE_RECORD": 0x00041008,
        "WARNING_RECORD": 0x00041009,
        "PROGRESS_RECORD": 0x00041010,
        "INFORMATION_RECORD": 0x00041011,
        "PIPELINE_HOST_CALL": 0x00041100,
    }
)
_NAMES: Final = {number: name for name, number in MESSAGE_TYPES.items()}


@frozen(kw_only=True)
class Message:
    """One message as it came.

    Attributes:
        type: What [MS-PSRP] 2.2.1 calls it, such as ``PIPELINE_OUTPUT``.
        clixml: Its text; empty for an output of ``$null``.
        left_out: Why its text is not here.
    """

    type: str
    clixml: str = ""
    left_out: str = ""

    @property
    def is_of_session(self) -> bool:
        """Whether it is about the session itself, and no part of a command's answer."""
        return MESSAGE_TYPES.get(self.type, 0) < _FIRST_OF_A_COMMAND


@frozen(kw_only=True)
class Failure:
    """Why there is no answer, or not all of it.

    Attributes:
        stage: How far the command had got: ``connecting``, ``sending`` or ``waiting``.
        trouble: What happened to the connection, in a word or two.
        cause: The same for people.
    """

    stage: str
    trouble: str
    cause: str


@frozen(kw_only=True)
class RecordedCommand:
    """One command, and what was answered to it.

    Attributes:
        number: From 1 up.
        at: When it was asked.
        seconds: How long the answer took, with the opening of a session where there was none.
        server: Whose endpoint was asked.
        endpoint: ``exchange``, which takes cmdlets, or ``plain``, which takes popheal's scripts.
        command: The cmdlet, or what the script does.
        parameters: By name, as they were sent.
        effect: Whether it changes something.
        state: What the command ended as: ``Completed``, ``Failed``, ``Stopped``; empty if that
            was not told.
        messages: What came, in order.
        failure: What went wrong with the connection, if anything did.
    """

    number: int
    at: datetime
    seconds: float
    server: str
    endpoint: str
    command: str
    parameters: Mapping[str, Any] = field(factory=dict)
    effect: bool = False
    state: str = ""
    messages: Sequence[Message] = ()
    failure: Failure | None = None


@frozen(kw_only=True)
class Heading:
    """The first line.

    Attributes:
        format: 1; it grows if a key changes its meaning.
        popheal, python, system: What recorded it.
        at: When.
        command: What was run, such as ``heal``.
        alert: What it was told: server, health set, monitor, text.
        servers: Whose Exchange endpoints are configured, in order.
    """

    format: int
    popheal: str
    python: str
    system: str
    at: datetime
    command: str = ""
    alert: Mapping[str, str] = field(factory=dict)
    servers: Sequence[str] = ()


@frozen(kw_only=True)
class Recording:
    """A recording that was read."""

    heading: Heading
    commands: Sequence[RecordedCommand]

    @property
    def servers(self) -> list[str]:
        """Whose endpoints were asked, those of Exchange's endpoints first."""
        first: dict[str, str] = {}
        for name in (*self.heading.servers, *(one.server for one in self.commands)):
            first.setdefault(name.casefold(), name)
        return list(first.values())


_TYPES: Final[Mapping[str, type[Any]]] = {"recording": Heading, "command": RecordedCommand}


def type_name(number: int) -> str:
    """What a type of message is called."""
    return _NAMES.get(number, f"0x{number:08X}")


def line(record: Heading | RecordedCommand) -> str:
    """A record as a line of a recording."""
    kind = next(name for name, one in _TYPES.items() if isinstance(record, one))
    data = {"type": kind, **to_jsonable_compact(record)}
    return json.dumps(data, ensure_ascii=False) + "\n"


def read_recording(path: Path) -> Recording:
    """Read a recording. Raises ConfigurationError for a file that is none, with the line."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not UTF-8"
        raise ConfigurationError(source=str(path), problem=f"can't be read ({why})") from None
    records = list(_records(path, text))
    if not records or not isinstance(records[0], Heading):
        raise ConfigurationError(
            source=str(path),
            problem="this is no recording: its first line has another type than 'recording'",
            next_step="Give a file that --record has written.",
        )
    if records[0].format != FORMAT:
        raise ConfigurationError(
            source=str(path),
            problem=f"it has format {records[0].format}, and this version reads {FORMAT}",
            next_step=f"Use popheal {records[0].popheal}, which wrote it.",
        )
    commands = [one for one in records if isinstance(one, RecordedCommand)]
    return Recording(heading=records[0], commands=commands)


def _records(path: Path, text: str) -> Iterator[Heading | RecordedCommand]:
    for number, one in enumerate(text.splitlines(), start=1):
        try:
            data = json.loads(one)
        except ValueError:
            raise ConfigurationError(
                source=f"{path}, line {number}", problem="this is no JSON"
            ) from None
        kind = _TYPES.get(str(data.pop("type", ""))) if isinstance(data, dict) else None
        if kind is None:
            # What later versions add, or what could not be recorded.
            continue
        try:
            yield from_jsonable(data, kind)
        except ConfigurationError as error:
            raise ConfigurationError(
                source=f"{path}, line {number}", problem=error.problem
            ) from None
