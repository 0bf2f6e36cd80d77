"""A lab in a process of its own, and processes that heal it and can be killed.

The processes are forked from a warm server, so that one costs milliseconds. The organisation's
virtual clock is served over a pipe: whoever sleeps on it moves it, and waits for nothing.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import multiprocessing.connection
import os
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from multiprocessing.process import BaseProcess
from pathlib import Path
from threading import Lock
from typing import Any

from attrs import frozen

from popheal.backends.psrp import PsrpBackend, PsrpSettings
from popheal.backends.psrp.settings import exchange_connection, winrm_connection
from popheal.backends.simulated import history as h
from popheal.backends.simulated import load_scenario
from popheal.lab import Lab, LabClock
from popheal.reports.report import Report
from tests.support.healing import Watched
from tests.support.properties import Case

Pipe = multiprocessing.connection.Connection

#: From here every process is forked: it has one thread, whatever the test runner has.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(
    [
        "pypsrp.powershell",
        "popheal.backends.psrp.client",
        "popheal.backends.psrp.routing",
        "popheal.engine.healing",
        "popheal.audit",
        "tests.support.lab_process",
    ]
)
#: A process that takes longer than this has gone astray.
PATIENCE = 120
#: Starting a process also reaps all others, whichever thread has started them.
_ONE_AT_A_TIME = Lock()


def start(target: Callable[..., None], *args: Any) -> BaseProcess:
    """Start a process."""
    process = PROCESSES.Process(target=target, args=args)
    with _ONE_AT_A_TIME:
        process.start()
    return process


def end_of(process: BaseProcess) -> int | None:
    """Wait until a process has ended; its exit status, or minus the signal that killed it."""
    multiprocessing.connection.wait([process.sentinel], PATIENCE)
    with _ONE_AT_A_TIME:
        status = process.exitcode
        if status is None:
            process.kill()
    process.join()
    return status


@frozen(kw_only=True)
class Evidence:
    """What an organisation saw, to be sent from process to process."""

    history: tuple[h.Happening, ...]
    logging_before: Mapping[str, bool]
    logging_after: Mapping[str, bool]
    disabled_after: Mapping[str, bool]
    lasted: timedelta

    def case(self, report: Report) -> Case:
        """The same with the report, for the properties."""
        return Case(
            report=report,
            history=list(self.history),
            logging_before=dict(self.logging_before),
            logging_after=dict(self.logging_after),
            disabled_after=dict(self.disabled_after),
            calls=sum(isinstance(one, h.Called) for one in self.history),
            lasted=self.lasted,
        )


class Witness:
    """Looks at an organisation at the beginning and at the end."""

    def __init__(self, organisation: Any) -> None:
        self._organisation = organisation
        with organisation.present() as world:
            self._began = world.now
            self._logging = {one.name: one.protocol_log_enabled for one in world.servers}

    def evidence(self) -> Evidence:
        """What it saw so far."""
        with self._organisation.present() as world:
            return Evidence(
                history=tuple(self._organisation.history),
                logging_before=self._logging,
                logging_after={one.name: one.protocol_log_enabled for one in world.servers},
                disabled_after={one.name: one.activation_disabled for one in world.servers},
                lasted=world.now - self._began,
            )


class DistantClock:
    """The organisation's clock, in another process than the organisation."""

    def __init__(self, pipe: Pipe) -> None:
        self._pipe = pipe

    def now(self) -> datetime:
        self._pipe.send(("now",))
        return self._pipe.recv()

    def monotonic(self) -> float:
        return self.now().timestamp()

    def sleep(self, seconds: float) -> None:
        self._pipe.send(("sleep", seconds))
        self._pipe.recv()

    async def asleep(self, seconds: float) -> None:
        self.sleep(seconds)
        await asyncio.sleep(0)


@frozen(kw_only=True)
class Way:
    """How a process gets to the lab: handed to it when it is started."""

    addresses: Mapping[str, str]
    password: str
    clock: Pipe

    def settings(self) -> PsrpSettings:
        """Settings for the remoting."""
        login = {"auth": "basic", "username": "lab", "password": self.password}
        return PsrpSettings(
            exchange=exchange_connection(tuple(self.addresses), **login),
            winrm=winrm_connection(**login),
            addresses=self.addresses,
        )

    def backend(self) -> PsrpBackend:
        """A backend of its own."""
        return PsrpBackend(self.settings())


class LabProcess:
    """A scenario's organisation, served over remoting by a process of its own.

    Args:
        scenario: Its name, or the path of its file.
        clients: How many processes use it at a time.
    """

    def __init__(self, scenario: str | Path, clients: int = 1) -> None:
        self._control, theirs = PROCESSES.Pipe()
        pairs = [PROCESSES.Pipe() for _ in range(clients)]
        password = secrets.token_urlsafe(12)
        self._process = start(_serve, scenario, password, theirs, [far for _, far in pairs])
        theirs.close()
        for _, far in pairs:
            far.close()
        addresses = self._answer()
        self.ways = [Way(addresses=addresses, password=password, clock=near) for near, _ in pairs]

    def __enter__(self) -> LabProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.join()
        self._process.close()
        self._control.close()
        for way in self.ways:
            way.clock.close()

    def evidence(self) -> Evidence:
        """What the organisation saw so far."""
        self._control.send(("evidence",))
        return self._answer()

    def _answer(self) -> Any:
        if not self._control.poll(PATIENCE):
            raise TimeoutError("the lab does not answer")
        return self._control.recv()


def _serve(scenario: str | Path, password: str, control: Pipe, clocks: list[Pipe]) -> None:
    """The lab's process; ends when nobody has the other end of its pipe any more."""
    organisation = load_scenario(scenario).organisation
    witness = Witness(organisation)
    with organisation.present() as world:
        servers = [one.fqdn for one in world.servers]
    lab = Lab(Watched(organisation), servers, is_up=organisation.answers, password=password)
    lab.open()
    clock = LabClock(organisation.clock, lab)
    does = {"now": clock.now, "sleep": clock.sleep, "evidence": witness.evidence}
    control.send(dict(lab.addresses))
    pipes = [control, *clocks]
    while control in pipes:
        for pipe in multiprocessing.connection.wait(pipes):
            try:
                name, *args = pipe.recv()
            except EOFError:
                pipes.remove(pipe)
                continue
            answer = does[name](*args)
            with suppress(BrokenPipeError):
                pipe.send(answer)
    os._exit(0)  # its threads hold nothing that anybody wants
