"""What makes POP unhealthy in the simulation, and what cures it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated

from attrs import define, field, frozen

from popheal.backends.simulated.history import FaultBegan, FaultCured
from popheal.backends.simulated.model import BACK_END, FRONT_END, Ordinal, Server
from popheal.util.schema import one_of, unfit

if TYPE_CHECKING:
    from popheal.backends.simulated.world import World

#: The aspects of POP a fault can break, each seen by one monitor (and mostly one probe).
POP_ASPECTS = ("deep", "self", "proxy", "ctp", "command_time")
#: Aspects that only a monitor without a recipe in the runbook sees.
EXTRA_ASPECTS = ("working_set", "processor_time", "crashes")
#: What POP depends on, each seen by the health set in question.
DEPENDENCY_ASPECTS = (
    "active_directory",
    "store",
    "data_protection",
    "clustering",
    "network",
)
ASPECTS = (*POP_ASPECTS, *EXTRA_ASPECTS, *DEPENDENCY_ASPECTS)
#: Other protocols whose deep test logs on to a mailbox, too.
OTHER_PROTOCOLS = ("imap", "owa", "activesync", "ews", "mapi")


@frozen(kw_only=True)
class Trouble:
    """Why something does not work, as it is told.

    Attributes:
        error: What a probe says, and the row of a monitor.
        exception: Its exception, with the trace.
        log_error: What the protocol log calls it (``ErrMsg=``).
    """

    error: str
    exception: str = ""
    log_error: str = ""


@frozen(kw_only=True)
class Cure:
    """What cures a fault: whichever of these comes first. None of them: never.

    Attributes:
        restarts: That many successful restarts of the concerned service.
        logging_restart: The restart by which protocol logging takes effect.
        reboots: That many boots of the server.
        seconds: So long after it began (or after the organisation's start, if it was there).
    """

    restarts: Ordinal | None = None
    logging_restart: bool = False
    reboots: Ordinal | None = None
    seconds: float | None = None


#: What cures a fault, in one word.
CURES = {
    "restart": Cure(restarts=1),
    "logging_restart": Cure(logging_restart=True),
    "reboot": Cure(reboots=1),
    "never": Cure(),
}


@define(kw_only=True)
class Fault:
    """One thing wrong with one server. Faults compose: POP is well when none is left.

    Attributes:
        fails: Aspects that are broken on the server.
        service: The service whose restart counts; one that fits if empty.
        seen_by: ``both``, or ``monitors`` only (a stale alert), or ``probes`` only.
        also: Other protocols whose deep tests fail on the server, too.
        error: What a failing probe says, and the row of a monitor that sees the fault.
        exception: The exception that they give beside it.
        log_error: What the protocol log calls it (``ErrMsg=``).
        breaks_ctp_of: Front ends whose end-to-end probe fails because they proxy to here.
        names_back_end: That probe's error text contains ``Proxy=<server>:1995:SSL``.
        logs_back_end: The protocol log of the front end shows where the session was proxied to.
        begins: Seconds after it was added, at the start, until it comes; 0 if it is there then.
        there_for: Seconds for which it has been there when it is added.
    """

    name: str = ""
    server: Server
    fails: frozenset[Annotated[str, one_of(*ASPECTS)]] = frozenset()
    cure: Cure = field(metadata={"example": ", ".join(f'"{word}"' for word in CURES)})
    service: str = ""
    seen_by: Annotated[str, one_of("both", "monitors", "probes")] = "both"
    also: frozenset[Annotated[str, one_of(*OTHER_PROTOCOLS)]] = frozenset()
    error: str = "The POP3 server did not answer the LOGIN in time."
    exception: str = ""
    log_error: str = ""
    breaks_ctp_of: tuple[Server, ...] = ()
    names_back_end: bool = True
    logs_back_end: bool = True
    begins: float = 0.0
    there_for: float = 600.0

    began: datetime = field(init=False)
    active: bool = field(default=False, init=False)
    restarts: int = field(default=0, init=False)
    reboots: int = field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        if not (self.fails or self.also or self.breaks_ctp_of):
            raise unfit(self, "fails", "is empty", f"Name what fails: {', '.join(ASPECTS)}.")
        self.service = self.service or _concerned_service(self.server, self.fails)

    def breaks(self, server: Server, aspect: str) -> bool:
        """Whether the aspect of that server is broken by this fault now."""
        if not self.active:
            return False
        if server is self.server and aspect in self.fails | self.also:
            return True
        return aspect == "ctp" and any(s is server for s in self.breaks_ctp_of)

    def told(self, server: Server) -> Trouble:
        """What the probes and monitors of a server say of it."""
        error = self.error
        if self.server is not server and self.names_back_end:
            code = self.log_error or "ProxyFailed"
            error = f"[Error={code} Proxy={self.server.fqdn}:1995:SSL] {error}"
        return Trouble(error=error, exception=self.exception, log_error=self.log_error)


def _concerned_service(server: Server, fails: frozenset[str]) -> str:
    """Return the service whose restart would plausibly cure such a fault."""
    if fails & {"proxy", "ctp"} and not fails & {"deep", "self"}:
        return FRONT_END
    return BACK_END if server.mailbox_role else FRONT_END


# --- how they come and go ------------------------------------------------------------------------


def add(world: World, fault: Fault) -> None:
    """Have a fault come over its server, now or in its time."""
    world.faults.append(fault)
    fault.began = world.now - timedelta(seconds=fault.there_for)
    if fault.begins > 0:
        world.after(fault.begins, lambda: _begin(world, fault, late=True))
    else:
        _begin(world, fault, late=False)


def restarted(world: World, server: Server, service: str, *, logging_took_effect: bool) -> None:
    """Let the start of a service cure what it cures. A boot starts services, too."""
    for fault in world.faults:
        concerned = fault.service.casefold() == service.casefold()
        if fault.server is server and fault.active and concerned:
            fault.restarts += 1
            if fault.cure.logging_restart and logging_took_effect:
                _cured(world, fault, "logging_restart")
            elif fault.cure.restarts == fault.restarts:
                _cured(world, fault, "restart")


def booted(world: World, server: Server) -> None:
    """Let the boot of a server cure what it cures."""
    for fault in world.faults:
        if fault.server is server and fault.active:
            fault.reboots += 1
            if fault.cure.reboots == fault.reboots:
                _cured(world, fault, "reboot")


def _begin(world: World, fault: Fault, *, late: bool) -> None:
    fault.active = True
    if late:
        fault.began = world.now
    world.record(FaultBegan, fault.server, fault=fault.name)
    if fault.cure.seconds is not None:
        world.after(fault.cure.seconds, lambda: _cured(world, fault, "time"))


def _cured(world: World, fault: Fault, how: str) -> None:
    if fault.active:
        fault.active = False
        world.record(FaultCured, fault.server, fault=fault.name, how=how)
