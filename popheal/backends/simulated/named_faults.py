"""Faults by name, as a person says them: ``ex1: PopDeepTestMonitor, cured by reboot``.

That is a server, what fails on it, and what cures it. What may fail is a table, :data:`KINDS`:
every monitor that the simulation evaluates, and a few troubles that people know by another name.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final, NoReturn

from attrs import field, frozen

from popheal.backends.simulated.faults import ASPECTS, CURES, POP_ASPECTS
from popheal.backends.simulated.model import Server
from popheal.backends.simulated.monitors import MONITORS, MonitorKind
from popheal.errors import ConfigurationError
from popheal.exchange.names import same_server
from popheal.util.text import did_you_mean, one_line

#: What is said of a cure, and the cure.
CURED: Final = {
    **{f"cured by {word}": word for word in CURES if word != "never"},
    "never cured": "never",
}
#: The cures by which every kind of fault is tried: the first service restart, the first restart
#: of the server, nothing.
TRIED: Final = ("cured by restart", "cured by reboot", "never cured")


@frozen(kw_only=True)
class Kind:
    """A kind of fault that has a name.

    Attributes:
        name: What to call it.
        monitor: The monitor that sees it first, and raises the alert.
        fails: Aspects of POP, or of what it depends on, that it breaks.
        says: What else the fault is, by the keys of a scenario's ``[[faults]]``.
        breaks_front_ends: Whether the end-to-end test fails on every other front end with it.
        cures: What may cure it, of :data:`CURED`.
    """

    name: str
    monitor: MonitorKind
    fails: tuple[str, ...]
    says: Mapping[str, Any] = field(factory=dict)
    breaks_front_ends: bool = False
    cures: tuple[str, ...] = TRIED


def _of(monitor: str) -> MonitorKind:
    return next(one for one in MONITORS if one.name == monitor)


def _by_monitor(one: MonitorKind) -> Kind:
    # No restart of POP3 cures what POP depends on.
    ours = one.aspect in POP_ASPECTS
    return Kind(
        name=one.name,
        monitor=one,
        fails=(one.aspect,),
        cures=TRIED if ours else ("never cured",),
    )


#: Those that the runbook has a procedure for.
WITH_RECIPE: Final = tuple(_by_monitor(one) for one in MONITORS if one.aspect in POP_ASPECTS)

#: What people know by another name than a monitor's.
WELL_KNOWN: Final = (
    Kind(
        name="back end hangs",
        monitor=_of("PopDeepTestMonitor"),
        fails=("deep", "self"),
        says={"hangs": True, "error": "The POP3 server did not answer in time."},
        breaks_front_ends=True,
    ),
    Kind(
        name="certificate expired",
        monitor=_of("PopProxyTestMonitor"),
        fails=("proxy", "ctp"),
        says={
            "error": "-ERR Logon failure.",
            "exception": "The remote certificate is invalid: RemoteCertificateChainErrors.",
            "log_error": "ProxyNotAuthenticated",
        },
        cures=("never cured",),
    ),
    Kind(
        name="probe account refused",
        monitor=_of("PopDeepTestMonitor"),
        fails=("deep", "self"),
        says={
            "error": "-ERR Logon failure: unknown user name or bad password. "
            "User: HealthMailbox1@contoso.com",
            "log_error": "AuthFailed:LogonDenied",
        },
        cures=("never cured",),
    ),
)

#: Every kind, by its name.
KINDS: Final[Mapping[str, Kind]] = {
    one.name: one
    for one in (
        *WITH_RECIPE,
        *WELL_KNOWN,
        *(
            _by_monitor(one)
            for one in MONITORS
            # A scenario says of other protocols that they fail with a fault, not by themselves.
            if one.aspect in ASPECTS and one.aspect not in POP_ASPECTS
        ),
    )
}

#: More names than these are no help in an error.
_MOST_NAMED: Final = 12
_PHRASE: Final = re.compile(r"(?P<server>[^:]+):(?P<kind>[^,]+),(?P<cure>.+)")


@frozen(kw_only=True)
class NamedFault:
    """A fault that was named, on a server that is there.

    Attributes:
        server: The server, fully qualified.
        kind: What fails.
        cure: What cures it, of :data:`CURED`.
    """

    server: str
    kind: Kind
    cure: str

    def __str__(self) -> str:
        return f"{self.server}: {self.kind.name}, {self.cure}"

    def table(self, servers: Iterable[Server]) -> dict[str, Any]:
        """The entry of ``[[faults]]`` that it is, among those servers."""
        table = {
            "name": str(self),
            "server": self.server,
            "fails": list(self.kind.fails),
            "cure": CURED[self.cure],
            **self.kind.says,
        }
        if self.kind.breaks_front_ends:
            table["breaks_ctp_of"] = [
                one.fqdn for one in servers if one.client_access_role and one.fqdn != self.server
            ]
        return table

    def replaces(self, table: Mapping[str, Any]) -> bool:
        """Whether an entry of ``[[faults]]`` breaks the same on that server: only one can be cured
        as it is said here.
        """
        same = same_server(str(table.get("server")), self.server)
        return same and not set(self.kind.fails).isdisjoint(table.get("fails", ()))

    def alert(self) -> dict[str, Any]:
        """The ``[alert]`` that it raises."""
        monitor = self.kind.monitor
        alert = {"server": self.server, "health_set": monitor.health_set, "monitor": monitor.name}
        if monitor.aspect not in POP_ASPECTS:  # no alert of POP's
            alert = {"server": self.server, "health_set": "POP"}
        return {**alert, "text": f"A rehearsal: {self.kind.name}."}


def fits(kind: Kind, server: Server) -> bool:
    """Whether a server can have it: its monitor is there, and its role is."""
    return kind.monitor.on(server)


def names_for(servers: Sequence[Server]) -> list[str]:
    """Every fault that those servers can have, by its name."""
    return [
        str(NamedFault(server=server.name, kind=kind, cure=cure))
        for server in servers
        for kind in KINDS.values()
        if fits(kind, server)
        for cure in kind.cures
    ]


def read_fault(text: str, servers: Sequence[Server]) -> NamedFault:
    """The fault that somebody names.

    Args:
        text: ``SERVER: KIND, CURE``, in any case.
        servers: Those that there are.

    Raises:
        ConfigurationError: It means nothing here; says what would.
    """
    found = _PHRASE.fullmatch(text)
    if found is None:
        right = f"Say it like this: {servers[0].name}: PopDeepTestMonitor, cured by reboot."
        _wrong(text, "it isn't a server, a colon, what fails, a comma, and what cures it", right)
    name, kind_name, cure = (found[one].strip() for one in ("server", "kind", "cure"))
    server = next((one for one in servers if same_server(one.fqdn, name)), None)
    if server is None:
        right = _rather(name, [one.name for one in servers], "There are")
        _wrong(text, f"there is no server '{name}'", right)
    kind = KINDS.get(_spelt(kind_name, KINDS))
    if kind is None:
        possible = [one.name for one in KINDS.values() if fits(one, server)]
        _wrong(text, f"'{kind_name}' is no kind of fault", _rather(kind_name, possible))
    if not fits(kind, server):
        possible = [one.name for one in KINDS.values() if fits(one, server)]
        _wrong(text, f"{server.name} has no {kind.monitor.name}", _rather("", possible))
    cure = _spelt(cure, CURED)
    if cure not in CURED:
        _wrong(text, f"'{cure}' is no cure", _rather(cure, CURED))
    return NamedFault(server=server.fqdn, kind=kind, cure=cure)


def _spelt(given: str, known: Iterable[str]) -> str:
    """The known name that is meant, whatever its case and spaces."""
    plain = " ".join(given.casefold().split())
    return next((one for one in known if one.casefold() == plain), given)


def _rather(given: str, known: Collection[str], lead: str = "Possible here") -> str:
    few = list(known)[:_MOST_NAMED]
    more = f" and {len(known) - len(few)} more" if len(known) > len(few) else ""
    return f"{did_you_mean(given, known)}{lead}: {', '.join(few)}{more}."


def _wrong(text: str, problem: str, right: str) -> NoReturn:
    raise ConfigurationError(
        source=f"The fault '{one_line(text, 80)}'", problem=problem, next_step=right
    )
