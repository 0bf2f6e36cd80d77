"""``what-if``: what the table would have done, had a step come to something else."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from popheal.cli import completion
from popheal.cli.options import journal_options, json_option
from popheal.cli.render import console
from popheal.cli.session import find, journal_path, open_journal
from popheal.policy.policy import Policy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from popheal.review.what_if import StepTaken

#: Of the JSON object; grows if a key changes its meaning.
_FORMAT = 1


@click.command("what-if", short_help="Say what would have followed from another outcome.")
@click.argument("healing", shell_complete=completion.healings)
@click.option("--at", metavar="STEP", help="The step: the name of a state it has come to.")
@click.option("--outcome", metavar="OUTCOME", help="What the step would have come to.")
@click.option("--run", metavar="RUN", help="Which run of that healing, if several came there.")
@click.option("--all", "everything", is_flag=True, help="Each outcome of each look it has taken.")
@journal_options
@json_option
def what_if(
    healing: str,
    at: str | None,
    outcome: str | None,
    run: str | None,
    everything: bool,
    journal: Path | None,
    config: Path | None,
    as_json: bool,
) -> int:
    """Say what the table would have done in HEALING, had a step come to something else: what might
    have followed, how drastic, and the worst case.

    \b
      popheal what-if 3f2a --at reprobing \\
        --outcome succeeded --journal journal.db
      popheal what-if 3f2a --all --config popheal.toml

    Nothing is called and nothing is written: the journal and the table are all that is asked.
    What limits, gates and people would have said is not known afterwards, so it is the most that
    might have followed.
    """
    from popheal.cli.render.what_if import overview_lines, what_if_lines
    from popheal.review import what_if as review
    from popheal.review.case import policy_of

    if everything == bool(at or outcome) or (not everything and not (at and outcome)):
        raise click.UsageError("Give --at STEP and --outcome OUTCOME, or --all.")
    with open_journal(journal_path(journal, config), read_only=True) as opened:
        record = find(opened, healing)
        policy = policy_of(record, opened.entries(record.id))
        steps = [one for one in review.steps_of(opened, record) if run in (None, one.run.id)]
    if policy is None:
        console.say("Another version wrote the policy of that healing: the default one is taken.")
    policy = policy or Policy()
    if everything:
        found = review.every_look(steps, policy)
    else:
        found = (review.what_if(_step(steps, str(at)), str(outcome), policy),)
    if as_json:
        answer = {"format": _FORMAT, "healing": record.id}
        console.answer_json({**answer, "what_if": [one.to_json() for one in found]})
        return 0
    out = console.console(sys.stdout)
    lines = overview_lines(out, found) if everything else what_if_lines(out, found[0])
    console.print_lines(out, lines)
    return 0


def _step(steps: Sequence[StepTaken], at: str) -> StepTaken:
    """The step that is meant. Raises UsageError if none is, or several are."""
    found = [one for one in steps if one.state == at]
    if len(found) == 1:
        return found[0]
    if found:
        runs = ", ".join(one.run.id for one in found)
        raise click.UsageError(f"Several runs came to {at}. Give one of these with --run: {runs}.")
    names = ", ".join(dict.fromkeys(one.state for one in steps)) or "none, as no run has begun"
    raise click.UsageError(f"No run came to '{at}'. Steps of that healing: {names}.")
