"""The command group, and the one place where exceptions become sentences and exit statuses."""

from __future__ import annotations

import contextlib
import difflib
import os
import sys
from typing import Any, Final, NoReturn

import click

import popheal as library
from popheal.cli.commands.approve import approve
from popheal.cli.commands.check import check
from popheal.cli.commands.check_journal import check_journal
from popheal.cli.commands.diagram import diagram
from popheal.cli.commands.fleet import fleet
from popheal.cli.commands.heal import heal, plan, triage
from popheal.cli.commands.journal import export, healings, runs, show
from popheal.cli.commands.lab import lab
from popheal.cli.commands.procedures import procedures
from popheal.cli.commands.pruning import journal
from popheal.cli.commands.rehearse import rehearse
from popheal.cli.commands.report import report
from popheal.cli.commands.resume import cancel, resume
from popheal.cli.commands.rights import rights
from popheal.cli.commands.schema import schema
from popheal.cli.commands.serve import serve
from popheal.cli.commands.snapshot import snapshot
from popheal.cli.commands.verify import verify
from popheal.cli.commands.watch import watch
from popheal.cli.commands.what_if import what_if
from popheal.cli.exit_codes import BROKEN_OFF, DEFECT, HELD, INPUT_OUTPUT, USAGE, of_journal_error
from popheal.cli.help import Context
from popheal.cli.logging import is_verbose, print_traceback, verbose_option
from popheal.cli.options import CONFIG_VARIABLE
from popheal.cli.render.console import say, silence
from popheal.cli.signals import BrokenOff
from popheal.errors import (
    AlreadyRunning,
    IllegalOutcome,
    JournalError,
    PophealError,
    UnknownName,
)
from popheal.util.extras import EXTRA_OF, how_to_install

#: Exceptions that say what is wrong by themselves.
_EXPECTED: Final = (
    PophealError,
    click.ClickException,
    click.exceptions.Exit,
    click.Abort,
    OSError,
)
#: How each is opened that was closed.
_STREAMS: Final = (
    ("stdin", os.O_RDONLY, "r"),
    ("stdout", os.O_RDONLY, "w"),
    ("stderr", os.O_WRONLY, "w"),
)
#: More known names than these are no help in an error.
_MOST_NAMES: Final = 10


class _Group(click.Group):
    """A group that never shows a traceback, unless asked to, and always exits by our statuses."""

    context_class = Context

    def main(self, *args: Any, **options: Any) -> NoReturn:
        _open_what_is_closed()
        for stream in (sys.stdout, sys.stderr):
            # A name that the terminal's encoding lacks is no reason to fail.
            with contextlib.suppress(AttributeError, ValueError):
                stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
        options["standalone_mode"] = False
        options["prog_name"] = "popheal"
        sys.exit(self._status(*args, **options))

    def _status(self, *args: Any, **options: Any) -> int:
        try:
            return int(super().main(*args, **options) or 0)
        except click.UsageError as error:
            return _wrong_usage(error)
        except click.ClickException as error:
            say(error.format_message())
        except PophealError as error:
            return _explained(error)
        except (BrokenOff, click.Abort, KeyboardInterrupt):
            return BROKEN_OFF
        except ModuleNotFoundError as missing:
            if missing.name not in EXTRA_OF:
                return _defect(missing)
            say(
                f"This needs the package {missing.name}, which is not installed. "
                + how_to_install(EXTRA_OF[missing.name])
            )
        except OSError as error:
            say(f"Reading or writing failed: {error.strerror or error}. Look at disks and pipes.")
            _drop_what_cannot_be_written()
            return INPUT_OUTPUT
        except Exception as error:  # noqa: BLE001 - the last resort
            return _defect(error)
        return USAGE

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except Exception as error:
            expected = isinstance(error, _EXPECTED) and not isinstance(error, IllegalOutcome)
            if is_verbose(ctx) and not expected:
                print_traceback()
            raise


def _open_what_is_closed() -> None:
    """Have the three streams lead somewhere, where whoever has started this has closed them.

    No other file may take their numbers, and nothing that is said in the middle of a healing may
    fail. Only what is written to standard output fails, as on a full disk: an answer is lost.
    """
    for name, flags, mode in _STREAMS:
        if getattr(sys, name) is None:
            stream = os.fdopen(os.open(os.devnull, flags), mode, errors="backslashreplace")
            setattr(sys, name, stream)


def _drop_what_cannot_be_written() -> None:
    """Else Python tries it again when it exits, and exits with a status of its own."""
    try:
        sys.stdout.flush()
    except OSError:
        silence(sys.stdout)


def _wrong_usage(error: click.UsageError) -> int:
    if error.ctx is not None and type(error).__name__ == "NoArgsIsHelpError":
        click.echo(error.ctx.get_help(), err=True)
        return USAGE
    command = error.ctx.command_path if error.ctx else "popheal"
    message = error.format_message().rstrip(".?")
    end = "?" if error.format_message().endswith("?") else "."
    if isinstance(error, click.MissingParameter) and _is_the_configuration(error.param):
        end = f"; give it, or set {CONFIG_VARIABLE}."
    say(f"{message}{end} See: {command} --help")
    return USAGE


def _is_the_configuration(param: click.Parameter | None) -> bool:
    return param is not None and param.envvar == CONFIG_VARIABLE


def _explained(error: PophealError) -> int:
    if isinstance(error, IllegalOutcome):
        return _defect(error)
    say(_unknown(error) if isinstance(error, UnknownName) else str(error))
    if isinstance(error, JournalError):
        return of_journal_error(error)
    return HELD if isinstance(error, AlreadyRunning) else USAGE


def _unknown(error: UnknownName) -> str:
    """The sentence, without a list that is too long to be read."""
    if len(error.known) <= _MOST_NAMES:
        return str(error)
    close = difflib.get_close_matches(error.name, error.known, n=3, cutoff=0.6)
    names = " or ".join(f"'{name}'" for name in close)
    hint = f"Did you mean {names}?" if close else "See: popheal rehearse --list"
    return f"{error.sentence()}. {hint}"


def _defect(error: Exception) -> int:
    said = error.sentence() if isinstance(error, PophealError) else str(error)
    say(
        f"This is a defect of popheal: {type(error).__name__}: {said}. "
        "Run it again with --verbose, and report what it prints."
    )
    return DEFECT


@click.group(
    cls=_Group,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=(
        "Exit status: 0 healthy at the end, 1 a person is needed, 2 wrong usage or configuration, "
        "3 held back, 4 could not tell, 70 a defect of popheal, 74 reading or writing failed, "
        "130 broken off."
    ),
)
@click.version_option(library.__version__, prog_name="popheal")
@verbose_option
def popheal() -> None:
    """Heal the POP health set of Microsoft Exchange Server by Microsoft's own runbook.

    \b
    Begin with a rehearsal; it needs no server:
      popheal rehearse
    Then ask what it would do about a server, and let it:
      popheal plan ex1.contoso.com --config popheal.toml
      popheal heal ex1.contoso.com --config popheal.toml
    """


for _command in (
    rehearse,
    check,
    snapshot,
    triage,
    plan,
    heal,
    approve,
    watch,
    serve,
    healings,
    runs,
    show,
    report,
    what_if,
    export,
    resume,
    cancel,
    rights,
    lab,
    diagram,
    procedures,
    schema,
    verify,
    check_journal,
):
    popheal.add_command(verbose_option(_command))
    _command.context_class = Context
for _group in (journal, fleet):
    for _command in _group.commands.values():
        verbose_option(_command)
        _command.context_class = Context
    _group.context_class = Context
    popheal.add_command(_group)
