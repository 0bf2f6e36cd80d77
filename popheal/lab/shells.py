"""Remote shells of the lab: PowerShell's remoting protocol, between Receive and Command."""

from __future__ import annotations

import itertools
import struct
import threading
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence

from attrs import define, field, frozen
from psrpcore import (
    CreatePipelineEvent,
    PSRPPayload,
    ServerPipeline,
    ServerRunspacePool,
    StreamType,
)
from psrpcore.types import PSInvocationState, PSRPMessageType

from popheal.lab.error_writer import Ended, LostTrack, NobodyThere, Problem, Withheld
from popheal.lab.serializer import PsObject, to_xml

#: Bytes of output in one answer; its base64 form and the envelope stay below 150 kB.
_CHUNK = 96 * 1024
_FRAGMENT = 32 * 1024
#: Output is numbered far above what psrpcore numbers its own messages with.
_FIRST_OBJECT = 1_000_000
_TO_CLIENT = 1


@define
class Asked:
    """A command as the client sent it: a cmdlet's name or a script, and its parameters."""

    text: str
    is_script: bool
    parameters: Mapping[str, object]


@frozen
class BrokenOff:
    """How a pipeline ends before its end: as failed or as stopped, with a part of its output."""

    failed: bool
    partly: bool


@define
class Running:
    """One command, from when it was taken until its answer was fetched.

    Attributes:
        ended: What it ended in; None while it runs, or where ``trouble`` says why not.
        trouble: The exception that tells what the connection is to do.
        broken_off: How it is to end, if not in what it ended in.
    """

    number: uuid.UUID
    chunks: deque[bytes] = field(factory=deque)
    finished: bool = False
    ended: Ended | None = None
    trouble: NobodyThere | LostTrack | Withheld | None = None
    broken_off: BrokenOff | None = None


class Shell:
    """One runspace pool on one endpoint.

    Args:
        run: Carries out a command; called in a thread of its own.
        greeting: The messages about the session, each with the number of its type; None for those
            that come about by themselves.
    """

    def __init__(
        self,
        run: Callable[[Asked], Ended],
        greeting: Sequence[tuple[int, str]] | None = None,
    ) -> None:
        self._run = run
        self._greeting = greeting
        self._pool = ServerRunspacePool()
        self._objects = itertools.count(_FIRST_OBJECT)
        self._changed = threading.Condition()
        self._pool_output: deque[bytes] = deque()
        self._commands: dict[str, Running] = {}
        self._closed = False

    def feed(self, data: bytes, command_id: str = "") -> None:
        """Take what the client sends to the shell or to one of its commands."""
        with self._changed:
            number = uuid.UUID(command_id) if command_id else None
            if number is not None and command_id not in self._commands:
                self._commands[command_id] = Running(number)
                ServerPipeline(self._pool, number)
            self._pool.receive_data(PSRPPayload(data, StreamType.default, number))
            started = [_asked(event) for event in self._events()]
            while payload := self._pool.data_to_send():
                self._greet(payload.data)
            self._changed.notify_all()
        for identity, asked in started:
            running = self._commands[identity]
            threading.Thread(target=self._work, args=(running, asked), daemon=True).start()

    def settle(self, command_id: str, seconds: float) -> Running:
        """Wait a moment for a command to end; gives it, ended or not."""
        running = self._commands[command_id]
        with self._changed:
            self._changed.wait_for(lambda: running.finished or self._closed, seconds)
        return running

    def receive(self, command_id: str, seconds: float) -> tuple[list[bytes], Running | None] | None:
        """Output for a command, or for the shell itself (and then no command).

        None when there was nothing within that time; the shell is to ask again.
        Raises KeyError for an unknown command and LostTrack when the shell was closed meanwhile.
        """
        running = self._commands[command_id] if command_id else None
        source = self._pool_output if running is None else running.chunks

        def ready() -> bool:
            return bool(source) or self._closed or (running is not None and running.finished)

        with self._changed:
            if not self._changed.wait_for(ready, seconds):
                return None
            if self._closed:
                raise LostTrack
            taken: list[bytes] = []
            size = 0
            while source and size < _CHUNK:
                taken.append(source.popleft())
                size += len(taken[-1])
            return taken, running

    def break_off(self, command_id: str, *, failed: bool, partly: bool) -> None:
        """Let a command end before its end, without an error; unknown ones don't matter."""
        with self._changed:
            running = self._commands.get(command_id)
            if running is None or running.broken_off is not None:
                return
            running.broken_off = BrokenOff(failed, partly)
            if running.finished and running.ended is not None:
                remains = self._remains(running.number, running.ended, running.broken_off)
                running.chunks = deque(remains)

    def end(self, command_id: str) -> None:
        """Forget a command; unknown ones don't matter."""
        with self._changed:
            running = self._commands.pop(command_id, None)
            if running is not None:
                self._pool.pipeline_table.pop(running.number, None)

    def close(self) -> None:
        """End the shell: whoever waits for output is told so."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _greet(self, data: bytes) -> None:
        """Say what there is to say about the session, or what is to be said instead."""
        if self._greeting is None:
            self._pool_output.append(data)
            return
        for kind, xml in self._greeting:
            self._pool_output.extend(self._framed(uuid.UUID(int=0), kind, xml))
        self._greeting = ()

    def _events(self) -> Iterator[CreatePipelineEvent]:
        while (event := self._pool.next_event()) is not None:
            if isinstance(event, CreatePipelineEvent):
                yield event

    def _work(self, running: Running, asked: Asked) -> None:
        chunks: Sequence[bytes] = ()
        try:
            running.ended = self._run(asked)
            chunks = list(self._messages(running.number, running.ended))
        except (NobodyThere, LostTrack, Withheld) as trouble:
            running.trouble = trouble
        except Exception as error:  # noqa: BLE001 - a fault of what is served, told as its own
            problem = Problem(
                text=f"{type(error).__name__}: {error}", reason=type(error).__name__, command="lab"
            )
            running.ended = Ended(problem=problem, terminating=True)
            chunks = list(self._messages(running.number, running.ended))
        with self._changed:
            if running.broken_off is not None and running.ended is not None:
                chunks = list(self._remains(running.number, running.ended, running.broken_off))
            running.chunks.extend(chunks)
            running.finished = True
            self._changed.notify_all()

    def _messages(self, number: uuid.UUID, ended: Ended) -> Iterator[bytes]:
        if ended.messages:
            for kind, xml in ended.messages:
                yield from self._framed(number, kind, xml)
            return
        for item in ended.output:
            yield from self._message(number, PSRPMessageType.PipelineOutput, item)
        state: dict[str, object] = {"PipelineState": PSInvocationState.Completed.value}
        if ended.problem is not None:
            record = ended.problem.record()
            if ended.terminating:
                state["PipelineState"] = PSInvocationState.Failed.value
                state["ExceptionAsErrorRecord"] = record
            else:
                yield from self._message(number, PSRPMessageType.ErrorRecord, record)
        yield from self._message(number, PSRPMessageType.PipelineState, PsObject(notes=state))

    def _remains(self, number: uuid.UUID, ended: Ended, how: BrokenOff) -> Iterator[bytes]:
        """What is left of a command that was broken off: at best the first half of its output."""
        half = (len(ended.output) + 1) // 2
        for item in ended.output[: half if how.partly else 0]:
            yield from self._message(number, PSRPMessageType.PipelineOutput, item)
        state = PSInvocationState.Failed if how.failed else PSInvocationState.Stopped
        last = PsObject(notes={"PipelineState": state.value})
        yield from self._message(number, PSRPMessageType.PipelineState, last)

    def _message(self, number: uuid.UUID, kind: PSRPMessageType, value: object) -> Iterator[bytes]:
        yield from self._framed(number, kind.value, to_xml(value))

    def _framed(self, number: uuid.UUID, kind: int, xml: str) -> Iterator[bytes]:
        """One message, in fragments as they go over the wire."""
        pool = self._pool.runspace_pool_id
        head = struct.pack("<II", _TO_CLIENT, kind) + pool.bytes_le + number.bytes_le
        # Nothing at all is how a server says $null.
        data = head + (b"\xef\xbb\xbf" + xml.encode() if xml else b"")
        identity = next(self._objects)
        for index, start in enumerate(range(0, len(data), _FRAGMENT)):
            piece = data[start : start + _FRAGMENT]
            flags = (index == 0) | ((start + _FRAGMENT >= len(data)) << 1)
            yield struct.pack(">QQBI", identity, index, flags, len(piece)) + piece


class Shells:
    """The shells of one endpoint. Thread-safe."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._lock = threading.Lock()
        self._shells: dict[str, Shell] = {}

    def __len__(self) -> int:
        return len(self._shells)

    def add(self, identity: str, shell: Shell) -> bool:
        """False where there are as many as allowed already."""
        with self._lock:
            if len(self._shells) >= self.limit:
                return False
            self._shells[identity] = shell
            return True

    def find(self, identity: str) -> Shell | None:
        with self._lock:
            return self._shells.get(identity)

    def remove(self, identity: str) -> None:
        with self._lock:
            shell = self._shells.pop(identity, None)
        if shell is not None:
            shell.close()

    def clear(self) -> None:
        """Close them all, as a server does that goes down."""
        with self._lock:
            shells = list(self._shells.values())
            self._shells.clear()
        for shell in shells:
            shell.close()


def _asked(event: CreatePipelineEvent) -> tuple[str, Asked]:
    commands = event.pipeline.commands
    first = commands[0]
    text = str(first.command_text) if len(commands) == 1 else ""
    parameters = {str(name): _plain(value) for name, value in first.parameters}
    # Several commands at once are a script to anything but a real PowerShell.
    asked = Asked(text, bool(first.is_script) or len(commands) > 1, parameters)
    return str(event.pipeline_id).upper(), asked


def _plain(value: object) -> object:
    if value is None:
        return True
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return str(value)
