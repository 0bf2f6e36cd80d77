"""``triage``, ``plan`` and ``heal``: the commands about a real server."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from popheal import api
from popheal.cli.alert_option import alert_of
from popheal.cli.exit_codes import status_of
from popheal.cli.options import html_option, journal_option, server_options, yes_option
from popheal.cli.prompt import approver_here
from popheal.cli.render import console
from popheal.cli.session import (
    at_work,
    decided,
    interruptible,
    notifiers,
    open_journal,
    options_again,
    show_report,
    write_report_page,
)
from popheal.engine.control import Control
from popheal.reports.report import FORMAT, Report

if TYPE_CHECKING:
    from popheal.cli.render.live import Story
    from popheal.config.load import Config
    from popheal.engine.plan import Plan
    from popheal.policy.policy import Policy


@click.command(short_help="Verify whether POP on a server really fails.")
@server_options
def triage(
    server: str | None,
    health_set: str | None,
    monitor: str | None,
    alert_file: Path | None,
    config: Path,
    record: Path | None,
    as_json: bool,
) -> int:
    """Verify whether POP on SERVER really fails. Changes nothing.

    \b
      popheal triage ex1.contoso.com --config popheal.toml
      popheal triage ex1 --monitor PopCTPMonitor \\
        --config popheal.toml --json
    """
    alert = alert_of(server, health_set, monitor, alert_file)

    def work(backend: Any, told: Config, story: Story) -> Report:
        return api.triage(
            alert,
            backend,
            policy=told.policy,
            observers=[story],
            second_opinion=told.second_opinion,
        )

    report = at_work(alert, config, work, as_json=as_json, record=record)
    next_step = (
        f"See what healing could do: popheal plan {report.server} {options_again(config, None)}"
    )
    show_report(report, as_json=as_json, next_step=next_step)
    return status_of(report)


@click.command(short_help="Say what healing a server could do.")
@server_options
@click.option("--all-paths", is_flag=True, help="List the ways that end without success, too.")
def plan(
    server: str | None,
    health_set: str | None,
    monitor: str | None,
    alert_file: Path | None,
    config: Path,
    record: Path | None,
    as_json: bool,
    all_paths: bool,
) -> int:
    """Verify, and say what healing SERVER could do: every way, and the worst case. Changes nothing.

    \b
      popheal plan ex1.contoso.com --config popheal.toml
      popheal plan ex1.contoso.com --config popheal.toml \\
        --json | jq '.plan[].worst_case'
    """
    alert = alert_of(server, health_set, monitor, alert_file)

    def work(backend: Any, told: Config, story: Story) -> tuple[Plan, Policy]:
        return api.plan(alert, backend, policy=told.policy, observers=[story]), told.policy

    made, policy = at_work(alert, config, work, as_json=as_json, record=record)
    if as_json:
        console.answer_json({"format": FORMAT, **made.to_json()})
        return made.report.verdict.exit_status
    from popheal.cli.render.plan import plan_lines

    next_step = f"Let it: popheal heal {made.report.server} {options_again(config, None)}"
    show_report(made.report, as_json=False, next_step=next_step)
    out = console.console(sys.stdout)
    console.print_lines(out, plan_lines(out, made, policy, all_paths=all_paths))
    return made.report.verdict.exit_status


@click.command(short_help="Carry out the runbook on a server.")
@server_options
@journal_option
@yes_option
@html_option
def heal(
    server: str | None,
    health_set: str | None,
    monitor: str | None,
    alert_file: Path | None,
    config: Path,
    journal: Path | None,
    record: Path | None,
    yes: bool,
    html: Path | None,
    as_json: bool,
) -> int:
    """Verify, and carry out the runbook's procedure for what really fails on SERVER.

    This restarts services and, if that does not help, moves databases away and reboots the
    server, as far as the policy in FILE allows. See first what it could do: popheal plan.

    Before it takes a server out of service it shows the plan and asks, unless FILE says
    approval_from (which may be "never"), or --yes is given. Where nobody can be asked, it holds.

    \b
      popheal heal ex1.contoso.com --config popheal.toml
      popheal heal ex1 --monitor PopProxyTestMonitor \\
        --config popheal.toml --json
      popheal heal --alert-file - \\
        --config popheal.toml < alert.txt

    With --alert-file the text of an alert is read: the server, health set and monitor are found in
    it, and words in it that name a cause keep popheal from doing what can't help.

    With a journal, by --journal or [journal] path in FILE, each step is written down before
    and after it is done, and popheal resume goes on after a crash. Without one it can't.

    Ctrl-C stops it: protocol logging is put back; a server that was drained stays drained, as
    it was not failed back yet, and is handed over in writing. A second Ctrl-C breaks off.
    """
    alert = alert_of(server, health_set, monitor, alert_file)
    control = Control()

    def work(backend: Any, told: Config, story: Story) -> tuple[Report, Policy]:
        path = journal or told.journal
        policy = decided(told.policy, yes=yes)
        with ExitStack() as stack:
            opened = None
            if path:
                opened = stack.enter_context(open_journal(path, create=True))
                stack.enter_context(interruptible(story, options_again(config, journal)))
            report = api.heal(
                alert,
                backend,
                policy=policy,
                observers=[story, *notifiers(told)],
                control=control,
                journal=opened,
                approver=approver_here(policy, journal=bool(path)),
                second_opinion=told.second_opinion,
            )
        return report, policy

    report, policy = at_work(alert, config, work, as_json=as_json, record=record, control=control)
    show_report(report, as_json=as_json)
    write_report_page(report, policy, html)
    return status_of(report)
