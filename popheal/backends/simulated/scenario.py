"""Scenarios: an organisation, what is wrong with it, the alert, and what should come of it.

A scenario is a TOML file. ``docs/scenarios.md`` describes every key; here is all of a small one::

    title = "A restart is enough"

    [alert]
    server = "MBX1"
    health_set = "POP.Protocol"
    monitor = "PopDeepTestMonitor"

    [organisation]
    preset = "dag2"

    [[faults]]
    server = "MBX1"
    fails = ["deep"]
    cure = "restart"

    [expect]
    verdict = "recovered"
    procedures = ["mailbox"]
    path = ["restarting_pop3_backend", "reprobing"]

Unknown keys are errors, so that a misspelt one can't go unnoticed.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import datetime
from importlib import resources
from pathlib import Path

from attrs import frozen

from popheal.backends.simulated.backend import SimulatedBackend
from popheal.backends.simulated.build import build
from popheal.backends.simulated.organisation import Organisation
from popheal.backends.simulated.tables import Table
from popheal.errors import ConfigurationError, UnknownName
from popheal.util.clock import Clock, VirtualClock

#: The scenario ``popheal rehearse`` plays if none is named.
DEFAULT_SCENARIO = "mailbox-healed-by-reboot"
DEBT_KINDS = ("activation_disabled", "protocol_logging", "monitor_repairing")
DEBT_STATUSES = ("paid", "handed_over")
VERDICTS = (
    "nothing_wrong",
    "transient",
    "recovered",
    "escalated",
    "held",
    "unknown",
    "cancelled",
)
PROCEDURES = ("mailbox", "client_access", "proxy", "command_time")


@frozen(kw_only=True)
class Expected:
    """What should come of a scenario under the default policy.

    Attributes:
        verdict: Empty where nothing in particular is expected.
        procedures: Those carried out, in order; None where that doesn't matter.
        path: States that one of the runs passes in this order, maybe with others between them.
        not_in_path: States that no run must pass.
        debts: (kind, server, status) of each debt at the end.
    """

    verdict: str = ""
    procedures: tuple[str, ...] | None = None
    path: tuple[str, ...] = ()
    not_in_path: tuple[str, ...] = ()
    debts: tuple[tuple[str, str, str], ...] | None = None


@frozen(kw_only=True)
class Scenario:
    """A scenario, ready to be played once: the organisation changes as it is acted on.

    Attributes:
        server: The alert's server, fully qualified.
        health_set: The alert's health set.
        monitor: The alert's monitor; None if the alert names none.
        text: The alert's text.
        observed_at: When the alert was raised.
    """

    name: str
    title: str
    description: str
    organisation: Organisation
    backend: SimulatedBackend
    server: str
    health_set: str
    monitor: str | None
    text: str
    observed_at: datetime
    expected: Expected

    @property
    def clock(self) -> Clock:
        return self.organisation.clock


def scenario_names() -> tuple[str, ...]:
    """Return the names of the scenarios that come with popheal, sorted."""
    folder = resources.files(__package__) / "scenarios"
    names = (entry.name for entry in folder.iterdir())
    return tuple(sorted(name[:-5] for name in names if name.endswith(".toml")))


def load_scenario(name_or_path: str | Path, clock: Clock | None = None) -> Scenario:
    """Read a scenario and build its organisation.

    Args:
        name_or_path: One of :func:`scenario_names`, or the path of a TOML file.
        clock: The organisation's clock; a new virtual one if None.

    Raises:
        UnknownName: There is no such scenario, and no such file.
        ConfigurationError: The file can't be read, isn't TOML, or says something impossible.
    """
    text_given = str(name_or_path)
    known = scenario_names()
    if text_given in known:
        entry = resources.files(__package__) / "scenarios" / f"{text_given}.toml"
        source, name = f"{text_given}.toml", text_given
        text = entry.read_text(encoding="utf-8")
    else:
        path = Path(name_or_path)
        if not path.is_file():
            raise UnknownName(kind="scenario", name=text_given, known=known)
        source, name = str(path), path.stem
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(source=source, problem=f"can't be read: {error}") from error
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(source=source, problem=f"isn't TOML: {error}") from error
    return build_scenario(content, name=name, source=source, clock=clock)


def build_scenario(
    content: Mapping[str, object],
    *,
    name: str = "scenario",
    source: str = "scenario",
    clock: Clock | None = None,
) -> Scenario:
    """Build a scenario from its tables, as ``tomllib`` gives them.

    Args:
        content: The tables.
        name: What to call it.
        source: What to name in errors.
        clock: The organisation's clock; a new virtual one if None.

    Raises:
        ConfigurationError: The tables say something unknown or impossible.
    """
    root = Table(source, "", content)
    title = root.text("title")
    description = root.text("description", "")
    clock = VirtualClock() if clock is None else clock
    observed_at = clock.now()
    organisation = build(root, clock, name)
    alert = root.table("alert")
    server = _alert_server(alert, organisation)
    scenario = Scenario(
        name=name,
        title=title,
        description=description.strip(),
        organisation=organisation,
        backend=SimulatedBackend(organisation),
        server=server,
        health_set=alert.text("health_set"),
        monitor=alert.text("monitor") if "monitor" in alert else None,
        text=alert.text("text", ""),
        observed_at=observed_at,
        expected=_expected(root.table("expect")),
    )
    alert.text("monitor", "")
    alert.done()
    root.done()
    return scenario


def _alert_server(alert: Table, organisation: Organisation) -> str:
    name = alert.text("server")
    found = organisation.world.find(name)
    if found is None:
        known = ", ".join(s.name for s in organisation.world.servers)
        alert.wrong("server", f"names '{name}', which isn't there", f"There are: {known}.")
    return found.fqdn


def _expected(table: Table) -> Expected:
    procedures = tuple(table.choices("procedures", PROCEDURES)) if "procedures" in table else None
    table.choices("procedures", PROCEDURES)
    debts = tuple(_debt(one) for one in table.tables("debts")) if "debts" in table else None
    expected = Expected(
        verdict=table.choice("verdict", VERDICTS, ""),
        procedures=procedures,
        path=tuple(table.texts("path")),
        not_in_path=tuple(table.texts("not_in_path")),
        debts=debts,
    )
    table.done()
    return expected


def _debt(table: Table) -> tuple[str, str, str]:
    kind = table.choice("kind", DEBT_KINDS)
    debt = (kind, table.text("server"), table.choice("status", DEBT_STATUSES))
    table.done()
    return debt
