"""One remote command through popheal's client, against a bare pypsrp client in the same run.

And how many commands a recovery takes. Both clients talk to one lab, each over one open shell.
"""

from __future__ import annotations

import statistics
import time
from collections import Counter
from collections.abc import Callable

from pypsrp.powershell import PowerShell, RunspacePool
from pypsrp.wsman import WSMan

from popheal import Alert, Journal, Verdict, heal
from popheal.backends.psrp import PsrpBackend, PsrpSettings
from popheal.backends.simulated import load_scenario
from popheal.backends.simulated.history import Called
from popheal.lab import Lab

ROUNDS = 150
RECOVERIES = (
    "mailbox-healed-by-restart",
    "mailbox-healed-by-reboot",
    "client-access-healed-by-reboot",
    "command-time-healed-by-reboot",
)


def bare(settings: PsrpSettings, server: str) -> tuple[Callable[[], object], Callable[[], None]]:
    """A look at a server's health with nothing around it; and how to end."""
    target = settings.target(settings.exchange.servers[-1], settings.exchange)
    how = target.connection
    wsman = WSMan(
        target.address,
        port=how.port,
        ssl=False,
        path=how.path,
        auth=how.auth,
        username=how.username,
        password=how.password.reveal() if how.password else None,
        encryption="never",
        no_proxy=True,
    )
    pool = RunspacePool(wsman, configuration_name=how.configuration)
    pool.open()

    def look() -> object:
        shell = PowerShell(pool)
        shell.add_cmdlet("Get-ServerHealth").add_parameter("Identity", server)
        rows = shell.invoke()
        shell.close()
        return rows

    return look, pool.close


def seconds(look: Callable[[], object]) -> float:
    started = time.perf_counter()
    look()
    return time.perf_counter() - started


def main() -> None:
    """Alternate, and compare pair by pair."""
    scenario = load_scenario("mailbox-healed-by-restart")
    servers = [one.fqdn for one in scenario.organisation.world.servers]
    with Lab(scenario.backend, servers) as lab, PsrpBackend(lab.settings()) as backend:
        simple, end = bare(lab.settings(), servers[0])
        through = lambda: backend.server_health(servers[0])  # noqa: E731
        simple(), through()  # the first of each opens, and imports what it needs
        pairs = [(seconds(simple), seconds(through)) for _ in range(ROUNDS)]
        end()
    ratio = statistics.median(b for _, b in pairs) / statistics.median(a for a, _ in pairs)
    print(f"a look by a bare client {statistics.median(a for a, _ in pairs) * 1e3:6.2f} ms")
    print(f"the same by popheal     {statistics.median(b for _, b in pairs) * 1e3:6.2f} ms", end="")
    print(f"   ratio {ratio:.2f}")
    for name in RECOVERIES:
        healed = load_scenario(name)
        report = heal(
            Alert(server=healed.server), healed.backend, clock=healed.clock, journal=Journal()
        )
        assert report.verdict is Verdict.RECOVERED
        called = Counter(
            one.method for one in healed.organisation.history if isinstance(one, Called)
        )
        most = ", ".join(f"{method} {times}" for method, times in called.most_common(4))
        print(f"calls for {name:32} {called.total():4}   ({most})")


if __name__ == "__main__":
    main()
