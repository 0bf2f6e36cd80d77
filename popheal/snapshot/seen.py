"""What was seen of an organisation: each look with its answer, or with why there is none."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, TypeVar

from attrs import define, field, frozen

from popheal.backends.simulated.model import Server
from popheal.backends.simulated.monitors import MONITORS, MonitorKind
from popheal.errors import BackendError
from popheal.exchange.interpret import rows_of
from popheal.exchange.models import MonitorHealth, ServerInfo
from popheal.exchange.names import same_server, short_name

T = TypeVar("T")


@frozen
class Asked:
    """One look: a method of the backend, the server it was about, and what else it was told."""

    method: str
    server: str
    further: tuple[str, ...] = ()


@frozen
class Probed:
    """What a probe has come to, run as often as triage runs it.

    Attributes:
        outcome: ``succeeded``, ``failed``, ``timed_out`` or ``could_not_tell``.
        results: ``ResultType`` of each run, in order.
        error: What the last one says.
        exception: The exception that it gives beside it.
    """

    outcome: str
    results: tuple[str, ...]
    error: str
    exception: str


@define
class Seen:
    """What was seen of an organisation.

    Attributes:
        at: When the looking was over, by our clock; probes are rerun after it.
        servers: Every server that was looked at, by its name.
        left_out: The others, each with why.
        answers: Each look, with its answer or its error.
        skew: By full name: by how many seconds a server's clock is ahead of ours.
    """

    at: datetime
    servers: list[ServerInfo] = field(factory=list)
    left_out: dict[str, str] = field(factory=dict)
    answers: dict[Asked, Any] = field(factory=dict)
    skew: dict[str, float] = field(factory=dict)
    _worst: dict[str, dict[str, MonitorHealth]] = field(factory=dict, init=False, repr=False)

    def get(self, method: str, server: str, *further: str) -> Any:
        """The answer to a look; None where there is none."""
        answer = self.answers.get(Asked(method, server, further))
        return None if isinstance(answer, BackendError) else answer

    def error(self, method: str, server: str, *further: str) -> BackendError | None:
        """Why a look that was made has no answer."""
        answer = self.answers.get(Asked(method, server, further))
        return answer if isinstance(answer, BackendError) else None

    def of(self, method: str, server: str) -> Iterator[tuple[Asked, Any]]:
        """Every look of that kind at a server that has an answer."""
        for asked, answer in self.answers.items():
            fits = (asked.method, asked.server) == (method, server)
            if fits and not isinstance(answer, BackendError):
                yield asked, answer

    def name_of(self, server: str) -> str:
        """The name under which a server is listed, of any of its names; its short one if none."""
        found = next((one for one in self.servers if same_server(one.fqdn, server)), None)
        return found.name if found else short_name(server)

    def is_listed(self, server: str) -> bool:
        """Whether a server, by any of its names, is one of those that were looked at."""
        return any(same_server(one.fqdn, server) for one in self.servers)

    def ago(self, server: str, moment: datetime) -> float:
        """How long ago a moment was that a server's own clock told, in seconds."""
        skew = timedelta(seconds=self.skew.get(server, 0.0))
        return (self.at + skew - moment).total_seconds()

    def monitors(self, server: str) -> dict[str, MonitorHealth]:
        """The worst row of each monitor of a server, by its name in lower case."""
        rows = self.get("server_health", server)
        if rows is None:
            return {}
        if server in self._worst:
            return self._worst[server]
        worst = self._worst[server] = {}
        for row in rows_of(server, rows):
            name = row.monitor.casefold()
            if name not in worst or _badness(row) > _badness(worst[name]):
                worst[name] = row
        return worst


_WORST_LAST = ("healthy", "degraded", "unhealthy")


def _badness(row: MonitorHealth) -> int:
    value = row.alert_value.casefold()
    return _WORST_LAST.index(value) if value in _WORST_LAST else 1


def kinds_on(info: ServerInfo) -> list[MonitorKind]:
    """The monitors that the simulation has on a server of such roles."""
    like = Server(roles=roles_of(info))
    return [one for one in MONITORS if one.fits(like)]


def roles_of(info: ServerInfo) -> tuple[str, ...]:
    """A server's roles in the words of a scenario."""
    roles = {"mailbox": info.mailbox_role, "client_access": info.client_access_role}
    return tuple(name for name, has in roles.items() if has)
