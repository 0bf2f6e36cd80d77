"""One way to a server, while it is inspected: what was asked of it so far, and with what answer."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Final

from attrs import define, field

from popheal.backends.psrp import parse, rights, scripts
from popheal.backends.psrp.client import Answer, Command, ConnectionFailure, RemoteShell
from popheal.backends.psrp.error_records import failure
from popheal.backends.psrp.failures import Diagnosis
from popheal.backends.psrp.logons import Logons
from popheal.backends.psrp.recording import Recorder
from popheal.backends.psrp.settings import PsrpSettings, Target
from popheal.errors import PophealError, Unreadable
from popheal.exchange.inspection import Inspection
from popheal.exchange.names import short_name

#: The ways, named as their tables in the configuration are.
EXCHANGE: Final = "[exchange]"
WINRM: Final = "[winrm]"

#: A question, and what it is about.
Question = tuple[str, str]


def cause_of(error: ConnectionFailure | PophealError) -> str:
    """What went wrong, as part of a sentence."""
    return error.diagnosis.cause if isinstance(error, ConnectionFailure) else error.sentence()


class Failed(Exception):
    """A step has failed: nothing that comes after it can be asked."""


@define(kw_only=True)
class WayIn:
    """One way.

    Attributes:
        way: :data:`EXCHANGE` or :data:`WINRM`.
        methods: What the backend will be asked.
        recorder: Writes down what is asked and answered; None for nobody.
        logons: What is known of passwords from other ways.
        seen: The answers.
        opened: What came of the first command of its remote shell.
        seconds: How long that took, opening the shell included.
    """

    settings: PsrpSettings
    server: str
    way: str
    methods: Sequence[str]
    recorder: Recorder | None = None
    logons: Logons = field(factory=Logons)
    seen: list[Inspection] = field(factory=list, init=False)
    opened: Answer = field(factory=lambda: Answer(output=(), errors=()), init=False)
    seconds: float = field(default=0.0, init=False)
    _shell: RemoteShell | None = field(default=None, init=False)

    @property
    def target(self) -> Target:
        """Where it leads."""
        one = self.settings.exchange if self.way == EXCHANGE else self.settings.winrm
        return self.settings.target(self.server, one)

    @property
    def taken_by(self) -> tuple[str, ...]:
        """The methods that take this way."""
        mine = rights.CMDLETS if self.way == EXCHANGE else rights.ON_THE_SERVER
        return tuple(one for one in self.methods if one in mine)

    # --- answers ---------------------------------------------------------------------------------

    def good(self, question: str, seen: str, about: str = "") -> None:
        """It is as it should be."""
        self.seen.append(Inspection(question=question, about=about, passed=True, seen=seen))

    def bad(
        self,
        question: str,
        *,
        cause: str,
        next_step: str,
        seen: str = "",
        about: str = "",
        blocks: Sequence[str] = (),
        passed: bool | None = False,
    ) -> None:
        """It is not, or (with None) could not be told."""
        self.seen.append(
            Inspection(
                question=question,
                about=about,
                passed=passed,
                seen=seen,
                cause=cause,
                next_step=next_step,
                blocks=tuple(blocks),
            )
        )

    def fail(
        self,
        question: str,
        *,
        cause: str,
        next_step: str,
        seen: str = "",
        passed: bool | None = False,
    ) -> None:
        """It is not as it should be, and nothing more can be asked by this way."""
        self.bad(
            question,
            cause=cause,
            next_step=next_step,
            seen=seen,
            blocks=self.taken_by,
            passed=passed,
        )
        raise Failed

    def fail_by(self, question: str, diagnosis: Diagnosis, otherwise: str) -> None:
        """Likewise, by what an exception has told."""
        next_step = diagnosis.next_step or otherwise
        self.fail(question, cause=diagnosis.cause, next_step=next_step)

    # --- its remote shell ------------------------------------------------------------------------

    def open(self) -> None:
        """Open it by the one thing that every session answers. Raises ConnectionFailure."""
        self._shell = RemoteShell(self.target, self.settings, self.recorder)
        began = time.monotonic()
        if self.way == EXCHANGE:
            asked = rights.question(self.taken_by)
            self.opened = self._run(Command(name=rights.ASKS, parameters=asked))
        else:
            self.opened = self._run(self._script(scripts.ABOUT, {}))
        self.seconds = time.monotonic() - began

    def read(self, script: str, given: Mapping[str, object]) -> parse.Row:
        """The one row that a script gives. Raises ConnectionFailure, PophealError."""
        answer = self._run(self._script(script, given))
        if answer.errors:
            raise failure(
                answer.errors, server=self.server, command="check", effect=False, script=True
            )
        return parse.only(answer.output, server=self.server, command="check")

    def close(self) -> None:
        """Give the shell back. Never raises."""
        if self._shell is not None:
            self._shell.close()

    def _script(self, script: str, given: Mapping[str, object]) -> Command:
        name = short_name(self.target.server)
        given = {"HostName": name, **given}
        return Command(name=scripts.NAMES[script], script=script, parameters=given)

    def _run(self, command: Command) -> Answer:
        if self._shell is None:
            raise Unreadable(server=self.server, command=command.name, cause="no shell is open")
        return self._shell.run(command, time.monotonic() + self.settings.command_timeout)
