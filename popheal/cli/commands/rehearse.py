"""``rehearse``: heal a simulated organisation, where nothing can go wrong for real."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from popheal import api
from popheal.cli import completion
from popheal.cli.commands import tabletop
from popheal.cli.exit_codes import status_of
from popheal.cli.options import PATH, html_option, json_option
from popheal.cli.prompt import approver_here
from popheal.cli.render import console
from popheal.cli.session import show_report, story_of, watched, write_report_page
from popheal.cli.signals import obeying
from popheal.engine.control import Control
from popheal.policy.policy import Policy
from popheal.reports.report import FORMAT, Report
from popheal.util.clock import Clock, SystemClock
from popheal.util.text import one_line

if TYPE_CHECKING:
    from popheal.backends.simulated import Scenario

#: How much faster than real time passes over PowerShell remoting. Much faster, and the
#: time that real requests take would look like minutes of waiting to the organisation.
_SPEED_OVER_PSRP: Final = 120.0


@click.command(short_help="Heal a simulated organisation; begin here.")
@click.argument("scenario", required=False, shell_complete=completion.scenarios)
@click.option("--list", "listed", is_flag=True, help="List the scenarios that come with popheal.")
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    metavar="N",
    help="A random organisation: the N-th of them.",
)
@click.option(
    "--over-psrp",
    is_flag=True,
    help="Serve the organisation over PowerShell remoting on loopback, and heal it through the "
    "real client.",
)
@click.option(
    "--speed",
    type=click.FloatRange(min=0, min_open=True, max=100_000),
    metavar="X",
    help="Let time pass, X times faster than real time. Else it takes none, or with --over-psrp "
    f"passes {_SPEED_OVER_PSRP:.0f} times faster.",
)
@click.option(
    "-c",
    "--config",
    type=PATH,
    metavar="FILE",
    help="Try the [policy] and [timing] of this configuration; nothing else of it is used.",
)
@click.option(
    "--fault",
    "faults",
    multiple=True,
    metavar="FAULT",
    shell_complete=completion.faults,
    help='Add a fault by name, like "mbx1: PopDeepTestMonitor, cured by reboot". The first one '
    "raises the alert.",
)
@click.option(
    "--every-fault",
    is_flag=True,
    help="Try each kind of fault on each server, with each cure, and show what comes of it.",
)
@html_option
@json_option
def rehearse(
    scenario: str | None,
    listed: bool,
    seed: int | None,
    over_psrp: bool,
    speed: float | None,
    config: Path | None,
    faults: tuple[str, ...],
    every_fault: bool,
    html: Path | None,
    as_json: bool,
) -> int:
    """Heal a simulated Exchange organisation. Needs no server and touches nothing.

    SCENARIO is a name of the list, or the path of a TOML file of your own.

    \b
      popheal rehearse
      popheal rehearse --list
      popheal rehearse server-never-comes-back \\
        --html report.html
      popheal rehearse --over-psrp
      popheal rehearse my-site.toml \\
        --config popheal.toml --json

    With a snapshot of your own organisation (popheal snapshot):

    \b
      popheal rehearse org.toml \\
        --fault "ex1: PopDeepTestMonitor, cured by reboot"
      popheal rehearse org.toml --every-fault \\
        --config popheal.toml --html tabletop.html

    The exit status is the verdict's, as with popheal heal.

    Ctrl-C stops it: protocol logging is put back; a server that was drained stays drained, as
    it was not failed back yet, and is handed over in writing. A second Ctrl-C breaks off.
    """
    if scenario is not None and seed is not None:
        raise click.UsageError("A scenario and --seed can't be given together.")
    if faults and (every_fault or seed is not None):
        other = "--every-fault" if every_fault else "--seed"
        raise click.UsageError(f"--fault and {other} can't be given together.")
    if every_fault and (seed is not None or over_psrp or speed):
        raise click.UsageError("--every-fault takes no --seed, --over-psrp or --speed.")
    if listed:
        return _list(as_json=as_json)
    if every_fault:
        played_by = _policy(config, undecided=True)
        return tabletop.every_fault(scenario, played_by, html, as_json=as_json)
    from popheal.tabletop.exercise import alert_of

    policy = _policy(config)
    if over_psrp:
        # Loading it takes a while, which should not pass in the organisation.
        import_module("popheal.backends.psrp.client")
        import_module("popheal.lab")
        speed = speed or _SPEED_OVER_PSRP
    played = _load(scenario, seed, SystemClock(speed) if speed else None, faults)
    clock = played.clock
    alert = alert_of(played)
    before = _databases(played)
    story = story_of(alert, as_json=as_json, live=bool(speed), clock=clock.monotonic)
    if story.out:
        story.heading = [*_title(played, speed, over_psrp=over_psrp), *story.heading]
    control = Control()
    with (
        obeying(control),
        _backend(played, over_psrp=over_psrp) as backend,
        watched(story, backend),
    ):
        report = api.heal(
            alert,
            backend,
            policy=policy,
            clock=clock,
            observers=[story],
            control=control,
            approver=approver_here(policy, journal=False),
        )
    _show(played, report, before, as_json=as_json)
    write_report_page(report, policy, html)
    return status_of(report)


def _policy(config: Path | None, *, undecided: bool = False) -> Policy:
    if config is None:
        return Policy()
    from popheal.config.load import load_policy

    return load_policy(config, undecided=undecided)


def _load(
    name: str | None, seed: int | None, clock: Clock | None, faults: Sequence[str]
) -> Scenario:
    from popheal.backends.simulated import DEFAULT_SCENARIO, load_scenario

    if seed is not None:
        from popheal.backends.simulated.random_scenarios import random_organisation

        return random_organisation(seed, clock)
    return load_scenario(DEFAULT_SCENARIO if name is None else name, clock, faults=faults)


@contextmanager
def _backend(played: Scenario, *, over_psrp: bool) -> Iterator[Any]:
    """The organisation itself, or the way to it over remoting."""
    if not over_psrp:
        yield played.backend
        return
    from popheal.backends.psrp import PsrpBackend
    from popheal.lab import Lab

    with (
        Lab(played.backend, server_names(played), is_up=played.organisation.answers) as lab,
        PsrpBackend(lab.settings()) as backend,
    ):
        yield backend


def server_names(played: Scenario) -> list[str]:
    """The full names of the organisation's servers."""
    with played.organisation.present() as world:
        return [server.fqdn for server in world.servers]


def _databases(played: Scenario) -> dict[str, str]:
    """Each database, and the server with its active copy."""
    with played.organisation.present() as world:
        return {one.name: one.active.name for one in world.databases if not one.recovery}


def _full_names(played: Scenario) -> dict[str, str]:
    with played.organisation.present() as world:
        return {server.name: server.fqdn for server in world.servers}


# --- showing it ----------------------------------------------------------------------------------


def _title(played: Scenario, speed: float | None, *, over_psrp: bool) -> list[Any]:
    from rich.text import Text

    time = f"time passes {speed:g} times faster" if speed else "time takes no time"
    way = ", over PowerShell remoting on loopback" if over_psrp else ""
    return [
        Text(one_line(played.title), "bold"),
        Text(f"A rehearsal ({one_line(played.name)}){way}; {time}.", "dim"),
        Text(""),
    ]


def _show(played: Scenario, report: Report, before: dict[str, str], *, as_json: bool) -> None:
    after = _databases(played)
    if as_json:
        rehearsal = {
            "scenario": played.name,
            "title": played.title,
            "expected_verdict": played.expected.verdict or None,
            "databases": {name: {"before": before[name], "now": after[name]} for name in after},
        }
        console.answer_json({"format": FORMAT, **report.to_json(), "rehearsal": rehearsal})
        return
    from popheal.cli.render.lines import labelled
    from popheal.cli.render.report import database_lines

    show_report(report, as_json=False)
    out = console.console(sys.stdout)
    # Spelt like everywhere else in the answer.
    full = _full_names(played)
    lines = list(
        database_lines(
            out,
            {name: full.get(server, server) for name, server in before.items()},
            {name: full.get(server, server) for name, server in after.items()},
        )
    )
    expected = played.expected.verdict
    if expected and expected != report.verdict.value:
        lines += labelled(out, "Expected", f"{expected}, by the scenario under the default policy")
    console.print_lines(out, lines)


def _list(*, as_json: bool) -> int:
    from popheal.backends.simulated import DEFAULT_SCENARIO, load_scenario, scenario_names

    found = [load_scenario(name) for name in scenario_names()]
    if as_json:
        rows = [
            {"name": one.name, "title": one.title, "expected_verdict": one.expected.verdict}
            for one in found
        ]
        console.answer_json({"default": DEFAULT_SCENARIO, "scenarios": rows})
        return 0
    from rich.text import Text

    from popheal.cli.render.lines import hanging

    out = console.console(sys.stdout)
    width = max(len(one.name) for one in found)
    for one in found:
        default = " (the default)" if one.name == DEFAULT_SCENARIO else ""
        lead = Text(f"{one.name:<{width}}  ")
        console.print_lines(out, hanging(out, lead, f"{one.title}{default}"))
    return 0
