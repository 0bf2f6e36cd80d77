"""``watch``: the command that runs as a service."""

from __future__ import annotations

import signal
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, Final

import click

from popheal.cli.exit_codes import worst
from popheal.cli.logging import is_verbose
from popheal.cli.options import config_option, journal_option
from popheal.cli.render.console import note, say
from popheal.cli.session import (
    approve_command,
    aside,
    in_journal,
    needed_journal,
    notifiers,
    open_journal,
)
from popheal.cli.signals import BrokenOff, obeying
from popheal.cli.watchers import watched_by
from popheal.engine.control import Control
from popheal.reports.events import Event, Pausing
from popheal.util.text import moment, span

if TYPE_CHECKING:
    from popheal.config.load import Config, WatchSettings

#: How each event is told; what is not here is told with ``--verbose`` only.
_SAID: Final = {
    "watch_started": "watching {servers}",
    "watch_ended": "the watch has ended",
    "readiness_changed": "check: {line}: {judged} {next_step}",
    "readiness_checked": "checked: {good} well, {bad} not well, {could_not_tell} could not be told",
    "server_health": "{health} {monitors}",
    "look_failed": "could not look: {error}",
    "request_answered": "{by} {client}: {method} {path}: {status} {refused}",
    "alert_raised": "alert: {text}",
    "alert_waits": "nothing is done now: {why}",
    "healing_resumed": "going on with healing {id}",
    "finding": "{kind}: {detail}",
    "run_started": "run {run}: {procedure}, for {monitor}",
    "action_finished": "{state}: {outcome} {detail}",
    "pausing": "{state}: waiting for {what}, at most {most}",
    "wait_hindered": "it is waited, but: {error}",
    "run_ended": "run {run}: {verdict}",
    "approval_asked": "run {run} asks for an approval: {answer}",
    "approval_answered": "run {run}: {outcome}",
    "debt_handed_over": "left for a person: {kind}",
    "healing_ended": "{verdict}: {summary}",
}

#: Seconds that a wait may take before it is worth a line.
_LONG: Final = 300.0

health_file_option = click.option(
    "--health-file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="PATH",
    help="Keep a sign of life in PATH, for a monitor; JSON.",
)
metrics_port_option = click.option(
    "--metrics-port",
    type=click.IntRange(1, 65535),
    metavar="PORT",
    help="Serve numbers for Prometheus on PORT of 127.0.0.1.",
)


@click.command(short_help="Watch servers, and heal what turns unhealthy.")
@config_option
@journal_option
@click.option("--once", is_flag=True, help="Look at each server once, and end.")
@health_file_option
@metrics_port_option
def watch(
    config: Path,
    journal: Path | None,
    once: bool,
    health_file: Path | None,
    metrics_port: int | None,
) -> int:
    """Look at the servers that [watch] in FILE names, and heal what turns unhealthy.

    All of them are looked at all the time, and several are healed at once, one at a time in each
    group. It needs a journal, by --journal or [journal] path in FILE, and begins by going on with
    every healing of it that was broken off. Meanwhile, unless --once is given, it checks the
    servers as popheal check does, and says what has changed since its last start. What happens
    goes to standard error, line by line. To have it run as a service, the page "Watching" of the
    documentation has a unit for systemd.

    \b
      popheal watch --config popheal.toml
      popheal watch --config popheal.toml --once

    SIGTERM ends it: healings at work are left as they are, and the next start goes on with them.
    A second SIGTERM does not wait for the calls that are being made.
    Ctrl-C stops the healings at work, and then ends: protocol logging is put back; a server that
    was drained stays drained, and is handed over in writing. A second Ctrl-C breaks off.
    """
    from popheal.backends.psrp import PsrpBackend
    from popheal.config.load import load_config
    from popheal.policy.in_words import undecided_in_words
    from popheal.watch.loop import watch as watch_servers

    told = load_config(config)
    settings = wanted(told)
    path = needed_journal(told, journal, without="a watch would forget what it has done")
    control = Control()
    if told.policy.approval_undecided:
        say(f"{told.source}: {undecided_in_words()}")
    lines = [] if is_verbose(click.get_current_context()) else [partial(tell, approved_by(path))]
    with (
        leaving(control),
        aside(notifiers(told)) as notified,
        open_journal(path, create=True) as opened,
        watched_by(health_file, metrics_port, path) as watchers,
    ):
        try:
            with PsrpBackend(told.settings) as backend:
                ended = watch_servers(
                    settings.servers,
                    backend,
                    journal=opened,
                    policy=told.policy,
                    **pace_of(settings),
                    observers=[*watchers, *lines, *notified],
                    control=control,
                    once=once,
                    second_opinion=told.second_opinion,
                    check=not once,
                )
        except BrokenOff:
            known = f"the journal has it: popheal healings {in_journal(path)}"
            say(f"Broken off. What was begun is not undone; {known}")
            raise
    return worst(one.exit_status for one in ended) if once else 0


def wanted(told: Config) -> WatchSettings:
    """What to watch. Raises ConfigurationError if it is not said."""
    from popheal.errors import ConfigurationError

    if told.watch is None:
        raise ConfigurationError(
            source=told.source,
            problem="has no [watch]",
            next_step='Add it, with servers = ["ex1.contoso.com"].',
        )
    return told.watch


def pace_of(settings: WatchSettings | None) -> dict[str, Any]:
    """How often it looks, and how much it does at a time; as by default where nothing is said."""
    if settings is None:
        return {}
    return {
        "every": settings.every,
        "retry": settings.retry,
        "at_once": settings.at_once,
        "per_endpoint": settings.per_endpoint,
    }


@contextmanager
def leaving(
    control: Control, numbers: Iterable[signal.Signals] = (signal.SIGTERM,)
) -> Iterator[None]:
    """While this lasts, those signals detach; SIGINT else does what it does to a healing."""
    with obeying(control):
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def obey(_number: int, _frame: FrameType | None) -> None:
            if control.detached or control.cancelled:
                raise BrokenOff
            control.detach()

        before = {number: signal.signal(number, obey) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _judged(details: Mapping[str, Any]) -> str:
    """What is thought of a line, what was before, where something was, and what was seen."""
    words = {"good": "well", "bad": "not well", "could_not_tell": "could not be told"}
    now, was = words.get(details.get("judgement", ""), ""), words.get(details.get("was", ""))
    seen = details.get("seen")
    return f"{now}{f' (it was {was})' if was else ''}.{f' {seen}.' if seen else ''}"


def approved_by(journal: Path) -> Callable[[Event], str]:
    """What answers the plan that an event asks about: a command with that journal."""
    return lambda event: approve_command(event.run_id, str(event.details.get("plan")), journal)


def tell(approved: Callable[[Event], str], event: Event) -> None:
    """Write one line on standard error for an event that is worth one."""
    said = _SAID.get(event.name)
    if said is None or (isinstance(event, Pausing) and event.most < _LONG):
        return
    details: dict[str, Any] = {
        name: ", ".join(value) if isinstance(value, (list, tuple)) else value
        for name, value in event.details.items()
    }
    about = {
        "run": event.run_id,
        "procedure": event.procedure,
        "state": event.state,
        "judged": _judged(details),
        "most": span(details.get("most", 0)),
        "answer": approved(event),
    }
    text = said.format_map(defaultdict(str, {**details, **about})).rstrip()
    server = f"{event.server}: " if event.server else ""
    note(f"{moment(event.at, zone='Z')} {server}{text}")
