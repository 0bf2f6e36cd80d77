"""What a check has seen, for people: what is not well first to last, and the rest as numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

from popheal.cli.render.lines import hanging, labelled
from popheal.readiness.items import BY_KEY, Section, line_in_words, sections
from popheal.readiness.lines import Judgement, Line, Readiness
from popheal.util.text import one_line, span

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

_STYLES: Final = {
    Judgement.GOOD: "green",
    Judgement.BAD: "bold red",
    Judgement.COULD_NOT_TELL: "bold yellow",
}


def readiness_lines(out: Console, readiness: Readiness, *, whole: bool = False) -> Iterator[Text]:
    """The lines of a check.

    Args:
        out: The console they are for.
        readiness: What was seen.
        whole: Whether to show what is well, too.
    """
    from rich.text import Text

    parts = [(Section.HERE.value, readiness.here)]
    parts += [(one.server, one.lines) for one in readiness.servers]
    for heading, lines in parts:
        if lines:
            yield Text(one_line(heading), "bold")
            yield from _part(out, lines, whole=whole)
            yield Text("")
    yield from labelled(out, "Policy", " ".join(readiness.policy))
    yield Text("")
    yield from _total(out, readiness, whole=whole)


def _part(out: Console, lines: Sequence[Line], *, whole: bool) -> Iterator[Text]:
    from rich.text import Text

    for section in sections(line.key for line in lines):
        mine = [line for line in lines if BY_KEY[line.key].section is section]
        shown = [one for one in mine if whole or one.judgement is not Judgement.GOOD]
        well = len(mine) - len(shown)
        if well:
            lead = Text("  ").append(f"{Judgement.GOOD.sign} ", _STYLES[Judgement.GOOD])
            what = "" if section is Section.HERE else f"{section.value}: "
            yield lead.append(f"{what}{well} well" if shown else f"{what}all {well} well", "dim")
        yield from _in_full(out, shown)


def _in_full(out: Console, lines: Iterable[Line]) -> Iterator[Text]:
    folded: dict[str, list[Line]] = {}
    for line in lines:
        if line.because:
            folded.setdefault(line.because, []).append(line)
        else:
            yield from _line(out, line)
    for because, some in folded.items():
        yield from _folded(out, because, some)


def _folded(out: Console, because: str, lines: Sequence[Line]) -> Iterator[Text]:
    titles = ", ".join(dict.fromkeys(BY_KEY[line.key].title for line in lines))
    said = f"not asked, see {line_in_words(because)}: {titles}"
    yield from hanging(out, _sign(Judgement.COULD_NOT_TELL), said)


def _line(out: Console, line: Line) -> Iterator[Text]:
    about = f" {line.about}" if line.about else ""
    value = f": {line.value}" if line.value else ""
    yield from hanging(out, _sign(line.judgement), f"{BY_KEY[line.key].title}{about}{value}")
    if line.cause:
        yield from hanging(out, _indented(""), line.cause)
    if line.next_step:
        yield from hanging(out, _indented("→ "), line.next_step)


def _sign(judgement: Judgement) -> Text:
    from rich.text import Text

    return Text("  ").append(f"{judgement.sign} ", _STYLES[judgement])


def _indented(mark: str) -> Text:
    from rich.text import Text

    return Text("    ").append(mark, "bold")


def _total(out: Console, readiness: Readiness, *, whole: bool) -> Iterator[Text]:
    counted = readiness.counted()
    number = len(readiness.servers)
    said = (
        f"{counted[Judgement.GOOD]} well, {counted[Judgement.BAD]} not well, "
        f"{counted[Judgement.COULD_NOT_TELL]} could not be told; "
        f"{number} server{'' if number == 1 else 's'} in {span(readiness.seconds)}"
    )
    yield from labelled(out, "Checked", said)
    if not whole:
        yield from labelled(out, "", "--all shows each line; --html PATH writes a page", "dim")
