"""A backend of your own: one server in a dictionary, whose POP3 back end a restart heals.

Real ones ask something real. What matters is the contract: say what you see, raise what the
protocol names, and never guess. Run it: python docs/examples/own_backend.py
"""

from datetime import UTC, datetime

import popheal
from popheal import errors
from popheal.exchange import models as seen
from popheal.util.clock import VirtualClock

FQDN, BOOTED = "mbx1.example.com", datetime(2026, 1, 1, tzinfo=UTC)


class DictionaryBackend:
    organisation = "example.com"

    def __init__(self) -> None:
        self.clock = VirtualClock()  # Used by default; leave it out for real servers.
        self.state = {"ill": True, "process": 100, "disabled": False, "logging": False}

    def server_info(self, server):
        if server.casefold() not in (FQDN, FQDN.split(".", maxsplit=1)[0]):
            raise errors.UnknownName(kind="server", name=server, known=[FQDN])
        return seen.ServerInfo(fqdn=FQDN, name="mbx1", mailbox_role=True, client_access_role=True)

    def all_servers(self, server): return [self.server_info(FQDN)]
    def mailbox_server(self, server):
        return seen.MailboxServer(server=FQDN, activation_disabled=self.state["disabled"])
    def dag(self, server, name): raise self.failed("Get-DatabaseAvailabilityGroup", "not found")
    def database_copies(self, server): return []
    def copies_of(self, server, database): raise self.failed("Get-MailboxDatabaseCopyStatus", "?")
    def databases(self, server): return []
    def component_states(self, server):
        return [seen.ComponentState(component="PopProxy", state="Active")]
    def pop_settings(self, server):
        return seen.PopSettings(server=FQDN, protocol_log_enabled=self.state["logging"])
    def host_status(self, server):
        return seen.HostStatus(server=FQDN, boot_time=BOOTED, local_time=self.clock.now())
    def pop_logs(self, server, location, since, until):
        if location: raise self.failed("Get-ChildItem", "there is no such folder")
        return []
    def recovery_actions(self, server, since): return []
    def replication_health(self, server): return []
    def monitoring_items(self, server, health_set):
        return [seen.MonitoringItem(name=f"PopSelfTest{kind}", kind=kind, health_set=health_set)
                for kind in ("Probe", "Monitor")]

    def server_health(self, server):
        value = "Unhealthy" if self.state["ill"] else "Healthy"
        return [seen.MonitorHealth(server=FQDN, monitor="PopDeepTestMonitor", alert_value=value,
                                   health_set="POP.Protocol", last_execution=self.clock.now())]

    def invoke_probe(self, server, probe):
        if probe.split("\\")[-1] not in ("PopDeepTestProbe", "PopSelfTestProbe"):
            raise self.failed("Invoke-MonitoringProbe", "the probe can't be run")
        return seen.ProbeResult(probe=probe, result="Failed" if self.state["ill"] else "Succeeded")

    def services(self, server, names):
        if "msexchangepop3be" not in [name.casefold() for name in names]: return []
        return [seen.ServiceStatus(name="MSExchangePOP3BE", state="Running",
                                   start_type="Automatic", process_id=self.state["process"])]

    def restart_service(self, server, service):
        self.state.update(ill=False, process=self.state["process"] + 1)
    def start_service(self, server, service): pass
    def set_activation_disabled(self, server, disabled): self.state["disabled"] = disabled
    def move_database(self, server, database): raise self.failed("Move-ActiveMailboxDatabase", "?")
    def set_protocol_logging(self, server, enabled): self.state["logging"] = enabled
    def set_component_state(self, server, component, active, requester): pass
    def reboot(self, server, booted_at):
        raise errors.NotBegun(server=FQDN, command="Restart-Computer", cause="no power switch")

    def failed(self, command, cause):
        return errors.CommandFailed(server=FQDN, command=command, cause=cause)


if __name__ == "__main__":
    report = popheal.heal(popheal.Alert(server="mbx1", health_set="POP.Protocol"),
                          DictionaryBackend())
    print(report.verdict.value, "-", report.summary)
