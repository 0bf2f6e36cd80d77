"""``approve``: a person says from elsewhere whether a plan may be carried out."""

from __future__ import annotations

from pathlib import Path

import click

from popheal.cli import completion
from popheal.cli.options import journal_options, json_option
from popheal.cli.render.console import answer_json, answer_lines
from popheal.cli.session import find, journal_path, open_journal
from popheal.util.account import account


@click.command(short_help="Approve the plan that a healing waits with, or refuse it.")
@click.argument("healing", shell_complete=completion.unfinished_healings)
@click.option(
    "--plan",
    required=True,
    metavar="HASH",
    shell_complete=completion.plans,
    help="The plan that is meant: no other.",
)
@click.option("--refuse", is_flag=True, help="Refuse it. The run then escalates, or is held.")
@journal_options
@json_option
def approve(
    healing: str,
    plan: str,
    journal: Path | None,
    config: Path | None,
    *,
    refuse: bool,
    as_json: bool,
) -> int:
    """Approve the plan that HEALING, or one run of it, waits with.

    The run, the plan's hash and what the plan could do are told where the healing was started,
    and by popheal show HEALING. The answer counts once, and only until the question expires.
    Where the policy wants another person than the one who began, it is told by the account of
    the operating system.

    \b
      popheal approve 5f0c2a9b1d3e.1 --plan 9f86d081884c7d65 \\
        --config popheal.toml
      popheal approve 5f0c2a9b1d3e.1 --plan 9f86d081884c7d65 \\
        --journal journal.db --refuse
    """
    with open_journal(journal_path(journal, config)) as opened:
        find(opened, healing)
        question = opened.approve(healing, plan, granted=not refuse, by=account())
    if as_json:
        from popheal.util.serialize import to_jsonable

        answer_json(to_jsonable(question))
    else:
        done = "refused" if refuse else "approved"
        answer_lines([f"Plan {question.plan} of run {question.run} on {question.server}: {done}."])
    return 0
