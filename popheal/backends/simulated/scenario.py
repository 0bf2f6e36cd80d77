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

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path as FilePath
from typing import Annotated, Any

from attrs import evolve, field, frozen

from popheal.backends.simulated.backend import SimulatedBackend
from popheal.backends.simulated.build import build
from popheal.backends.simulated.model import Server
from popheal.backends.simulated.named_faults import read_fault
from popheal.backends.simulated.organisation import Organisation
from popheal.errors import UnknownName
from popheal.util.clock import Clock, VirtualClock
from popheal.util.schema import Key, Schema, one_of
from popheal.util.toml import TomlFile

#: The scenario ``popheal rehearse`` plays if none is named.
DEFAULT_SCENARIO = "mailbox-healed-by-reboot"


@frozen(kw_only=True)
class ExpectedDebt:
    """A debt at the end: of which kind, on which server, and whether it is paid."""

    kind: Annotated[str, one_of("activation_disabled", "protocol_logging", "monitor_repairing")]
    server: str
    status: Annotated[str, one_of("paid", "handed_over")]


_Verdict = Annotated[
    str,
    one_of("nothing_wrong", "transient", "recovered", "escalated", "held", "unknown", "cancelled"),
]
_Procedure = Annotated[str, one_of("mailbox", "client_access", "proxy", "command_time")]


@frozen(kw_only=True)
class Expected:
    """What should come of a scenario under the default policy.

    Attributes:
        verdict: Empty where nothing in particular is expected.
        procedures: Those carried out, in order; None where that doesn't matter.
        path: States that one of the runs passes in this order, maybe with others between them.
        not_in_path: States that no run must pass.
        restarts: Each service that popheal restarted, after its server and a space, in order;
            None where that doesn't matter.
        says: Texts that the report says, in any case.
        debts: Each debt at the end; None where that doesn't matter.
    """

    verdict: _Verdict = ""
    procedures: tuple[_Procedure, ...] | None = None
    path: tuple[str, ...] = ()
    not_in_path: tuple[str, ...] = ()
    restarts: tuple[str, ...] | None = None
    says: tuple[str, ...] = ()
    debts: tuple[ExpectedDebt, ...] | None = None


@frozen(kw_only=True)
class _Alert:
    server: Server
    health_set: str
    monitor: str | None = None
    text: str = field(default="", metadata={"lines": True})


_TABLES: Schema = {
    "title": Key(required=True),
    "description": Key(unsaid="", lines=True),
    "alert": Key(kind=_Alert, required=True, example='{ server = "MBX1", health_set = "POP" }'),
    "expect": Key(kind=Expected, unsaid=Expected()),
}


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


def load_scenario(
    name_or_path: str | FilePath, clock: Clock | None = None, *, faults: Sequence[str] = ()
) -> Scenario:
    """Read a scenario and build its organisation.

    Args:
        name_or_path: One of :func:`scenario_names`, or the path of a TOML file.
        clock: The organisation's clock; a new virtual one if None.
        faults: Faults to add, by name, like ``"ex1: PopDeepTestMonitor, cured by reboot"``. The
            first one raises the alert, whatever the file says, and nothing in particular is
            expected of what comes of it.

    Raises:
        UnknownName: There is no such scenario, and no such file.
        ConfigurationError: The file can't be read, isn't TOML, or says something impossible; or
            so does a fault.
    """
    return built(scenario_file(name_or_path), clock, faults=faults)


def scenario_file(name_or_path: str | FilePath) -> TomlFile:
    """The file of a scenario, read once: :func:`built` makes an organisation of it each time.

    Raises:
        UnknownName: There is no such scenario, and no such file.
        ConfigurationError: The file can't be read, or isn't TOML.
    """
    name, path, known = str(name_or_path), FilePath(name_or_path), scenario_names()
    if name in known:
        with resources.as_file(resources.files(__package__) / "scenarios" / f"{name}.toml") as own:
            return evolve(TomlFile.read(own), name=name)
    if not path.is_file():
        raise UnknownName(kind="scenario", name=name, known=known)
    return TomlFile.read(path)


def built(file: TomlFile, clock: Clock | None = None, *, faults: Sequence[str] = ()) -> Scenario:
    """The organisation of a file, with faults by name besides. Raises ConfigurationError."""
    if faults:
        with _scenario(file, "scenario", VirtualClock()).organisation.present() as world:
            named = [read_fault(one, world.servers) for one in faults]
            tables = [one.table(world.servers) for one in named]
        content = dict(file.content)
        content.pop("expect", None)
        content["alert"] = named[0].alert()
        own = (one for one in content.get("faults", ()) if not any(n.replaces(one) for n in named))
        content["faults"] = [*own, *tables]
        file = evolve(file, content=content)
    return _scenario(file, FilePath(file.name).stem, clock)


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
    return _scenario(TomlFile(name=source, content=content), name, clock)


def _virtual_clock(file: TomlFile) -> VirtualClock:
    """One that begins when the file says; what it says wrongly is complained about later."""
    general = file.content.get("organisation")
    at = general.get("at") if isinstance(general, Mapping) else None
    if isinstance(at, datetime) and at.tzinfo is not None:
        return VirtualClock(at.astimezone(UTC))
    return VirtualClock()


def _scenario(file: TomlFile, name: str, clock: Clock | None) -> Scenario:
    clock = _virtual_clock(file) if clock is None else clock
    observed_at = clock.now()
    organisation = Organisation(clock, name=name)
    read: dict[str, Any] = build(organisation, file, _TABLES)
    alert: _Alert = read["alert"]
    return Scenario(
        name=name,
        title=read["title"],
        description=read["description"].strip(),
        organisation=organisation,
        backend=SimulatedBackend(organisation),
        server=alert.server.fqdn,
        health_set=alert.health_set,
        monitor=alert.monitor,
        text=alert.text,
        observed_at=observed_at,
        expected=read["expect"],
    )
