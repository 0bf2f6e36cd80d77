"""One connection to one endpoint: a runspace pool of pypsrp, used by one thread at a time.

Imported only when a connection is first needed, as it imports pypsrp.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any
from xml.etree import ElementTree as ET

from attrs import field, frozen
from pypsrp.complex_objects import PSInvocationState, RunspacePoolState
from pypsrp.powershell import PowerShell, RunspacePool
from pypsrp.serializer import Serializer
from pypsrp.wsman import WSMan, WSManAction

from popheal.backends.psrp.clixml import read
from popheal.backends.psrp.error_records import ErrorText
from popheal.backends.psrp.failures import Diagnosis, Stage, Trouble, diagnose
from popheal.backends.psrp.http import check
from popheal.backends.psrp.recording.recorded import MESSAGE_TYPES
from popheal.backends.psrp.recording.recorder import Recorder
from popheal.backends.psrp.settings import PsrpSettings, Target
from popheal.backends.psrp.transport import Limits
from popheal.util.addresses import is_loopback
from popheal.util.secrets import Secret

# What pypsrp logs would otherwise, where nobody set up logging, land on stderr with tracebacks.
logging.getLogger("pypsrp").addHandler(logging.NullHandler())

#: Seconds the server may hold back the answer to one long poll.
_POLL = 20
#: Seconds for what is only tidying up, all told.
TIDY = 5
_MIB = 1024 * 1024


@frozen(kw_only=True)
class Command:
    """What is to be run: a cmdlet, or a script of :mod:`popheal.backends.psrp.scripts`.

    Attributes:
        name: The cmdlet, or what a script does, in the words used in errors.
        script: Text of the script; None for a cmdlet.
        parameters: Values by parameter name; True for a switch that is set.
        effect: Whether it changes something.
    """

    name: str
    script: str | None = None
    parameters: Mapping[str, object] = field(factory=dict)
    effect: bool = False


@frozen(kw_only=True)
class Answer:
    """What came back: output as plain values, and error records."""

    output: Sequence[object]
    errors: Sequence[ErrorText]


class ConnectionFailure(Exception):
    """A command could not be run to its end. Never leaves this package.

    Attributes:
        stage: How far it had got.
        diagnosis: What happened.
    """

    def __init__(self, stage: Stage, diagnosis: Diagnosis) -> None:
        super().__init__(stage, diagnosis)
        self.stage = stage
        self.diagnosis = diagnosis


class RemoteShell:
    """A runspace on one endpoint, opened when first used.

    Args:
        target: The endpoint.
        settings: How long things may take, and more.
        recorder: Writes down each question and its answer; None for nobody.
    """

    def __init__(
        self, target: Target, settings: PsrpSettings, recorder: Recorder | None = None
    ) -> None:
        self.target = target
        self._recorder = recorder
        self._heard: list[tuple[int, str]] = []
        self.last_used = time.monotonic()
        self._settings = settings
        self._limits = Limits(int(settings.answer_limit * _MIB))
        self._end = 0.0
        self._wsman: _Wsman | None = None
        self._pool: RunspacePool | None = None
        self._opening: Future[Diagnosis | None] | None = None

    @property
    def is_open(self) -> bool:
        return self._pool is not None

    @property
    def is_ready(self) -> bool:
        """Whether it has been opened to the end, and takes commands."""
        pool = self._pool
        return pool is not None and pool.state == RunspacePoolState.OPENED

    def run(self, command: Command, until: float) -> Answer:
        """Run a command to its end. Raises ConnectionFailure; the session is closed then.

        Args:
            command: What to run.
            until: The moment of the monotonic clock by which opening, polling, reading, stopping
                and tidying up are all over.
        """
        if self._recorder is None:
            return self._run(command, until)
        with self._recorder.take(
            self.target.server,
            command.name,
            command.parameters,
            script=command.script is not None,
            effect=command.effect,
        ) as take:
            try:
                return self._run(command, until)
            finally:
                # With what was heard when the session was opened ahead.
                take.heard, self._heard = self._heard, []

    def _run(self, command: Command, until: float) -> Answer:
        self._end = until
        if (failed := self._await_opening()) is not None:
            raise ConnectionFailure(Stage.CONNECTING, failed)
        whole = max(0.0, until - time.monotonic())
        shell: PowerShell | None = None
        stage = Stage.CONNECTING
        try:
            with self._limits.within(whole - min(TIDY, whole / 4)):
                pool = self._opened()
                shell = _prepared(pool, command)
                stage = Stage.SENDING
                shell.begin_invoke()
                stage = Stage.WAITING
                while shell.state == PSInvocationState.RUNNING:
                    shell.poll_invoke(timeout=max(1, min(_POLL, int(self._limits.left))))
                answer = Answer(
                    output=list(shell.output),
                    errors=[ErrorText.of(record) for record in shell.streams.error],
                )
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not get out
            diagnosis = diagnose(error)
        except BaseException:
            # Somebody wants out at once, and nobody knows in what state the session was left.
            self.abandon()
            raise
        else:
            if shell.state == PSInvocationState.COMPLETED or answer.errors:
                if not self._tidied(shell.close):
                    self.abandon()
                self.last_used = time.monotonic()
                return answer
            # Whatever it put out by then may be a part only.
            diagnosis = Diagnosis(
                trouble=Trouble.UNFINISHED,
                cause="the command was broken off on the server, and no error was given",
            )
        # Raised out here, so that the original, which may hold a password, isn't attached to it.
        if shell is not None and diagnosis.trouble is Trouble.LATE:
            self._tidied(shell.stop)
        self._close()
        raise ConnectionFailure(stage, diagnosis)

    def open_ahead(self, until: float) -> None:
        """Begin to open, in a thread; the next command waits for it, and is told of its failure.

        So a password that is refused is tried no more often than without.
        """
        if self.is_open or self._opening is not None:
            return
        self._end, self._opening = until, Future()
        threading.Thread(target=self._open, args=(self._opening,), daemon=True).start()

    def _open(self, opening: Future[Diagnosis | None]) -> None:
        whole = max(0.0, self._end - time.monotonic())
        failed: Diagnosis | None = None
        try:
            with self._limits.within(whole - min(TIDY, whole / 4)):
                self._opened()
        except Exception as error:  # noqa: BLE001 - whatever it is, the next command is told
            failed = diagnose(error)
            self._close()
        opening.set_result(failed)

    def _await_opening(self, until: float | None = None) -> Diagnosis | None:
        """Wait for what was begun ahead: why it failed, if it did.

        Args:
            until: When to wait no longer; None for as long as it takes, as it has its own end.

        Raises:
            TimeoutError: If it takes longer.
        """
        opening, self._opening = self._opening, None
        if opening is None:
            return None
        return opening.result(None if until is None else max(0.0, until - time.monotonic()))

    def close(self, until: float | None = None) -> None:
        """Give the shell back. Never raises: where that fails the server will time it out.

        Args:
            until: The moment of the monotonic clock by which that is over; None for a few seconds
                from now.
        """
        self._end = time.monotonic() + TIDY if until is None else until
        try:
            self._await_opening(self._end)
        except TimeoutError:
            self.abandon()
        self._close()

    def _close(self) -> None:
        pool, self._pool = self._pool, None
        if pool is not None:
            self._tidied(pool.close)
        wsman, self._wsman = self._wsman, None
        if wsman is not None:
            self._tidied(wsman.close)
            self._limits.close_connections()

    def abandon(self) -> None:
        """Drop the connection without a word to the far side: for who can't wait for an answer."""
        self._pool = self._wsman = None
        self._limits.cut()
        self._limits.close_connections()

    def _opened(self) -> RunspacePool:
        if self._pool is None:
            self._wsman = _wsman(self.target, self._settings, self._limits)
            pool = RunspacePool(
                self._wsman, configuration_name=self.target.connection.configuration
            )
            reader = _Deserializer(self._hear)
            pool._serializer = reader
            pool._fragmenter.serializer = reader
            self._pool = pool
            pool.open()
        return self._pool

    def _hear(self, kind: int, xml: str) -> None:
        """Note a message as it came, if anybody wants it."""
        if self._recorder is not None:
            self._heard.append((kind, xml))

    def _tidied(self, action: Callable[[], None]) -> bool:
        """Do what only tidies up: in what is left, or not at all. False if it failed."""
        try:
            with self._limits.within(max(0.0, min(TIDY, self._end - time.monotonic()))):
                action()
        except Exception:  # noqa: BLE001 - the outcome is known already
            return False
        return True


class _Wsman(WSMan):  # type: ignore[misc,unused-ignore]
    """pypsrp's transport, but a long poll that hangs isn't silently repeated five times."""

    def receive(
        self,
        resource_uri: str,
        resource: ET.Element,
        option_set: Any = None,
        selector_set: Any = None,
        timeout: int | None = None,
    ) -> Any:
        answer = self.invoke(
            WSManAction.RECEIVE, resource_uri, resource, option_set, selector_set, timeout
        )
        return answer.find("{http://www.w3.org/2003/05/soap-envelope}Body")


class _Deserializer(Serializer):  # type: ignore[misc,unused-ignore]
    """Output is read by :mod:`popheal.backends.psrp.clixml`; the rest as pypsrp does.

    pypsrp leaves a list inside an object unread, and later fails on references to type names
    first met in there. In what is still left to it an unknown reference counts as nothing.

    Args:
        hear: Is given each message before it is read: the number of its type, and its text. None
            for nobody.
    """

    def __init__(self, hear: Callable[[int, str], None] | None = None) -> None:
        super().__init__()
        self._hear = hear

    def deserialize(
        self, element: ET.Element | str, metadata: Any = None, clear: bool = True
    ) -> Any:
        if clear and isinstance(element, str) and self._hear is not None:
            told = getattr(metadata, "object", None)
            self._hear(getattr(told, "MESSAGE_TYPE", MESSAGE_TYPES["PIPELINE_OUTPUT"]), element)
        if clear and metadata is None and isinstance(element, str):
            # Output that is nothing at all is how some servers say $null.
            return read(element) if element else None
        return super().deserialize(element, metadata, clear)

    def _clear(self) -> None:
        super()._clear()
        self.obj = defaultdict(lambda: None)
        self.tn = defaultdict(list)


def _prepared(pool: RunspacePool, command: Command) -> PowerShell:
    shell = PowerShell(pool)
    if command.script is None:
        shell.add_cmdlet(command.name)
    else:
        # What one script leaves behind (variables with types, preferences) must not reach the next.
        shell.add_script(command.script, use_local_scope=True)
    for name, value in command.parameters.items():
        shell.add_parameter(name, list(value) if isinstance(value, tuple) else value)
    return shell


def session_for(target: Target, settings: PsrpSettings, limits: Limits) -> tuple[Any, str]:
    """A session of requests to an endpoint, and the endpoint's address; nothing is asked yet."""
    transport = _wsman(target, settings, limits).transport
    return transport.session, transport.endpoint


def _wsman(target: Target, settings: PsrpSettings, limits: Limits) -> _Wsman:
    how = target.connection
    in_clear = not how.ssl and how.auth not in ("kerberos", "negotiate", "ntlm", "credssp")
    # Typed loosely: pypsrp says "int" and "bool" where requests takes floats and paths.
    more: dict[str, Any] = {
        "cert_validation": how.certificate_validation,
        "connection_timeout": settings.connect_timeout,
        "read_timeout": settings.request_timeout,
    }
    if how.auth in ("kerberos", "negotiate", "ntlm"):
        # Tickets are for the server's name, whatever address it is reached at.
        more["negotiate_hostname_override"] = target.server
        if how.negotiate_service:
            more["negotiate_service"] = how.negotiate_service
    if how.certificate_pem:
        more["certificate_pem"] = how.certificate_pem
        more["certificate_key_pem"] = how.certificate_key_pem
        more["certificate_key_password"] = _revealed(how.certificate_key_password)
    wsman = _Wsman(
        target.address,
        port=how.port,
        username=how.username,
        password=_revealed(how.password),
        ssl=how.ssl,
        path=how.path,
        auth=how.auth,
        operation_timeout=max(1, min(_POLL, int(settings.request_timeout) - 1)),
        encryption="never" if in_clear else "auto",
        proxy=how.proxy,
        no_proxy=how.no_proxy or is_loopback(target.address),
        **more,
    )
    transport = wsman.transport
    transport.session = transport._build_session()
    limits.apply_to(transport.session, target.server)
    transport.session.hooks["response"].append(check(how.auth))
    return wsman


def _revealed(secret: Secret | None) -> str | None:
    return secret.reveal() if secret is not None else None
