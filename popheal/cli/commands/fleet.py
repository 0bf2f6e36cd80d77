"""``fleet``: healings on Temporal. A first step: see the page "A fleet" of the documentation."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from popheal.cli.alert_option import alert_of
from popheal.cli.commands.fleet_client import (
    report_of,
    require_decided,
    site_option,
    with_client,
)
from popheal.cli.commands.fleet_gateway import serve, watch
from popheal.cli.commands.fleet_worker import hashes_of, own_tables_option, worker
from popheal.cli.exit_codes import HELD, status_of
from popheal.cli.options import json_option, server_name, server_options, yes_option
from popheal.cli.render.console import answer_json, answer_text, say
from popheal.cli.session import decided, show_report
from popheal.cli.temporal_log import say_what_temporal_logs
from popheal.reports.report import Report
from popheal.util.account import account
from popheal.util.text import moment, one_line

if TYPE_CHECKING:
    from temporalio.client import Client

    from popheal.temporal.listing import Listed
    from popheal.temporal.messages import Decision, Progress
    from popheal.temporal.orphaned import Orphaned

T = TypeVar("T")

_ANSWERS_WITHIN: Final = timedelta(seconds=20)
_server_argument: Final = click.argument("server", callback=server_name)


@click.group(short_help="Heal with many machines, on Temporal (experimental).")
def fleet() -> None:
    """Healings that Temporal carries on when a machine is lost. A first step, and experimental.

    It needs the extra 'temporal' and a Temporal server. Where that is, and how to log on to it,
    is said by Temporal's own variables: TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, TEMPORAL_TLS_....
    POPHEAL_FLEET_KEYS, the same on every machine, has what is sent there encrypted.

    A fleet and a journal's file do not know of each other: use one of the two for an organisation.
    """
    say_what_temporal_logs()


fleet.add_command(serve)
fleet.add_command(watch)
fleet.add_command(worker)


# --- healings ------------------------------------------------------------------------------------


@fleet.command(short_help="Have the fleet carry out the runbook on a server.")
@server_options
@site_option
@own_tables_option
@yes_option
def heal(
    server: str | None,
    health_set: str | None,
    monitor: str | None,
    alert_file: Path | None,
    config: Path,
    record: Path | None,
    site: str,
    procedure: tuple[str, ...],
    *,
    yes: bool,
    as_json: bool,
) -> int:
    """Like popheal heal, by the fleet; waits for the report. FILE says how far to go.

    Ctrl-C only ends the waiting. To stop the healing: popheal fleet stop SERVER. It follows the
    tables that the workers of the engine have; where --procedure names others, it is refused.

    \b
      popheal fleet heal ex1.contoso.com --config popheal.toml \\
        --site berlin
    """
    from popheal.backends.psrp.backend import ORGANISATION
    from popheal.config.load import load_config
    from popheal.temporal.messages import HealingOrder
    from popheal.util.serialize import to_jsonable

    if record is not None:
        raise click.UsageError("--record is for a command that asks the servers itself.")
    alert = alert_of(server, health_set, monitor, alert_file)
    told = load_config(config)
    policy = decided(told.policy, yes=yes)
    require_decided(policy, told.source, else_="Or give --yes.")
    order = HealingOrder(
        alert=to_jsonable(alert),
        policy=policy.to_json(),
        organisation=ORGANISATION,
        by=account(),
        site=site,
        second_opinion=told.second_opinion is not None,
        tables=hashes_of(procedure),
    )
    report = asyncio.run(_heal(order, alert.server))
    if report is None:
        return HELD
    show_report(report, as_json=as_json)
    return status_of(report)


async def _heal(order: Any, server: str) -> Report | None:
    from temporalio.exceptions import WorkflowAlreadyStartedError

    from popheal.temporal.operations import begin_healing

    async def healed(client: Client) -> Report | None:
        try:
            begun = await begin_healing(client, order)
        except WorkflowAlreadyStartedError:
            say(f"A healing of {server} is under way. See: popheal fleet show {server}")
            return None
        say(f"Begun. See how it goes: popheal fleet show {server}")
        return await report_of(client, begun, server)

    return await with_client(healed)


@fleet.command(short_help="List the fleet's healings.")
@click.option("--newest", default=20, show_default=True, type=click.IntRange(0), metavar="N")
@json_option
def healings(newest: int, *, as_json: bool) -> int:
    """List the healings that are under way, and the N newest of those that have ended.

    Before them come those that were terminated, or lost, and still hold their claims: nobody acts
    there until they are settled. The list lags some seconds behind: decide nothing by it, but ask
    about the server.

    \b
      popheal fleet healings
    """
    from popheal.temporal.listing import count_ended, list_healings
    from popheal.temporal.orphaned import orphaned
    from popheal.util.serialize import to_jsonable

    async def listed(client: Client) -> tuple[list[Listed], int]:
        found = await list_healings(client, newest)
        ended = sum(one.status != "running" for one in found)
        return found, max(0, await count_ended(client) - ended)

    found, left_off = asyncio.run(with_client(listed))
    holding: list[Orphaned] | None = None
    try:
        holding = asyncio.run(with_client(orphaned))
    except click.ClickException as error:
        say(f"Whether a terminated one still holds its claims can't be told. {error.message}")
    if as_json:
        lost = None if holding is None else [to_jsonable(one) for one in holding]
        healings = [to_jsonable(one) for one in found]
        answer_json({"healings": healings, "left_off": left_off, "orphaned": lost})
        return 0
    for gone in holding or ():
        ended = f"{gone.status} {moment(gone.closed)}" if gone.closed else gone.status
        answer_text(f"{ended}, and holds its claims: popheal fleet settle {gone.server}")
    for one in found:
        stands = one.state if one.status == "running" else one.verdict
        again = f", again from {moment(one.retry_at)}" if one.retry_at else ""
        known = f"{stands or one.status}{again}"
        said = (moment(one.began), one.server, one.group or "-", known)
        answer_text("  ".join(map(one_line, said)))
    if left_off:
        say(f"Left off: {left_off} that ended before. --newest N lists more.")
    elif not found:
        answer_text("There is no healing.")
    return 0


@fleet.command(short_help="Show how a server's healing goes.")
@_server_argument
@json_option
def show(server: str, *, as_json: bool) -> int:
    """Show how far the healing of SERVER has come, and what it asks.

    \b
      popheal fleet show ex1.contoso.com
    """
    from popheal.temporal.healing_workflow import Healing
    from popheal.util.serialize import to_jsonable

    told: Progress = _about(
        server, lambda handle: handle.query(Healing.progress, rpc_timeout=_ANSWERS_WITHIN)
    )
    if as_json:
        answer_json(to_jsonable(told))
        return 0
    lines = [f"Healing {told.healing} of {told.server}: {told.verdict or told.state or 'triage'}"]
    lines += [f"  {one}" for one in told.events]
    for one in told.asked:
        until = moment(one.expires_at)
        lines += [
            f"It asks, until {until}, whether plan {one.plan} ({one.impact}) may be carried out:",
            f"  popheal fleet approve {server} --plan {one.plan}",
        ]
    answer_text("\n".join(lines))
    return 0


@fleet.command(short_help="Approve the plan that a server's healing waits with, or refuse it.")
@_server_argument
@click.option("--plan", required=True, metavar="HASH", help="The plan that is meant: no other.")
@click.option("--refuse", is_flag=True, help="Refuse it.")
def approve(server: str, plan: str, *, refuse: bool) -> int:
    """Approve the plan that the healing of SERVER waits with.

    \b
      popheal fleet approve ex1 --plan 9f86d081884c7d65
    """
    from popheal.temporal.healing_workflow import Healing
    from popheal.temporal.messages import Decision

    said = Decision(who=account(), plan=plan, granted=not refuse)
    _tell(server, Healing.answer, said)
    answer_text(f"Plan {plan} for {server}: {'refused' if refuse else 'approved'}.")
    return 0


@fleet.command(short_help="Stop a server's healing: it only puts back from now on.")
@_server_argument
@click.option("--why", default="", metavar="TEXT", help="Why, for those who read of it.")
def stop(server: str, why: str) -> int:
    """Stop the healing of SERVER, as popheal cancel does.

    \b
      popheal fleet stop ex1.contoso.com
    """
    from popheal.temporal.healing_workflow import Healing
    from popheal.temporal.messages import Decision

    said = Decision(who=account(), why=why)
    _tell(server, Healing.stop, said)
    answer_text(f"The healing of {server} puts back what it has changed, and ends.")
    return 0


@fleet.command(short_help="Write a server's last healing as an export of a journal.")
@_server_argument
def export(server: str) -> int:
    """Write the last healing of SERVER as JSON lines, which popheal check-journal reads.

    What the history itself says is compared with it: on standard error, and by exit status 1.

    \b
      popheal fleet export ex1.contoso.com > healing.jsonl
      popheal check-journal --journal healing.jsonl
    """
    from popheal.temporal.healing_history import as_text, histories_of, lines_of, misfits

    async def read(client: Client) -> tuple[str, list[str]]:
        histories = await histories_of(client, _healing_of(server))
        converter = client.data_converter
        lines = await lines_of(histories[-1], converter)
        return as_text(lines), await misfits(histories, converter)

    text, found = asyncio.run(with_client(read))
    answer_text(text.rstrip("\n"))
    for one in found:
        say(one)
    return 1 if found else 0


@fleet.command(short_help="Put back what a terminated healing of a server has changed.")
@_server_argument
@json_option
def settle(server: str, *, as_json: bool) -> int:
    """Have the healing settled that has the right to act on SERVER, and was terminated or lost.

    What it has changed is read in its history. It goes on as after a stop: it puts back what is
    safe, such as protocol logging, hands over the rest, such as a drained server, and gives up its
    claims. Nothing else is begun.

    \b
      popheal fleet settle ex1.contoso.com
    """
    from temporalio.exceptions import WorkflowAlreadyStartedError

    from popheal.backends.psrp.backend import ORGANISATION
    from popheal.temporal.settlement import begin_settlement

    async def settled(client: Client) -> Report:
        try:
            begun = await begin_settlement(client, ORGANISATION, server)
        except WorkflowAlreadyStartedError as error:
            raise click.ClickException(f"Its workflow is under way: {error.workflow_id}.") from None
        return await report_of(client, begun, server)

    report = asyncio.run(with_client(settled))
    show_report(report, as_json=as_json)
    return status_of(report)


@fleet.command(short_help="Free what a lost healing had claimed.")
@click.argument("custodian")
@click.option("--why", required=True, metavar="TEXT", help="What was seen on the servers.")
def clear(custodian: str, why: str) -> int:
    """Say that nobody acts any more on what CUSTODIAN guards, and that you have looked.

    Only where the healing that has it was terminated or lost, and can't be settled (popheal fleet
    settle). Look first at every server of the group: whether one is drained, or protocol logging
    is on, and put that back.

    \b
      popheal fleet clear popheal/custodian/exchange/dag/dag1 \\
        --why "looked at all members"
    """
    from popheal.temporal.operations import clear_custodian

    before = asyncio.run(with_client(lambda client: clear_custodian(client, custodian, why)))
    whose = f"healing {before.holder.healing}" if before.holder else "nobody"
    answer_text(f"Free; before it was held by {whose}.")
    return 0


# --- inside --------------------------------------------------------------------------------------


def _healing_of(server: str) -> str:
    """The workflow id of a server's healing."""
    from popheal.backends.psrp.backend import ORGANISATION
    from popheal.temporal.healing_workflow import healing_id

    return healing_id(ORGANISATION, server)


def _about(server: str, ask: Callable[[Any], Awaitable[T]]) -> T:
    """Ask the newest healing of a server."""
    name = _healing_of(server)
    return asyncio.run(with_client(lambda client: ask(client.get_workflow_handle(name))))


def _tell(server: str, update: Any, said: Decision) -> None:
    """Tell the newest healing of a server something; it may refuse."""
    from popheal.temporal.healing_workflow import Healing

    async def tell(handle: Any) -> None:
        # Whoever lacks the key to read its answers is told so before, and nothing is said.
        await handle.query(Healing.progress, rpc_timeout=_ANSWERS_WITHIN)
        await handle.execute_update(update, said, rpc_timeout=_ANSWERS_WITHIN)

    _about(server, tell)
