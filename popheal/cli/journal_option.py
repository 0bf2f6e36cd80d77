"""Which journal a command means, and what is wrong with it: shared by all that use one."""

from __future__ import annotations

import errno
import shlex
from collections.abc import Callable
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar

import click

from popheal.cli.exit_codes import HELD, INPUT_OUTPUT, USAGE
from popheal.errors import Fenced, JournalError, UnknownName

if TYPE_CHECKING:
    from popheal.journal import HealingRecord, Journal

Command = TypeVar("Command", bound=Callable[..., Any])

#: Names the configuration where ``--config`` does not.
CONFIG_VARIABLE: Final = "POPHEAL_CONFIG"
#: What the system says where another path is what it takes.
_ANOTHER_PATH: Final = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG)


def journal_option(command: Command) -> Command:
    """Add ``--journal``, for a command that has ``--config`` already."""
    return click.option(
        "--journal",
        type=click.Path(path_type=Path),
        metavar="PATH",
        help="The journal, whatever the configuration says.",
    )(command)


def journal_options(command: Command) -> Command:
    """Add ``--journal`` and ``--config``, one of which must name a journal."""
    option = click.option(
        "-c",
        "--config",
        type=click.Path(path_type=Path),
        envvar=CONFIG_VARIABLE,
        metavar="FILE",
        help=f"The configuration that names the journal. Or set {CONFIG_VARIABLE}.",
    )
    return journal_option(option(command))


def path_of_journal(journal: Path | None, config: Path | None) -> Path | None:
    """The journal that the options mean; None if they mean none.

    Raises:
        ConfigurationError: If the configuration can't be used.
    """
    if journal is not None or config is None:
        return journal
    from popheal.config.load import load_journal_path

    return load_journal_path(config)


def open_journal(
    journal: Path | None,
    config: Path | None,
    *,
    create: bool = False,
    read_only: bool = False,
) -> Journal:
    """Open the journal that the options mean; use it with ``with``.

    Args:
        journal: What ``--journal`` says.
        config: What ``--config`` says.
        create: Whether to make a file that isn't there.
        read_only: For a command that only looks.

    Raises:
        UsageError: If neither names one.
        ConfigurationError: If the configuration can't be used.
        JournalError: If it can't be opened, or is no journal.
    """
    path = path_of_journal(journal, config)
    if path is None:
        _which(config)
    return open_path(path, create=create, read_only=read_only)


def open_path(path: Path, *, create: bool = False, read_only: bool = False) -> Journal:
    """Likewise, from the path."""
    from popheal.journal import Journal

    reading = (
        {"read_only": True} if read_only and "read_only" in signature(Journal).parameters else {}
    )
    return Journal(path, create=create, **reading)


def options_again(config: Path | None, journal: Path | None) -> str:
    """The options that lead ``popheal resume`` to the same organisation and journal."""
    options = {"--config": config or "FILE", "--journal": journal}
    return " ".join(f"{name} {shlex.quote(str(path))}" for name, path in options.items() if path)


def find(journal: Journal, name: str) -> HealingRecord:
    """The healing that RUN means. Raises ClickException if it means none, or several."""
    try:
        return journal.healing(name)
    except UnknownName as error:
        if error.known:
            several = ", ".join(error.known)
            raise click.ClickException(
                f"'{name}' is the beginning of more than one run: {several}. Give more of it."
            ) from None
        raise click.ClickException(
            f"There is no run '{name}' in the journal {journal.path}. See them all: popheal runs"
        ) from None


def _which(config: Path | None) -> NoReturn:
    if config is None:
        raise click.UsageError(
            "Which journal? Give --journal PATH, or a configuration that names one "
            f"(--config FILE, or set {CONFIG_VARIABLE})."
        )
    raise click.UsageError(
        f"Which journal? {config} names none: give --journal PATH, or add [journal] to it, with "
        'path = "/var/lib/popheal/journal.db".'
    )


def status_of(error: JournalError) -> int:
    """The exit status: another path would do, reading or writing failed, or another has it."""
    if isinstance(error, Fenced):
        return HELD
    cause = error.__context__
    if type(cause).__module__ == "sqlite3":
        name = getattr(cause, "sqlite_errorname", "")
        return USAGE if name.startswith("SQLITE_NOTADB") else INPUT_OUTPUT
    if isinstance(cause, OSError):
        return USAGE if cause.errno in _ANOTHER_PATH else INPUT_OUTPUT
    return USAGE
