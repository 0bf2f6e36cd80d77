"""Windows services: restarting, starting and stopping them, with what can go wrong."""

from __future__ import annotations

from datetime import datetime
from functools import partial

from attrs import define, field

from popheal.backends.simulated import faults
from popheal.backends.simulated.history import (
    NATURE,
    ServiceRestarted,
    ServiceStarted,
    ServiceStopped,
)
from popheal.backends.simulated.model import FRONT_END, HEALTH_MANAGER, Server, Service
from popheal.backends.simulated.monitoring import Monitoring
from popheal.backends.simulated.pop3_log import LogBook, logs
from popheal.backends.simulated.world import Pending, World
from popheal.errors import OutcomeUnknown
from popheal.exchange.models import ServiceStatus

RESTART, START = "Restart-Service", "Start-Service"
#: Seconds a service takes to stop, and to start.
STOPPING, STARTING = 4.0, 6.0
#: Seconds after which Windows gives up on a service that hangs.
PATIENCE = 60.0
#: Seconds a service runs that then stops by itself.
SHORT_LIFE = 15.0


@define
class Services:
    """The services of all servers."""

    world: World
    monitoring: Monitoring
    log_book: LogBook
    _processes: int = field(default=4000, init=False)

    def statuses(self, server: Server, names: tuple[str, ...]) -> list[ServiceStatus]:
        """Answer for the named services; unknown ones are left out."""
        found = [s for name in names if (s := server.service(name)) is not None]
        return [
            ServiceStatus(
                name=s.name,
                state=s.state,
                start_type=s.start_type,
                process_id=s.process_id,
                started_at=None if s.started_at is None else server.told(s.started_at),
            )
            for s in found
        ]

    def restart(self, server: Server, name: str, actor: str) -> Pending:
        """Begin to restart a service; a stopped one is started."""
        service = self._startable(server, name, RESTART)
        was_running = service.running
        boots = server.boots

        def over(worked: bool) -> None:
            self.world.record(
                ServiceRestarted,
                server,
                actor,
                service=service.name,
                worked=worked,
                was_running=was_running,
            )

        if was_running:
            service.state = "StopPending"
        if service.on_restart == "hangs":
            due = self.world.while_up(server, PATIENCE, lambda: over(worked=False))
            return self._outcome(server, service, boots, due, RESTART)
        self.world.while_up(server, STOPPING, lambda: self._halt(service, "StartPending"))

        def started() -> None:
            over(self._try_run(server, service, "fails"))

        due = self.world.while_up(server, STOPPING + STARTING, started)
        return self._outcome(server, service, boots, due, RESTART)

    def start(self, server: Server, name: str, actor: str) -> Pending | None:
        """Begin to start a service; nothing is done to a running one."""
        service = self._startable(server, name, START)
        if service.running:
            return None
        boots = server.boots

        def over() -> None:
            worked = self._try_run(server, service, "fails", "hangs")
            self.world.record(ServiceStarted, server, actor, service=service.name, worked=worked)

        if service.state == "StopPending":
            # It can't be started before it has ended, and is none the less there.
            raise self.world.failed(server, START, _cannot_start(service, "StopPending"))
        if service.state == "Stopped":
            service.state = "StartPending"
        due = self.world.while_up(server, STARTING, over)
        return self._outcome(server, service, boots, due, START)

    def stop(self, server: Server, name: str, actor: str, why: str) -> None:
        """Stop a service at once."""
        service = self._known(server, name, "Stop-Service")
        if service.state == "Stopped":
            return
        self._halt(service)
        self.world.record(ServiceStopped, server, actor, service=service.name, why=why)

    def power_lost(self, server: Server) -> None:
        for service in server.services.values():
            self._halt(service)
        server.log_in_effect.clear()

    def booted(self, server: Server) -> None:
        """Plan the start of the automatic services, each in its time."""
        for service in server.services.values():
            if service.start_type != "Automatic" or not service.starts_after_boot:
                continue
            if not service.boots_after:
                self._run(server, service)
            else:
                run = partial(self._run, server, service)
                self.world.while_up(server, service.boots_after, run)

    def component_changed(self, server: Server) -> None:
        """By design, the front-end service stops while PopProxy is inactive."""
        front_end = server.service(FRONT_END)
        if front_end is None or server.component_active("PopProxy"):
            return
        if server.pop_proxy_inactive == "stops":
            self._stop_soon(server, front_end, "PopProxy is inactive")

    # --- inside ----------------------------------------------------------------------------------

    def _known(self, server: Server, name: str, command: str) -> Service:
        service = server.service(name)
        if service is None:
            seen = f"Cannot find any service with service name '{name}'."
            raise self.world.not_begun(server, command, seen, "missing")
        return service

    def _startable(self, server: Server, name: str, command: str) -> Service:
        service = self._known(server, name, command)
        if service.start_type == "Disabled" and not (service.running and command == START):
            raise self.world.not_begun(
                server, command, _cannot_start(service, "disabled"), "disabled"
            )
        return service

    def _try_run(self, server: Server, service: Service, *failing: str) -> bool:
        """Start it, unless it can't be or is one that fails; tell whether that worked."""
        worked = service.start_type != "Disabled" and service.on_restart not in failing
        if worked:
            self._run(server, service)
        else:
            self._halt(service)
        return worked

    def _halt(self, service: Service, state: str = "Stopped") -> None:
        service.state = state
        service.process_id = None
        service.started_at = None

    def _run(self, server: Server, service: Service) -> None:
        if service.running:
            return
        self._processes += 4
        service.state = "Running"
        service.in_use = True
        service.process_id = self._processes
        service.started_at = self.world.now
        took_effect = self._apply_logging(server, service)
        faults.restarted(self.world, server, service.name, logging_took_effect=took_effect)
        if service.name == HEALTH_MANAGER:
            self.monitoring.health_manager_started(server)
        if service.on_restart == "stops_again":
            self._stop_soon(server, service, "it terminated by itself")
        if service.name == FRONT_END:
            self.component_changed(server)

    def _apply_logging(self, server: Server, service: Service) -> bool:
        """A starting POP3 process reads the setting. Tell whether it logs and did not before."""
        if not logs(service.name):
            return False
        before = server.log_in_effect.get(service.name, False)
        server.log_in_effect[service.name] = server.protocol_log_enabled
        if server.protocol_log_enabled:
            self.log_book.service_started(server, service.name)
        return server.protocol_log_enabled and not before

    def _stop_soon(self, server: Server, service: Service, why: str) -> None:
        process = service.process_id

        def stop() -> None:
            if service.process_id == process and service.running:
                self.stop(server, service.name, NATURE, why)

        self.world.while_up(server, SHORT_LIFE, stop)

    def _outcome(
        self, server: Server, service: Service, boots: int, due: datetime, command: str
    ) -> Pending:
        def check() -> None:
            if server.boots != boots:
                raise OutcomeUnknown(
                    server=server.fqdn,
                    command=command,
                    cause="the connection was lost while the service was being restarted",
                )
            if service.state != "Running":
                raise self.world.failed(server, command, _cannot_start(service, service.state))

        return Pending(due, check)


def _cannot_start(service: Service, why: str) -> str:
    if why == "StopPending":
        return f"Service '{service.name}' cannot be stopped: time out has expired."
    return f"Service '{service.name}' cannot be started ({why})."
