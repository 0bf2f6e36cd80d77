"""Which endpoint a command goes to, what is tried again, and what its failure is told as."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import islice
from types import MappingProxyType

from popheal.backends.psrp.client import TIDY, Answer, Command, ConnectionFailure, RemoteShell
from popheal.backends.psrp.error_records import failure
from popheal.backends.psrp.failures import NOT_TAKEN, Stage, Trouble, meaning
from popheal.backends.psrp.recording.recorder import Recorder
from popheal.backends.psrp.settings import Connection, PsrpSettings, Target
from popheal.backends.psrp.under_way import UnderWay
from popheal.errors import NotAuthorised, OutcomeUnknown, PophealError, Unreachable
from popheal.exchange.names import same_server

#: Seconds after which an unused shell is given back and a new one made: proxies, servers and
#: Kerberos contexts forget connections, and a forgotten one fails just when a command is sent.
_IDLE = 100.0
#: Seconds for which an endpoint that could not be reached is tried last.
_SHUNNED = 60.0
_NUMBER = re.compile(r"\d+", re.ASCII)
#: Seconds that must be left of a command's time for another try to make sense.
_WORTH_TRYING = 1.0
#: Seconds for giving back every shell, all told.
_CLOSING = 10.0
#: Most shells open at a time: one on each member of a group, and those of Exchange. Each is on a
#: server of its own, where one account may have 18.
_MOST = 18


class Routes:
    """The open connections of one backend, and the ways between them. Not thread-safe."""

    def __init__(
        self, settings: PsrpSettings, recorder: Recorder | None = None, at: UnderWay | None = None
    ) -> None:
        self._settings = settings
        self._under_way = at or UnderWay()
        self._recorder = recorder
        self._sessions: dict[tuple[str, str], RemoteShell] = {}
        self._shunned: dict[str, float] = {}

    def exchange(
        self,
        server: str,
        command: Command,
        avoided: Collection[str],
        versions: Mapping[str, str] = MappingProxyType({}),
    ) -> Sequence[object]:
        """Run a cmdlet on an Exchange endpoint that isn't avoided, if there is such a one.

        Args:
            server: The server it is about.
            command: The cmdlet.
            avoided: The servers under repair.
            versions: ``AdminDisplayVersion`` by full name, as far as it is known.
        """
        until = self._deadline()
        ways = self._ways(server, avoided, versions)
        for number, way in enumerate(ways, start=1):
            try:
                answer = self._answer(server, way, self._settings.exchange, command, until)
            except (Unreachable, OutcomeUnknown) as error:
                if command.effect and isinstance(error, OutcomeUnknown):
                    raise
                self._shunned[way.casefold()] = time.monotonic()
                if number == len(ways) or _is_too_late(until):
                    raise
            else:
                # An endpoint that says that it can't reach the server has answered.
                return _output(answer, server=server, command=command)
        raise AssertionError("settings name at least one server")  # pragma: no cover

    def plain(self, server: str, command: Command) -> Sequence[object]:
        """Run a script on the server's own endpoint."""
        winrm, until = self._settings.winrm, self._deadline()
        answer = self._answer(server, server, winrm, command, until)
        return _output(answer, server=server, command=command)

    def open_ahead(self, servers: Iterable[str]) -> None:
        """Begin to open the shells of servers that have none, side by side. Never raises.

        Those beyond what may be open at a time are left to the command that needs them.
        """
        until = self._deadline()
        for server in islice(servers, _MOST - 1):
            target = self._settings.target(server, self._settings.winrm)
            if target.connection.may_connect_to(target.address):
                self._session(target, until).open_ahead(until)

    def going_down(self, server: str) -> None:
        """Give back the shells of a server that was told to restart, while it still listens.

        It may never go down, and keep them.
        """
        until = time.monotonic() + TIDY
        for key, session in list(self._sessions.items()):
            if same_server(session.target.server, server):
                self._sessions.pop(key).close(until)

    def close(self) -> None:
        """Close every connection. Never raises."""
        until = time.monotonic() + _CLOSING
        while self._sessions:
            self._sessions.popitem()[1].close(min(until, time.monotonic() + TIDY))

    def abandon(self) -> None:
        """Drop every connection without a word, whatever waits for an answer. Never raises."""
        for session in tuple(self._sessions.values()):
            session.abandon()
        self._sessions.clear()

    def _deadline(self) -> float:
        """By when a command that begins now is over, whatever is tried for it."""
        return time.monotonic() + self._settings.command_timeout

    def _ways(
        self, server: str, avoided: Collection[str], versions: Mapping[str, str]
    ) -> list[str]:
        """The endpoints to try, the best first.

        What decides about a server is best not asked of that server. An older version may not
        know of what a newer server has, or leave parts of it out.
        """
        servers = self._settings.exchange.servers
        sound = [one for one in servers if not any(same_server(one, bad) for bad in avoided)]
        now = time.monotonic()
        needed = _version_of(server, versions)

        def worse(name: str) -> tuple[bool, bool, bool]:
            since = self._shunned.get(name.casefold())
            shunned = since is not None and now - since < _SHUNNED
            older = bool(needed) and () < _version_of(name, versions) < needed
            return same_server(name, server), shunned, older

        return sorted(sound or servers, key=worse)

    def _answer(
        self, server: str, way: str, connection: Connection, command: Command, until: float
    ) -> Answer:
        """What one endpoint answers to a command. Raises what it means that it does not."""
        target = self._settings.target(way, connection)
        if not target.connection.may_connect_to(target.address):
            raise Unreachable(
                server=server,
                command=command.name,
                cause=f"the password would go to {way} in clear text",
                next_step="Set ssl = true, or another auth, in the configuration.",
            )
        session = self._session(target, until)

        def words() -> str:
            if session.is_ready:
                return f"{command.name} asked of {way}"
            return f"connecting to {way}"

        try:
            with self._under_way.call(words):
                return self._run(session, command, until)
        except ConnectionFailure as failed:
            error = _told(failed, server=server, way=target.where, command=command)
        raise error

    def _run(self, session: RemoteShell, command: Command, until: float) -> Answer:
        """Run it, and once more on a fresh connection where that can do no harm."""
        reused = session.is_open
        try:
            return self._run_when_free(session, command, until)
        except ConnectionFailure as failed:
            again = _worth_repeating(failed, reused=reused, effect=command.effect)
            if not again or _is_too_late(until):
                raise
        return self._run_when_free(session, command, until)

    def _run_when_free(self, session: RemoteShell, command: Command, until: float) -> Answer:
        """Run it; while there are too many shells, close our own and wait a little."""
        give_up = min(until - _WORTH_TRYING, time.monotonic() + self._settings.busy_timeout)
        pause = 0.25
        while True:
            try:
                return session.run(command, until)
            except ConnectionFailure as failed:
                busy = failed.diagnosis.trouble is Trouble.BUSY
                if not busy or failed.stage is Stage.WAITING:
                    raise
                if time.monotonic() + pause > give_up:
                    raise
            self._close_but(session, until)
            threading.Event().wait(pause)
            pause *= 2

    def _session(self, target: Target, until: float) -> RemoteShell:
        key = (target.server.casefold(), target.connection.configuration)
        session = self._sessions.pop(key, None)
        if session is not None and time.monotonic() - session.last_used > _IDLE:
            session.close(_soon(until))
        if session is None:
            session = RemoteShell(target, self._settings, self._recorder)
            self._trim(_MOST - 1, until)
        # Last in the dictionary is last used.
        self._sessions[key] = session
        return session

    def _trim(self, most: int, until: float) -> None:
        while len(self._sessions) > most:
            self._sessions.pop(next(iter(self._sessions))).close(_soon(until))

    def _close_but(self, kept: RemoteShell, until: float) -> None:
        for session in self._others(kept):
            session.close(_soon(until))

    def _others(self, kept: RemoteShell) -> Iterable[RemoteShell]:
        return [session for session in self._sessions.values() if session is not kept]


def _soon(until: float) -> float:
    """By when a shell is given back that is in the way of a command: most of its time is left."""
    now = time.monotonic()
    return now + min(TIDY, max(0.0, until - now) / 4)


def _is_too_late(until: float) -> bool:
    return until - time.monotonic() < _WORTH_TRYING


def _version_of(server: str, versions: Mapping[str, str]) -> tuple[int, ...]:
    """The numbers of ``Version 15.2 (Build 986.5)``; none where it isn't known."""
    known = next((told for name, told in versions.items() if same_server(name, server)), "")
    return tuple(int(number) for number in _NUMBER.findall(known))


def _worth_repeating(failed: ConnectionFailure, *, reused: bool, effect: bool) -> bool:
    trouble = failed.diagnosis.trouble
    if failed.stage is Stage.SENDING and trouble in NOT_TAKEN:
        # Proven not taken: the connection or the shell had ended since it was last used.
        return reused or trouble is Trouble.GONE
    if failed.stage is Stage.CONNECTING:
        return False
    again = (Trouble.DROPPED, Trouble.HTTP, Trouble.GONE, Trouble.UNFINISHED)
    return not effect and trouble in again


def _told(failed: ConnectionFailure, *, server: str, way: str, command: Command) -> PophealError:
    diagnosis = failed.diagnosis
    kind = meaning(diagnosis.trouble, failed.stage, effect=command.effect)
    return kind(
        server=server,
        command=command.name,
        cause=f"{way}: {diagnosis.cause}",
        next_step=diagnosis.next_step if kind in (Unreachable, NotAuthorised) else "",
    )


def _output(answer: Answer, *, server: str, command: Command) -> Sequence[object]:
    """What a command put out. Raises what its error records amount to."""
    if answer.errors:
        raise failure(
            answer.errors,
            server=server,
            command=command.name,
            effect=command.effect,
            script=command.script is not None,
        )
    return answer.output
