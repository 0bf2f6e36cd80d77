"""What goes to the two streams: the answer to standard output, everything else to the other."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

from popheal.cli.render.lines import fitted, fitted_text
from popheal.errors import ConfigurationError
from popheal.util.text import one_line

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

#: Columns to fill where nobody says how wide the paper is.
_WIDTH_OF_A_FILE: Final = 120
#: Likewise of a terminal that does not say.
_WIDTH_OF_A_TERMINAL: Final = 80


def say(text: str) -> None:
    """A sentence on standard error."""
    note(f"popheal: {text}")


def note(text: str) -> None:
    """A line on standard error: one in a file, and as many as it takes on a terminal."""
    line = one_line(text)
    if sys.stderr.isatty() or "COLUMNS" in os.environ:
        line = "\n".join(fitted_text(line, width_of(sys.stderr)))
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def width_of(stream: IO[str]) -> int:
    """How many columns there are."""
    if (told := os.environ.get("COLUMNS", "")).isdecimal() and int(told):
        return int(told)
    if not stream.isatty():
        return _WIDTH_OF_A_FILE
    try:
        return os.get_terminal_size(stream.fileno()).columns or _WIDTH_OF_A_TERMINAL
    except OSError:
        return _WIDTH_OF_A_TERMINAL


def answer_json(answer: dict[str, Any]) -> None:
    """The answer, as the one JSON object on standard output."""
    # Not streamed: whoever reads must get all of it, or nothing.
    answer_text(json.dumps(answer, indent=2))


def answer_text(text: str) -> None:
    """The answer, as it is."""
    try:
        sys.stdout.write(text if text.endswith("\n") else text + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever asked has read enough. That changes nothing about how it ended.
        silence(sys.stdout)


def answer_file(answer: str | bytes, path: Path | None, *, option: str) -> None:
    """The answer in the file that an option names, or on standard output.

    Raises:
        ConfigurationError: If it can't be written there.
    """
    if path is None and isinstance(answer, str):
        answer_text(answer)
        return
    data = answer.encode() if isinstance(answer, str) else answer
    if path is None:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    try:
        path.write_bytes(data)
    except OSError as error:
        raise _not_written(path, error.strerror or "unknown error", option) from None


def expect_file(path: Path | None, *, option: str) -> None:
    """See that the file of an option can be written, before it takes long to know what to write.

    Raises:
        ConfigurationError: If it can't.
    """
    if path is None:
        return
    folder = path.parent
    if path.is_dir():
        raise _not_written(path, "it is a folder", option)
    if not folder.is_dir():
        raise _not_written(path, f"there is no folder {folder}", option)
    if not os.access(path if path.exists() else folder, os.W_OK):
        raise _not_written(path, "permission denied", option)


def _not_written(path: Path, why: str, option: str) -> ConfigurationError:
    return ConfigurationError(
        source=str(path),
        problem=f"can't be written ({why})",
        next_step=f"Give another path with {option}.",
    )


def print_lines(out: Console, lines: Iterable[Text]) -> None:
    """Print lines; one that is too wide in several, broken between words."""
    for line in lines:
        for piece in fitted(line, out.width):
            out.print(piece, soft_wrap=True)


def answer_lines(lines: Iterable[str]) -> None:
    """The answer, as lines of plain text; likewise."""
    width = width_of(sys.stdout)
    answer_text("\n".join(piece for line in lines for piece in fitted_text(line, width)))


def plain_wanted() -> bool:
    """Whether the person at the terminal wants no escape sequences."""
    return bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") in ("dumb", "unknown")


@cache
def _console_class() -> type[Console]:
    from rich.console import Console

    class Quiet(Console):
        """A console that falls silent when its reader goes away.

        The original ends the process then: in the middle of a healing, if need be.
        """

        def on_broken_pipe(self) -> None:
            self.quiet = True
            silence(self.file)

    return Quiet


def silence(stream: IO[str]) -> None:
    """Send the rest of a stream whose reader has gone nowhere."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
    except (OSError, ValueError):
        return


def console(stream: IO[str]) -> Console:
    """A console for a stream: no markup, no guessing, and colours only for a person."""
    terminal = stream.isatty()
    plain = plain_wanted() or not (terminal or os.environ.get("FORCE_COLOR"))
    return _console_class()(
        file=stream,
        color_system=None if plain else "auto",
        # None follows a terminal that becomes wider, or narrower, in the middle of a healing.
        width=None if terminal or "COLUMNS" in os.environ else _WIDTH_OF_A_FILE,
        markup=False,
        highlight=False,
        emoji=False,
        soft_wrap=False,
        legacy_windows=False,
    )
