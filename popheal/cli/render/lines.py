"""Lines as wide as the paper: broken between words only, with what belongs together kept whole.

Names of servers, paths and parameters are to be copied, and commands to be pasted: a word that is
longer than the paper is a line of its own, and so is a command at the end of a sentence.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from popheal.util.text import one_line

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

#: Columns of the labels in front of the alert, the findings and the verdict.
LABEL: Final = 11
#: Fewer columns than this beside what leads a line, and the text goes below it.
_NARROW: Final = 24
#: How far in a text is that goes below, where the paper is wide enough; and else.
_BELOW: Final = (10, 2)
#: Stands for a space where no line may end; not to be seen in what is shown.
_GLUE: Final = "\N{NO-BREAK SPACE}"
#: What is one word though it has spaces: a duration, and a path as Exchange's own.
_WHOLE: Final = re.compile(
    r"\b\d+(?:\.\d+)? (?:h|min|s)\b(?: \d+ (?:min|s)\b)*"
    r"|\b[A-Za-z]:\\(?:[^\\\s:]+(?: [^\\\s:]+)*\\)*"
)
#: A moment written to more digits than a person reads.
_MICROSECONDS: Final = re.compile(r"(\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d)\.\d+")
#: A command that ends a text, to be pasted; not one within it, that more sentences follow.
_COMMAND: Final = re.compile(r"(?<=:) (popheal (?:(?!\. ).)+)$")


def _words(text: str) -> list[str]:
    """What must not be broken, with glue for the spaces within."""
    whole_seconds = _MICROSECONDS.sub(r"\1", one_line(text))
    return _glued(whole_seconds).split(" ")


def _glued(text: str) -> str:
    return _WHOLE.sub(lambda found: found[0].replace(" ", _GLUE), text)


def _wrapped(text: str, width: int) -> list[str]:
    # Not at hyphens, nor inside words.
    lines = textwrap.wrap(
        " ".join(_words(text)), width, break_on_hyphens=False, break_long_words=False
    )
    return [line.replace(_GLUE, " ") for line in lines]


def _underneath(text: str, width: int) -> tuple[int, list[str]]:
    """How far in a text is that goes below its lead, and its lines."""
    longest = max(map(len, _words(text)))
    fits = (one for one in _BELOW if width - one >= max(longest, _NARROW))
    indent = next(fits, _BELOW[-1])
    return indent, _wrapped(text, max(_NARROW, width - indent))


def _beside(lead: int, text: str, width: int) -> list[str] | None:
    """The lines of a text beside a lead of that width; None if there is no room for it."""
    room, longest = width - lead, max(map(len, _words(text)))
    # A word that is too long even below is as well beside.
    fits = longest <= room or longest > width - _BELOW[-1]
    return (_wrapped(text, room) or [""]) if room >= _NARROW and fits else None


def hanging(out: Console, lead: Text, tail: str, style: str = "") -> list[Text]:
    """The lead, and the tail beside it or below it, as many lines as it takes."""
    from rich.text import Text

    indent = lead.cell_len
    lines = _beside(indent, tail, out.width)
    if lines is None:
        indent, lines = _underneath(tail, out.width)
        first = [lead]
    else:
        first = [lead.append(lines.pop(0), style)]
    first[0].rstrip()
    return [*first, *(Text(" " * indent).append(line, style) for line in lines)]


def hanging_text(lead: str, tail: str, width: int) -> list[str]:
    """Likewise, as plain text."""
    lines = _beside(len(lead), tail, width)
    if lines is None:
        indent, lines = _underneath(tail, width)
        first = list(fitted_text(lead.rstrip(), width)) if lead.strip() else []
        return [*first, *(" " * indent + line for line in lines)]
    return [(lead + lines[0]).rstrip(), *(" " * len(lead) + line for line in lines[1:])]


def labelled(out: Console, label: str, text: str, style: str = "") -> list[Text]:
    """A label, and the text beside it; a command that ends it is a line of its own."""
    from rich.text import Text

    sentence, command = _parted(text)
    lines = hanging(out, Text().append(f"{label:<{LABEL}}", "bold"), sentence, style)
    return [*lines, command_line(command)] if command else lines


def command_line(command: str) -> Text:
    """A command on one line whatever the width, to be pasted; printed without wrapping."""
    from rich.text import Text

    return Text(f"  {one_line(command)}", no_wrap=True, overflow="ignore")


def _parted(text: str) -> tuple[str, str]:
    """A text, and the command at its end, if there is one."""
    found = _COMMAND.search(text)
    return (text[: found.start()], found[1]) if found else (text, "")


def fitted(line: Text, width: int) -> Iterator[Text]:
    """A line in as many as it takes; those that come are further in."""
    if line.no_wrap or line.cell_len <= width:
        yield line
        return
    lead = _further_in(line.plain, width)
    for number, (start, end) in enumerate(_cuts(line.plain, width, lead)):
        piece = line[start:end]
        piece.rstrip()
        yield type(line)(" " * lead).append_text(piece) if number else piece


def fitted_text(line: str, width: int) -> Iterator[str]:
    """Likewise, as plain text; a command that ends it is a line of its own."""
    if len(line) <= width:
        yield line
        return
    sentence, command = _parted(line)
    lead = _further_in(sentence, width)
    for number, (start, end) in enumerate(_cuts(sentence, width, lead)):
        yield (" " * lead if number else "") + sentence[start:end].rstrip()
    if command:
        yield f"  {command}"


def _further_in(line: str, width: int) -> int:
    """How far in what comes of a line is: further than the line itself, where its words allow."""
    words = _glued(line).split(" ")
    least = width - max(map(len, words))
    return max(0, min(len(line) - len(line.lstrip(" ")) + _BELOW[-1], least))


def _cuts(text: str, width: int, lead: int) -> Iterator[tuple[int, int]]:
    """From where to where each line goes, if all but the first are so far in."""
    begin, end, room = 0, 0, width
    for word in re.finditer(r"[^ ]+", _glued(text)):
        if word.end() - begin > room and end > begin:
            yield begin, end
            begin, room = word.start(), width - lead
        end = word.end()
    yield begin, end
