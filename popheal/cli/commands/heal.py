"""``triage``, ``plan`` and ``heal``: the commands about a real server."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event as Flag
from typing import TYPE_CHECKING, Any, TypeVar

import click

from popheal import api
from popheal.cli.exit_codes import OF_VERDICT
from popheal.cli.journal_option import CONFIG_VARIABLE, journal_option, open_path, options_again
from popheal.cli.logging import is_verbose, verbose_option
from popheal.cli.notifiers import notifiers
from popheal.cli.render import console
from popheal.cli.signals import BrokenOff, obeying
from popheal.errors import Fenced, JournalError
from popheal.healthsets.pop.catalog import monitor_named
from popheal.reports.report import Alert, Report

if TYPE_CHECKING:
    from popheal.cli.render.live import Story
    from popheal.config.load import Config
    from popheal.engine.plan import Plan

Command = TypeVar("Command", bound=Callable[..., Any])


def json_option(command: Command) -> Command:
    """Add ``--json`` to a command."""
    return click.option(
        "--json", "as_json", is_flag=True, help="Answer with one JSON object, and nothing else."
    )(command)


def config_option(command: Command) -> Command:
    """Add ``--config``, which must be there."""
    return click.option(
        "-c",
        "--config",
        type=click.Path(path_type=Path),
        envvar=CONFIG_VARIABLE,
        required=True,
        metavar="FILE",
        help="The configuration (TOML): where the organisation is, policy, timing. "
        f"Or set {CONFIG_VARIABLE}.",
    )(command)


def _about_a_server(command: Command) -> Command:
    for decorate in (
        verbose_option,
        json_option,
        config_option,
        click.option("--monitor", metavar="M", help="The monitor that alerted, if known."),
        click.option(
            "--health-set",
            metavar="S",
            help="The health set that alerted: POP, POP.Protocol or POP.Proxy.",
        ),
        click.argument("server"),
    ):
        command = decorate(command)
    return command


def alert_of(server: str, health_set: str | None, monitor: str | None) -> Alert:
    """The alert that the arguments describe. Raises UnknownName."""
    if health_set is None:
        health_set = monitor_named(monitor).health_set if monitor else "POP"
    return Alert(server=server, health_set=health_set, monitor=monitor)


def story_of(alert: Alert, *, as_json: bool, live: bool = True) -> Story:
    """The story of answering an alert: part of the answer, or with JSON for a watcher only."""
    from popheal.cli.render.live import Story
    from popheal.cli.render.report import alert_lines

    stream = sys.stderr if as_json else sys.stdout
    out = console.console(stream) if not as_json or stream.isatty() else None
    live = live and not is_verbose(click.get_current_context(silent=True))
    heading = alert_lines(out, alert) if out else []
    return Story(out=out, server=alert.server, heading=heading, live=live)


@click.command(short_help="Verify whether POP on a server really fails.")
@_about_a_server
def triage(
    server: str, health_set: str | None, monitor: str | None, config: Path, as_json: bool
) -> int:
    """Verify whether POP on SERVER really fails. Changes nothing.

    \b
      popheal triage ex1.contoso.com --config popheal.toml
      popheal triage ex1 --monitor PopCTPMonitor \\
        --config popheal.toml --json
    """
    alert = alert_of(server, health_set, monitor)

    def work(backend: Any, told: Config, story: Story) -> Report:
        return api.triage(alert, backend, policy=told.policy, observers=[story])

    report = _at_work(alert, config, work, as_json=as_json)
    next_step = f"See what healing could do: popheal plan {report.server} --config {config}"
    show_report(report, as_json=as_json, next_step=next_step)
    return OF_VERDICT[report.verdict]


@click.command(short_help="Say what healing a server could do.")
@_about_a_server
@click.option("--all-paths", is_flag=True, help="List the ways that end without success, too.")
def plan(
    server: str,
    health_set: str | None,
    monitor: str | None,
    config: Path,
    as_json: bool,
    all_paths: bool,
) -> int:
    """Verify, and say what healing SERVER could do: every way, and the worst case. Changes nothing.

    \b
      popheal plan ex1.contoso.com --config popheal.toml
      popheal plan ex1.contoso.com --config popheal.toml \\
        --json | jq '.plan[].worst_case'
    """
    alert = alert_of(server, health_set, monitor)
    policies = []

    def work(backend: Any, told: Config, story: Story) -> Plan:
        policies.append(told.policy)
        return api.plan(alert, backend, policy=told.policy, observers=[story])

    made = _at_work(alert, config, work, as_json=as_json)
    if as_json:
        console.answer_json(made.to_json())
        return OF_VERDICT[made.report.verdict]
    from popheal.cli.render.plan import plan_lines

    next_step = f"Let it: popheal heal {made.report.server} --config {config}"
    show_report(made.report, as_json=False, next_step=next_step)
    out = console.console(sys.stdout)
    for line in plan_lines(out, made, policies[0], all_paths=all_paths):
        out.print(line, soft_wrap=True)
    return OF_VERDICT[made.report.verdict]


@click.command(short_help="Carry out the runbook on a server.")
@_about_a_server
@journal_option
def heal(
    server: str,
    health_set: str | None,
    monitor: str | None,
    config: Path,
    journal: Path | None,
    as_json: bool,
) -> int:
    """Verify, and carry out the runbook's procedure for what really fails on SERVER.

    This restarts services and, if that does not help, moves databases away and reboots the
    server, as far as the policy in FILE allows. See first what it could do: popheal plan.

    \b
      popheal heal ex1.contoso.com --config popheal.toml
      popheal heal ex1 --monitor PopProxyTestMonitor \\
        --config popheal.toml --json

    With a journal, by --journal or [journal] path in FILE, each step is written down before
    and after it is done, and popheal resume goes on after a crash. Without one it can't.

    Ctrl-C stops it: protocol logging is put back; a server that was drained stays drained, as
    it was not failed back yet, and is handed over in writing. A second Ctrl-C breaks off.
    """
    from popheal.cli.prompt import approver_here

    alert = alert_of(server, health_set, monitor)
    again = options_again(config, journal)
    stop = Flag()

    def work(backend: Any, told: Config, story: Story) -> Report:
        path = journal or told.journal
        if path is None:
            return api.heal(
                alert,
                backend,
                policy=told.policy,
                observers=[story, *notifiers(told)],
                stop=stop,
                approver=approver_here(journal=False),
            )
        with open_path(path, create=True) as opened, interruptible(story, again):
            return api.heal(
                alert,
                backend,
                policy=told.policy,
                observers=[story, *notifiers(told)],
                stop=stop,
                journal=opened,
                approver=approver_here(journal=True),
            )

    report = _at_work(alert, config, work, as_json=as_json, stop=stop)
    show_report(report, as_json=as_json)
    return OF_VERDICT[report.verdict]


Result = TypeVar("Result")


def _at_work(
    alert: Alert,
    config: Path,
    work: Callable[[Any, Config, Story], Result],
    *,
    as_json: bool,
    stop: Flag | None = None,
) -> Result:
    """Do the work on the configured organisation, and close every connection afterwards."""
    from popheal.backends.psrp import PsrpBackend
    from popheal.config.load import load_config

    told = load_config(config)
    story = story_of(alert, as_json=as_json)
    with obeying(stop), PsrpBackend(told.settings) as backend, watched(story):
        return work(backend, told, story)


@contextmanager
def watched(story: Story) -> Iterator[None]:
    """While this lasts the story is told; should it be broken off, that is said too."""
    try:
        with story.told():
            yield
    except BrokenOff:
        console.say(_broken_off(story))
        raise


def _broken_off(story: Story) -> str:
    if story.how_to_resume:
        behind = story.left_behind or "Nothing had been changed"
        return f"Broken off. {behind}. Go on with it: {story.how_to_resume}"
    if not story.effects:
        return "Broken off. Nothing had been changed."
    return (
        f"Broken off. {story.left_behind}: look whether database activation (Get-MailboxServer) "
        "and protocol logging (Get-PopSettings) are as before."
    )


@contextmanager
def interruptible(story: Story, options: str) -> Iterator[None]:
    """While this lasts a healing is written down: if it is cut off, it is said how to go on.

    Args:
        story: What is told about it.
        options: How to find the organisation and the journal again.
    """
    try:
        yield
    except BrokenOff:
        story.how_to_resume = _resume(story, options)
        raise
    except Fenced:
        raise
    except JournalError as error:
        if story.healing:
            behind = f"{story.left_behind}. " if story.left_behind else ""
            error.next_step += f" {behind}Go on with it then: {_resume(story, options)}"
        raise


def _resume(story: Story, options: str) -> str:
    return " ".join(part for part in ("popheal resume", story.healing, options) if part)


def show_report(report: Report, *, as_json: bool, next_step: str = "") -> None:
    """The report, as the answer; for people, that is what the story has not told yet."""
    if as_json:
        console.answer_json(report.to_json())
        return
    from popheal.cli.render.report import ending_lines

    out = console.console(sys.stdout)
    for line in ending_lines(out, report, next_step=next_step):
        out.print(line, soft_wrap=True)
