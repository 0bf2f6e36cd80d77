"""``rights``: what the account needs, as PowerShell to paste."""

from __future__ import annotations

from pathlib import Path

import click
from attrs import evolve

from popheal.cli.options import optional_config_option
from popheal.cli.render import console
from popheal.policy.policy import Policy
from popheal.tables.actions import Impact
from popheal.util.text import one_line

_LEVELS = {one.value: one for one in (Impact.LOOK, Impact.CHANGE, Impact.DISRUPT)}


def _one_line(_context: click.Context, _option: click.Parameter, name: str | None) -> str | None:
    """A name: the rest of it would else be a command of its own, as part of it is in a comment."""
    if name is not None and (not name.strip() or one_line(name) != name):
        raise click.BadParameter("give a name, on one line")
    return name


@click.command(short_help="Show the rights that popheal needs, as PowerShell to paste.")
@click.option(
    "--for",
    "level",
    type=click.Choice(list(_LEVELS)),
    help="How far it is to go, instead of highest_impact of the policy.",
)
@optional_config_option("whose [policy] says what may be done; else it is the default policy")
@click.option(
    "--account",
    metavar="NAME",
    callback=_one_line,
    help=r"Who popheal logs on as, like CONTOSO\popheal.",
)
@click.option(
    "--group",
    metavar="NAME",
    callback=_one_line,
    help="What to call the role group; 'popheal rights' if not given.",
)
def rights(level: str | None, config: Path | None, account: str | None, group: str | None) -> int:
    """Print the PowerShell that gives an account the rights that popheal needs, and no others.

    The first part is for the Exchange Management Shell: it makes a role group with exactly the
    cmdlets and the parameters that the policy can need. The second says what the account needs on
    the servers. Nothing is connected to, and nothing is changed.

    \b
      popheal rights --for look
      popheal rights --config popheal.toml --account 'CONTOSO\\popheal'
    """
    from popheal.backends.psrp.role_group import ACCOUNT, GROUP, paste
    from popheal.config.load import load_policy
    from popheal.engine.plan import effects_in_reach
    from popheal.exchange.backend import LOOKS
    from popheal.healthsets.pop import PROCEDURES

    policy = load_policy(config) if config else Policy()
    if level:
        policy = evolve(policy, highest_impact=_LEVELS[level])
    text = paste(
        (*LOOKS, *effects_in_reach(PROCEDURES.values(), policy)),
        about=f'for highest_impact = "{policy.highest_impact.value}"',
        group=group or GROUP,
        account=account or ACCOUNT,
    )
    console.answer_text(text)
    return 0
