"""What commands at work have in common: a journal, an organisation, and the story of a healing."""

from __future__ import annotations

import os
import shlex
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, TypeVar

import click
from attrs import evolve

from popheal.cli.logging import is_verbose
from popheal.cli.options import CONFIG_VARIABLE
from popheal.cli.render import console
from popheal.cli.render.now import shown
from popheal.cli.signals import BrokenOff, obeying
from popheal.engine.control import Control
from popheal.errors import ConfigurationError, Fenced, JournalError, UnknownName
from popheal.reports.report import FORMAT, Alert, Report

if TYPE_CHECKING:
    from popheal.backends.psrp import PsrpBackend, PsrpSettings
    from popheal.backends.psrp.recording import Recorder
    from popheal.cli.render.live import Story
    from popheal.config.load import Config
    from popheal.journal import HealingRecord, Journal
    from popheal.policy.policy import Policy
    from popheal.reports.events import Event, Observer
    from popheal.review import Case

Result = TypeVar("Result")

#: A recording is for its owner only.
_PRIVATE: Final = 0o600

# --- the journal ---------------------------------------------------------------------------------


def needed_journal(told: Config, journal: Path | None, *, without: str) -> Path:
    """The journal of a command that goes on and on.

    Args:
        told: Its configuration.
        journal: What ``--journal`` says.
        without: What would come of having none, for people.

    Raises:
        ConfigurationError: If neither names one.
    """
    path = journal or told.journal
    if path is None:
        raise ConfigurationError(
            source=told.source,
            problem=f"has no [journal], without which {without}",
            next_step='Add it, with path = "/var/lib/popheal/journal.db", or give --journal PATH.',
        )
    return path


def journal_path(journal: Path | None, config: Path | None) -> Path:
    """The journal that ``--journal`` and ``--config`` mean.

    Raises:
        UsageError: If neither names one.
        ConfigurationError: If the configuration can't be used.
    """
    if journal is not None:
        return journal
    if config is None:
        raise click.UsageError(
            "Which journal? Give --journal PATH, or a configuration that names one "
            f"(--config FILE, or set {CONFIG_VARIABLE})."
        )
    from popheal.config.load import load_journal_path

    if path := load_journal_path(config):
        return path
    raise click.UsageError(
        f"Which journal? {config} names none: give --journal PATH, or add [journal] to it, with "
        'path = "/var/lib/popheal/journal.db".'
    )


def open_journal(path: Path, *, create: bool = False, read_only: bool = False) -> Journal:
    """Open a journal; use it with ``with``.

    Args:
        path: The file.
        create: Whether to make a file that isn't there.
        read_only: For a command that only looks.

    Raises:
        JournalError: If it can't be opened, or is no journal.
    """
    from popheal.journal import Journal

    opened = Journal(path, create=create, read_only=read_only)
    for concern in () if read_only else opened.concerns:
        console.say(str(concern))
    return opened


def find(journal: Journal, name: str) -> HealingRecord:
    """The healing that HEALING means. Raises ClickException if it means none, or several."""
    try:
        return journal.healing(name)
    except UnknownName as error:
        if error.known:
            several = ", ".join(error.known)
            raise click.ClickException(
                f"'{name}' is the beginning of more than one healing: {several}. Give more of it."
            ) from None
        raise click.ClickException(
            f"There is no healing '{name}' in the journal {journal.path}. "
            "See them all: popheal healings"
        ) from None


def options_again(config: Path | None, journal: Path | None) -> str:
    """The options that lead ``popheal resume`` to the same organisation and journal."""
    options = {"--config": config or "FILE", "--journal": journal}
    return " ".join(f"{name} {shlex.quote(str(path))}" for name, path in options.items() if path)


def in_journal(journal: Path) -> str:
    """The option that leads a command to that journal, from wherever it is given."""
    return f"--journal {shlex.quote(str(journal.absolute()))}"


def approve_command(run: str, plan: str, journal: Path) -> str:
    """The command that answers what a run asks."""
    return f"popheal approve {run} --plan {plan} {in_journal(journal)}"


# --- the alert, and what is told -----------------------------------------------------------------


def story_of(
    alert: Alert, *, as_json: bool, live: bool = True, clock: Callable[[], float] = time.monotonic
) -> Story:
    """The story of answering an alert: part of the answer, or with JSON for a watcher only.

    Args:
        alert: The alert.
        as_json: Whether the answer is JSON.
        live: Whether to show what is going on right now.
        clock: Seconds, as they pass where it happens.
    """
    from popheal.cli.render.live import Story
    from popheal.cli.render.report import alert_lines

    stream = sys.stderr if as_json else sys.stdout
    out = console.console(stream) if not as_json or stream.isatty() else None
    live = live and not is_verbose(click.get_current_context(silent=True))
    heading = alert_lines(out, alert) if out else []
    return Story(out=out, server=alert.server, heading=heading, live=live, clock=clock)


def notifiers(told: Config) -> list[Observer]:
    """Who the configuration's ``[notify]`` wants to be notified. Raises ConfigurationError."""
    if told.notify is None:
        return []
    from popheal.notify import Notifier

    return [Notifier(told.notify.urls, verdicts=told.notify.verdicts)]


@contextmanager
def aside(observers: list[Observer]) -> Iterator[list[Observer]]:
    """The same observers, told in a thread of their own: what they wait for holds up nothing else.

    At the end everything has been told.
    """

    from popheal.reports.event_log import log_failure

    def tell(event: Event) -> None:
        for observer in observers:
            try:
                observer(event)
            except Exception as error:  # noqa: BLE001 - telling must never change what is told
                log_failure(event.name, error)

    with ThreadPoolExecutor(1, thread_name_prefix="popheal-notify") as thread:
        yield [lambda event: _begin(thread, tell, event)] if observers else []


def _begin(thread: ThreadPoolExecutor, do: Callable[[Event], None], event: Event) -> None:
    thread.submit(do, event)


def decided(policy: Policy, *, yes: bool) -> Policy:
    """The policy, with ``--yes`` in place of what the configuration does not decide."""
    return evolve(policy, approval_undecided=False) if yes else policy


def show_report(report: Report, *, as_json: bool, next_step: str = "") -> None:
    """The report, as the answer; for people, that is what the story has not told yet."""
    if as_json:
        console.answer_json({"format": FORMAT, **report.to_json()})
        return
    from popheal.cli.render.report import ending_lines

    out = console.console(sys.stdout)
    console.print_lines(out, ending_lines(out, report, next_step=next_step))


def write_page(case: Case, path: Path | None) -> None:
    """Write a healing as a page, if ``--html`` names a file. Raises ConfigurationError."""
    if path is not None:
        from popheal.review import page_of

        console.answer_file(page_of(case), path, option="--html")


def write_report_page(report: Report, policy: Policy, path: Path | None) -> None:
    """Likewise, of a report; that it can't be written changes nothing about how that ended."""
    if path is not None:
        from popheal.review import case_of_report

        try:
            write_page(case_of_report(report, policy=policy), path)
        except ConfigurationError as error:
            console.say(str(error))


# --- at work -------------------------------------------------------------------------------------


def at_work(
    alert: Alert,
    config: Path,
    work: Callable[[Any, Config, Story], Result],
    *,
    as_json: bool,
    record: Path | None = None,
    control: Control | None = None,
) -> Result:
    """Do the work on the configured organisation, and close every connection afterwards."""
    from popheal.config.load import load_config

    told = load_config(config)
    story = story_of(alert, as_json=as_json)
    with (
        obeying(control),
        connected(told.settings, record, alert=alert) as backend,
        watched(story, backend),
    ):
        return work(backend, told, story)


def under_way(backend: Any) -> Callable[[], str]:
    """What gives the call that is being made right now, in words; empty if that is not known."""
    found: Callable[[], str] = getattr(backend, "under_way", str)
    return found


@contextmanager
def connected(
    settings: PsrpSettings, record: Path | None, *, alert: Alert | None = None
) -> Iterator[PsrpBackend]:
    """A backend for the configured organisation; what it asks is recorded, if that is wanted.

    Args:
        settings: Where the organisation is.
        record: The file of ``--record``, which must be a new one; None for no recording.
        alert: What it is about, to be told in the recording.
    """
    from popheal.backends.psrp import PsrpBackend

    if record is None:
        with _closed_in_the_end(PsrpBackend(settings)) as backend:
            yield backend
        return
    from popheal.backends.psrp.recording import Recorder

    about = {}
    if alert is not None:
        about = {name: getattr(alert, name) for name in ("server", "health_set", "monitor", "text")}
    with _new_file(record) as stream:
        recorder = Recorder(stream, settings, command=_command_name(), alert=about)
        try:
            with _closed_in_the_end(PsrpBackend(settings, recorder)) as backend:
                yield backend
        finally:
            console.say(_recorded(recorder, record))


@contextmanager
def _closed_in_the_end(backend: PsrpBackend) -> Iterator[PsrpBackend]:
    """The backend; closing it may take seconds where a server has fallen silent."""
    with ExitStack() as stack:
        yield stack.enter_context(backend)
        with shown("giving the remote shells back", ""):
            stack.close()


def _recorded(recorder: Recorder, path: Path) -> str:
    count = f"{recorder.commands} command{'' if recorder.commands == 1 else 's'}"
    if recorder.trouble:
        return f"The recording {path} ends early: it could not be written ({recorder.trouble})."
    return f"{count} recorded in {path}. Names are replaced; read it before you send it."


@contextmanager
def _new_file(path: Path) -> Iterator[IO[str]]:
    """A file for its owner only. Raises UsageError where there is one already."""
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE)
    except OSError as error:
        raise click.UsageError(
            f"{path} can't be written ({error.strerror}); give another path with --record."
        ) from None
    with os.fdopen(file, "w", encoding="utf-8", newline="\n") as stream:
        yield stream


def _command_name() -> str:
    context = click.get_current_context(silent=True)
    return context.info_name or "" if context else ""


@contextmanager
def watched(story: Story, backend: Any) -> Iterator[None]:
    """While this lasts the story is told; should it be broken off, that is said too."""
    story.asked = under_way(backend)
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
