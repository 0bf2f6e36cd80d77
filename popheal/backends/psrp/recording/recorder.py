"""Writes down what is asked and answered, with every name replaced, while it happens."""

from __future__ import annotations

import json
import platform
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import IO, Final
from xml.etree import ElementTree as ET

from attrs import define, field

from popheal.backends.psrp.clixml import Record, count_of, read
from popheal.backends.psrp.recording.recorded import (
    FORMAT,
    MESSAGE_TYPES,
    Failure,
    Heading,
    Message,
    RecordedCommand,
    line,
    type_name,
)
from popheal.backends.psrp.recording.redacted_objects import redacted_clixml, redacted_parameters
from popheal.backends.psrp.recording.redaction import Redaction
from popheal.backends.psrp.settings import PsrpSettings
from popheal.util.clock import Clock, SystemClock
from popheal.util.version import __version__

#: [MS-PSRP] 2.2.3.5
_STATES: Final = ("NotStarted", "Running", "Stopping", "Stopped", "Completed", "Failed")
#: What is told to the recorder of an alert, and whether that is a name.
_ALERT: Final[Mapping[str, str]] = {"server": "server", "health_set": "", "monitor": "", "text": ""}


@define
class Take:
    """What came for one command, as it came.

    Attributes:
        heard: Number of the type, and text, of each message.
    """

    at: datetime
    began: float
    heard: list[tuple[int, str]] = field(factory=list)


class Recorder:
    """Writes one line for each command, as soon as it is answered or failed.

    It never raises: what is recorded goes on in any case. Passwords never come here: they are no
    part of what is asked, and the connections keep them to themselves.

    Args:
        stream: Where to write; closed by who opened it.
        settings: Their servers and accounts are known to be names from the beginning.
        command: What is run, such as ``heal``.
        alert: ``server``, ``health_set``, ``monitor`` and ``text`` of it, as far as given.
        clock: By which the commands are dated, and how long they take is measured.

    Attributes:
        redaction: What replaces the names.
        commands: How many were written.
        trouble: Why nothing more is written; empty while it is.
    """

    def __init__(
        self,
        stream: IO[str],
        settings: PsrpSettings,
        *,
        command: str = "",
        alert: Mapping[str, str | None] | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.redaction = Redaction()
        self.commands = 0
        self.trouble = ""
        self._stream = stream
        self._turn = threading.Lock()
        self._clock = clock or SystemClock()
        told = self._begun_with(settings, alert or {})
        heading = Heading(
            format=FORMAT,
            popheal=__version__,
            python=platform.python_version(),
            system=platform.system(),
            at=self._clock.now(),
            command=command,
            alert=told,
            servers=[self.redaction.name(one, "server") for one in settings.exchange.servers],
        )
        self._write(line(heading))

    @contextmanager
    def take(
        self,
        server: str,
        command: str,
        parameters: Mapping[str, object],
        *,
        script: bool,
        effect: bool,
    ) -> Iterator[Take]:
        """While this lasts a command is run; then it is written down.

        Args:
            server: Whose endpoint is asked.
            command: The cmdlet, or what the script does.
            parameters: By name.
            script: Whether it is one of popheal's scripts.
            effect: Whether it changes something.
        """
        take = Take(self._clock.now(), self._clock.monotonic())
        failed: BaseException | None = None
        try:
            yield take
        except BaseException as error:
            failed = error
            raise
        finally:
            # Several may be asked side by side; their lines, and the names in them, come in turn.
            with self._turn:
                self._note(take, server, command, parameters, script, effect, failed)

    # --- a command -------------------------------------------------------------------------------

    def _note(
        self,
        take: Take,
        server: str,
        command: str,
        parameters: Mapping[str, object],
        script: bool,
        effect: bool,
        failed: BaseException | None,
    ) -> None:
        if self.trouble:
            return
        seconds = round(self._clock.monotonic() - take.began, 6)
        number = self.commands + 1
        # Who breaks off wants out at once, and not after the last long answer has been read.
        heard = take.heard if failed is None or isinstance(failed, Exception) else []
        try:
            asked = RecordedCommand(
                number=number,
                at=take.at,
                seconds=seconds,
                server=self.redaction.name(server, "server"),
                endpoint="plain" if script else "exchange",
                command=command,
                parameters=redacted_parameters(self.redaction, command, parameters),
                effect=effect,
                state=_state(take),
                messages=tuple(self._message(*one) for one in heard),
                failure=self._failure(failed),
            )
            text = line(asked)
        except Exception as error:  # noqa: BLE001 - nothing here may get in the way of a healing
            why = type(error).__name__
            text = json.dumps({"type": "not recorded", "number": number, "why": why}) + "\n"
        self.commands = number
        self._write(text)

    def _message(self, kind: int, xml: str) -> Message:
        name = type_name(kind)
        try:
            return Message(type=name, clixml=redacted_clixml(self.redaction, xml) if xml else "")
        except ET.ParseError:
            return Message(type=name, left_out=f"{len(xml)} characters that are no XML")

    def _failure(self, error: BaseException | None) -> Failure | None:
        if error is None:
            return None
        stage, diagnosis = getattr(error, "stage", None), getattr(error, "diagnosis", None)
        if stage is None or diagnosis is None:
            return Failure(stage="", trouble="broken off", cause=type(error).__name__)
        cause = self.redaction.prose(diagnosis.cause)
        return Failure(stage=stage.value, trouble=diagnosis.trouble.value, cause=cause)

    # --- the file --------------------------------------------------------------------------------

    def _begun_with(
        self, settings: PsrpSettings, alert: Mapping[str, str | None]
    ) -> dict[str, str]:
        """Learn the names that are known beforehand; gives the alert with them replaced."""
        for server, address in (
            *((one, "") for one in settings.exchange.servers),
            *settings.addresses.items(),
        ):
            self.redaction.name(server, "server")
            self.redaction.name(address, "server")
        for connection in (settings.exchange, settings.winrm):
            self.redaction.name(connection.username or "", "account")
        told = {name: alert.get(name) or "" for name in _ALERT}
        return {
            name: self.redaction.name(text, _ALERT[name])
            if _ALERT[name]
            else self.redaction.prose(text)
            for name, text in told.items()
            if text
        }

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            # What was answered before the end is there, however that comes.
            self._stream.flush()
        except (OSError, ValueError) as error:
            self.trouble = getattr(error, "strerror", None) or str(error)


def _state(take: Take) -> str:
    """What the command ended as, by the last message that says so."""
    for kind, xml in reversed(take.heard):
        if kind == MESSAGE_TYPES["PIPELINE_STATE"] and xml:
            seen = read(xml)
            number = count_of(seen.get("PipelineState")) if isinstance(seen, Record) else None
            known = number is not None and 0 <= number < len(_STATES)
            return _STATES[number] if number is not None and known else ""
    return ""
