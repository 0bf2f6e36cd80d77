"""What makes POP ill in the simulation, and what cures it."""

from __future__ import annotations

from datetime import datetime

from attrs import define, field, frozen

from popheal.backends.simulated.model import BACK_END, FRONT_END, Server

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


@frozen(kw_only=True)
class Cure:
    """What cures a fault: whichever of these comes first. None of them: never.

    Attributes:
        restarts: That many successful restarts of the concerned service.
        logging_restart: The restart by which protocol logging takes effect.
        reboots: That many boots of the server.
        seconds: So long after it began (or after the organisation's start, if it was there).
    """

    restarts: int | None = None
    logging_restart: bool = False
    reboots: int | None = None
    seconds: float | None = None


@define(kw_only=True)
class Fault:
    """One thing wrong with one server. Faults compose: POP is well when none is left.

    Attributes:
        fails: Aspects that are broken on the server.
        breaks_ctp_of: Front ends whose end-to-end probe fails because they proxy to here.
        names_back_end: That probe's error text contains ``Proxy=<server>:1995:SSL``.
        logs_back_end: The protocol log of the front end shows where the session was proxied to.
        service: The service whose restart counts.
        seen_by: ``both``, or ``monitors`` only (a stale alert), or ``probes`` only.
        error: What a failing probe says.
    """

    name: str
    server: Server
    fails: frozenset[str]
    cure: Cure
    service: str
    seen_by: str = "both"
    error: str = "The POP3 server did not answer the LOGIN in time."
    breaks_ctp_of: list[Server] = field(factory=list)
    names_back_end: bool = True
    logs_back_end: bool = True
    began: datetime
    active: bool = True
    restarts: int = 0
    reboots: int = 0

    def breaks(self, server: Server, aspect: str) -> bool:
        """Whether the aspect of that server is broken by this fault now."""
        if not self.active:
            return False
        if server is self.server and aspect in self.fails:
            return True
        return aspect == "ctp" and any(s is server for s in self.breaks_ctp_of)

    def note_restart(self, service: str, *, logging_took_effect: bool) -> str:
        """Count a successful restart on the server; return how it cured the fault, if it did."""
        if not self.active or service.casefold() != self.service.casefold():
            return ""
        self.restarts += 1
        if self.cure.logging_restart and logging_took_effect:
            return "logging_restart"
        return "restart" if self.cure.restarts == self.restarts else ""

    def note_boot(self) -> str:
        """Count a boot of the server; return how it cured the fault, if it did."""
        if not self.active:
            return ""
        self.reboots += 1
        return "reboot" if self.cure.reboots == self.reboots else ""


def concerned_service(server: Server, fails: frozenset[str]) -> str:
    """Return the service whose restart would plausibly cure such a fault."""
    if fails & {"proxy", "ctp"} and not fails & {"deep", "self"}:
        return FRONT_END
    return BACK_END if server.mailbox_role else FRONT_END
