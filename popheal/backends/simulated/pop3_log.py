"""POP3 protocol logs, written the way the product writes them.

Several heads in one file (one for each start of the service), UTC stamps by the server's own
clock, quoted CSV, sessions of real users between those of the probe, back-end files in the same
folder, and a last line that is only half there while it is fresh.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from attrs import define, field, frozen

from popheal.backends.simulated.faults import Trouble
from popheal.backends.simulated.model import BACK_END, FRONT_END, Server
from popheal.backends.simulated.world import World
from popheal.exchange.models import LogFile

FIELDS = (
    "dateTime",
    "sessionId",
    "seqNumber",
    "sIp",
    "cIp",
    "user",
    "duration",
    "rqsize",
    "rpsize",
    "command",
    "parameters",
    "context",
)
HEALTH_MAILBOX = "HealthMailboxab28d8876c2a4b0f9bdf"
#: A line younger than this is still half in the service's buffer, if it is the last one.
FLUSH = timedelta(seconds=20)
#: Files with lines this near to the asked span are returned: names are by the hour.
MARGIN = timedelta(hours=1)


_FIRST_SESSION = 0xE0
#: How a wrong password is logged, or a user name that nobody has.
LOGON_DENIED = Trouble(
    error="Logon failure: unknown user name or bad password.", log_error="AuthFailed:LogonDenied"
)


@frozen
class _Session:
    """Who logged on from where; to which server that was proxied, if it was; what it met."""

    client: str
    user: str
    proxy: str
    trouble: Trouble | None = None


@define
class _File:
    lines: list[tuple[datetime, str]] = field(factory=list)

    def text(self, now: datetime) -> str:
        *whole, (stamp, last) = self.lines
        if now - stamp < FLUSH:
            last = last[: max(1, len(last) * 2 // 3)]
        else:
            last += "\r\n"
        return "".join(f"{line}\r\n" for _, line in whole) + last


@define
class LogBook:
    """The protocol log folder of each server."""

    world: World
    _folders: dict[str, dict[str, _File]] = field(factory=dict, init=False)
    _sessions: int = field(default=_FIRST_SESSION, init=False)

    def begin(self) -> None:
        """Open the logs of the services that are logging when the simulation begins."""
        for server in self.world.servers:
            for service, on in server.log_in_effect.items():
                if on:
                    self.service_started(server, service)

    def service_started(self, server: Server, service: str) -> None:
        """Open a log, with a head, for a service that logs from now on."""
        prefix = _prefix(service)
        if self.world.log.ids_begin_anew and prefix == "POP3":
            self._sessions = _FIRST_SESSION
            if any(name.startswith(f"{prefix}2") for name in self._folders.get(server.name, {})):
                return
        self._write(server, prefix, self._head(server))
        if service.casefold() == FRONT_END.casefold() and server.mailbox_role:
            # Something to be mistaken for the front end's: the back end logs to this folder too.
            self._write(server, "POP3BE", self._head(server))

    def _head(self, server: Server) -> list[tuple[datetime, str]]:
        now = server.told(self.world.now)
        fields = ",".join(FIELDS if server.version == "2013" else (*FIELDS, "puid"))
        stamp = _stamp(now)
        head = (
            fields,
            "#Software: Microsoft Exchange Server",
            "#Version: 15.00.0000.000",
            "#Log-type: POP3 Log",
            f"#Date: {stamp}",
            f"#Fields: {fields}",
        )
        return [(now, line) for line in head]

    def probe_ran(
        self, server: Server, started: datetime, trouble: Trouble | None, *, proxied: bool = True
    ) -> None:
        """Write the sessions of an end-to-end probe and of some users at the same time.

        Args:
            server: The front end.
            started: When the probe began, in the organisation's time.
            trouble: What the probe met; None for success.
            proxied: The session came as far as being proxied to a back end.
        """
        back_end = self.world.back_end_of(server)
        begun = server.told(started) + timedelta(seconds=0.4)
        others = [s for s in self.world.servers if s.mailbox_role] or [back_end]
        proxy = back_end.fqdn if proxied else ""
        sessions = [
            _Session("192.0.2.23:50122", "anna", others[-1].fqdn),
            _Session("192.0.2.41:61077", "ben", others[0].fqdn),
        ]
        odd = self.world.log
        if odd.probe:
            sessions.insert(1, _Session("127.0.0.1:22219", HEALTH_MAILBOX, proxy, trouble))
        if odd.nameless:
            sessions.append(_Session("127.0.0.1:22244", "", others[-1].fqdn, LOGON_DENIED))
        if odd.stranger != "none":
            reached = others[-1].fqdn if odd.stranger == "proxied" else ""
            sessions.append(_Session("203.0.113.7:40044", "xhealthmailbox1", reached, LOGON_DENIED))
        lines: list[tuple[datetime, str]] = []
        for number, session in enumerate(sessions):
            lines += self._session(server, begun + timedelta(seconds=0.15 * number), session)
        self._write(server, "POP3", sorted(lines, key=lambda pair: pair[0]))
        if server.mailbox_role:
            self._write(server, "POP3BE", self._back_end_session(server, begun))

    def read(self, server: Server, since: datetime, until: datetime) -> Sequence[LogFile]:
        """Return the files that may hold lines of that span (by the server's clock)."""
        now = server.told(self.world.now)
        return [
            LogFile(name=name, text=file.text(now))
            for name, file in sorted(self._folders.get(server.name, {}).items())
            if any(since - MARGIN <= stamp <= until + MARGIN for stamp, _ in file.lines)
        ]

    # --- writing ---------------------------------------------------------------------------------

    def _write(self, server: Server, prefix: str, lines: Iterable[tuple[datetime, str]]) -> None:
        folder = self._folders.setdefault(server.name, {})
        for stamp, line in lines:
            hour = "%Y%m%d" if server.version == "2013" else "%Y%m%d%H"
            name = f"{prefix}{stamp.strftime(hour)}-1.LOG"
            if name not in folder:
                opened = [] if line.startswith(FIELDS[0]) else self._head(server)
                folder[name] = _File(opened)
            folder[name].lines.append((stamp, line))

    def _session(
        self, server: Server, begun: datetime, one: _Session
    ) -> list[tuple[datetime, str]]:
        self._sessions += 1
        session = f"{self._sessions:016X}"
        account = f"{one.user}@{self.world.domain}" if one.user else ""
        steps = (
            ("OpenSession", "", ""),
            ("user", account, "R=ok"),
            ("pass", "*****", _context(one)),
            ("quit", "", "R=ok"),
            ("CloseSession", "", ""),
        )
        lines = []
        for number, (command, parameters, said) in enumerate(steps):
            stamp = begun + timedelta(seconds=0.6 * number)
            known = "" if number == 0 else one.user[:20]
            row = [_stamp(stamp), session, str(number), "127.0.0.1:995", one.client, known]
            row += ["107", "20", "60", command, parameters, said]
            lines.append((stamp, _csv(row if server.version == "2013" else [*row, ""])))
        return lines

    def _back_end_session(self, server: Server, begun: datetime) -> list[tuple[datetime, str]]:
        """What the back end on this server writes of a logon proxied to it by another."""
        self._sessions += 1
        row = [_stamp(begun), f"{self._sessions:016X}", "1", "192.0.2.5:1995"]
        row += ["192.0.2.9:41002", "clara", "31", "44", "12", "auth", "PLAIN *****", "R=ok"]
        line = _csv(row if server.version == "2013" else [*row, ""])
        return [(begun, line)]


def _context(one: _Session) -> str:
    """What the log says of a logon: the reply, where it was proxied to, and the error."""
    target = f"{one.proxy}:1995:SSL"
    if one.trouble is None:
        return f'R=ok;Msg="Proxy:{target};ProxySuccess"'
    code = one.trouble.log_error
    if not one.proxy:
        words = "Logon failure: unknown user name or bad password" if code else "Server Unavailable"
        return f'R="-ERR {words}.";ErrMsg={code or "ServerUnavailable"}'
    code = code or "ProxyFailed"
    # Only monitoring mailboxes are told where the logon was proxied to.
    told = f"[Error={code} Proxy={target}] " if one.user == HEALTH_MAILBOX else ""
    return f'R="-ERR {told}Logon failure.";Msg=Proxy:{target};ErrMsg={code}'


def logs(service: str) -> bool:
    """Whether a service writes POP3 protocol logs at all."""
    return service.casefold() in {FRONT_END.casefold(), BACK_END.casefold()}


def _prefix(service: str) -> str:
    return "POP3BE" if service.casefold() == BACK_END.casefold() else "POP3"


def _stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def _csv(row: list[str]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(row)
    return line.getvalue()
