"""How faults come and go."""

from __future__ import annotations

from popheal.backends.simulated.faults import Fault
from popheal.backends.simulated.history import NATURE, FaultBegan, FaultCured
from popheal.backends.simulated.model import Server
from popheal.backends.simulated.world import World


def add(world: World, fault: Fault, *, after: float = 0.0) -> None:
    """Have a fault come over its server, now or some seconds from now."""
    world.faults.append(fault)
    fault.active = False
    if after > 0:
        world.after(after, lambda: _begin(world, fault, late=True))
    else:
        _begin(world, fault, late=False)


def restarted(world: World, server: Server, service: str, *, logging_took_effect: bool) -> None:
    """Let the start of a service cure what it cures. A boot starts services, too."""
    for fault in world.faults:
        if fault.server is server:
            how = fault.note_restart(service, logging_took_effect=logging_took_effect)
            _cured(world, fault, how)


def booted(world: World, server: Server) -> None:
    """Let the boot of a server cure what it cures."""
    for fault in world.faults:
        if fault.server is server:
            _cured(world, fault, fault.note_boot())


def _begin(world: World, fault: Fault, *, late: bool) -> None:
    fault.active = True
    if late:
        fault.began = world.now
    world.record(FaultBegan(at=world.now, actor=NATURE, server=fault.server.name, fault=fault.name))
    if fault.cure.seconds is not None:
        world.after(fault.cure.seconds, lambda: _cured(world, fault, "time"))


def _cured(world: World, fault: Fault, how: str) -> None:
    if not how or not fault.active:
        return
    fault.active = False
    world.record(
        FaultCured(at=world.now, actor=NATURE, server=fault.server.name, fault=fault.name, how=how)
    )
