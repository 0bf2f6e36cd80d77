"""Conformance tests for your own backend: what every backend must do, as a pytest class.

Subclass it in your test suite::

    class TestMyBackend(BackendConformance):
        server = "mbx1.contoso.com"

        @pytest.fixture
        def backend(self):
            return MyBackend(...)

The tests change settings, restart a service and try a reboot that must be refused. Run them
against a laboratory, never against servers that hold mail.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import attrs

from popheal.errors import BackendError, CommandFailed, NotBegun, UnknownName
from popheal.exchange.backend import EFFECTS, LOOKS, Backend
from popheal.exchange.models import (
    ComponentState,
    Dag,
    Database,
    DatabaseCopy,
    HostStatus,
    MailboxServer,
    MonitorHealth,
    MonitoringItem,
    PopSettings,
    ProbeResult,
    RecoveryAction,
    ReplicationCheck,
    ServerInfo,
    ServiceStatus,
)
from popheal.exchange.names import same_server
from popheal.healthsets.pop.catalog import POP3_BACK_END, SELF_TEST_PROBE


class BackendConformance:
    """Subclass it, set ``server``, and give it a pytest fixture named ``backend``.

    Attributes:
        server: Fully qualified name of a running server with the Mailbox role.
        service: A Windows service that runs there and may be restarted.
        missing_server: A name that no server of the organisation has.
    """

    server: ClassVar[str]
    service: ClassVar[str] = POP3_BACK_END
    missing_server: ClassVar[str] = "no-such-server.invalid"

    def test_has_every_method(self, backend: Any) -> None:
        """It has each look and each effect of the protocol, and a name for its organisation."""
        missing = [name for name in (*LOOKS, *EFFECTS) if not callable(getattr(backend, name, 0))]
        assert missing == [], f"missing methods: {missing}"
        assert isinstance(backend.organisation, str)
        assert backend.organisation

    def test_server_info(self, backend: Backend) -> None:
        """It finds the server by full name, short name and any case, as the same server."""
        info = backend.server_info(self.server)
        assert isinstance(info, ServerInfo)
        assert info.mailbox_role
        for name in (self.server.upper(), self.server.split(".", 1)[0]):
            assert info == backend.server_info(name), f"asked for {name!r}"

    def test_unknown_server(self, backend: Backend) -> None:
        """A server that does not exist is UnknownName, not an empty answer."""
        assert _raises(UnknownName, lambda: backend.server_info(self.missing_server))

    def test_all_servers(self, backend: Backend) -> None:
        """Every server is listed, the one asked about among them."""
        servers = backend.all_servers(self.server)
        assert any(same_server(one.fqdn, self.server) for one in servers), servers

    def test_looks_return_what_they_promise(self, backend: Backend) -> None:
        """Each look returns its own class, about the right server, with aware times."""
        mailbox = backend.mailbox_server(self.server)
        assert isinstance(mailbox, MailboxServer)
        assert same_server(mailbox.server, self.server)
        if mailbox.dag:
            dag = backend.dag(self.server, mailbox.dag)
            assert isinstance(dag, Dag)
            assert any(same_server(member, self.server) for member in dag.members)
        rows = _each(MonitorHealth, backend.server_health(self.server))
        assert rows, "server_health: no row at all means 'could not look', which is an error"
        copies = _each(DatabaseCopy, backend.database_copies(self.server))
        assert all(same_server(copy.server, self.server) for copy in copies)
        for database in _each(Database, backend.databases(self.server)):
            named = _each(DatabaseCopy, backend.copies_of(self.server, database.name))
            assert any(same_server(copy.server, self.server) for copy in named)
        if mailbox.dag:
            checks = _each(ReplicationCheck, backend.replication_health(self.server))
            assert checks, "replication_health: a member of a group has checks"
        _each(ComponentState, backend.component_states(self.server))
        _each(PopSettings, [backend.pop_settings(self.server)])
        for name in (self.server, self.server.upper(), self.server.split(".", 1)[0]):
            _each(HostStatus, [backend.host_status(name)])

    def test_probe(self, backend: Backend) -> None:
        """A probe that can be run has a result; one that can't is CommandFailed."""
        _each(ProbeResult, [backend.invoke_probe(self.server, SELF_TEST_PROBE)])
        assert _raises(CommandFailed, lambda: backend.invoke_probe(self.server, "POP\\NoSuchProbe"))

    def test_monitoring_items(self, backend: Backend) -> None:
        """What there is of a health set: the probe that can be run, and its monitor."""
        health_set, probe = SELF_TEST_PROBE.split("\\")
        items = _each(MonitoringItem, backend.monitoring_items(self.server, health_set))
        assert probe in [item.name for item in items if item.kind.casefold() == "probe"]
        assert any(item.kind.casefold() == "monitor" for item in items)

    def test_services(self, backend: Backend) -> None:
        """Services are found without case; unknown ones are left out."""
        names = (self.service.upper(), "NoSuchService")
        (service,) = _each(ServiceStatus, backend.services(self.server, names))
        assert self.service.casefold() == service.name.casefold()

    def test_pop_logs(self, backend: Backend) -> None:
        """The folder that the settings name can be read; a folder that isn't there is an error."""
        until = datetime.now(UTC)
        location = backend.pop_settings(self.server).log_location
        backend.pop_logs(self.server, location, until - timedelta(minutes=1), until)
        assert _raises(
            BackendError,
            lambda: backend.pop_logs(self.server, "Z:\\no\\such\\folder", until, until),
        )

    def test_recovery_actions(self, backend: Backend) -> None:
        """Managed Availability's actions on that server; none of a time that is still to come."""
        now = backend.host_status(self.server).local_time
        seen = backend.recovery_actions(self.server, now - timedelta(hours=1))
        for action in _each(RecoveryAction, seen):
            assert same_server(action.server, self.server)
            assert action.action
        assert list(backend.recovery_actions(self.server, now + timedelta(days=1))) == []

    def test_restart_service(self, backend: Backend) -> None:
        """After a restart another process runs."""
        (before,) = backend.services(self.server, (self.service,))
        backend.restart_service(self.server, self.service)
        (after,) = backend.services(self.server, (self.service,))
        assert (before.process_id, before.started_at) != (after.process_id, after.started_at)

    def test_start_service(self, backend: Backend) -> None:
        """Starting a service that runs leaves it alone."""
        before = backend.services(self.server, (self.service,))
        backend.start_service(self.server, self.service)
        assert list(before) == list(backend.services(self.server, (self.service,)))

    def test_settings_can_be_set_and_read_back(self, backend: Backend) -> None:
        """Activation and protocol logging read back as they were set, both ways."""
        logging = backend.pop_settings(self.server).protocol_log_enabled
        disabled = backend.mailbox_server(self.server).activation_disabled
        for value in (not logging, logging):
            backend.set_protocol_logging(self.server, value)
            assert value is backend.pop_settings(self.server).protocol_log_enabled
        for value in (not disabled, disabled):
            backend.set_activation_disabled(self.server, value)
            assert value is backend.mailbox_server(self.server).activation_disabled

    def test_a_component_that_is_in_service_stays_so(self, backend: Backend) -> None:
        """Setting a requester's entry to what it is anyway changes no state."""
        states = {one.component: one.state for one in backend.component_states(self.server)}
        backend.set_component_state(self.server, "PopProxy", True, "HealthAPI")
        after = {one.component: one.state for one in backend.component_states(self.server)}
        assert states == after

    def test_reboot_is_conditional(self, backend: Backend) -> None:
        """A reboot that names another boot time is NotBegun, and nothing happens."""
        before = backend.host_status(self.server).boot_time
        assert _raises(NotBegun, lambda: backend.reboot(self.server, before - timedelta(days=1)))
        assert before == backend.host_status(self.server).boot_time


def _raises(kind: type[Exception], action: Callable[[], object]) -> bool:
    """Whether the action raises that error; any other error passes through."""
    try:
        action()
    except kind:
        return True
    return False


def _each(kind: type[Any], answer: Any) -> list[Any]:
    """The answer as a list, after checking class and times of each item."""
    items = list(answer)
    for item in items:
        assert isinstance(item, kind), f"{item!r} is not a {kind.__name__}"
        for field in attrs.fields(kind):
            value = getattr(item, field.name)
            if isinstance(value, datetime):
                assert value.utcoffset() == timedelta(0), f"{field.name} is not in UTC: {value}"
    return items
