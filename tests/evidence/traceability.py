"""From every row of every table to the runbook, and from every sentence back.

:func:`trace` works out both directions from the tables and from :mod:`tests.evidence.sentences`,
and reports what is missing either way as data. :func:`matrix_markdown` writes it as a page.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import Enum
from functools import cached_property
from pkgutil import resolve_name
from typing import Final

from attrs import define, frozen

from popheal.healthsets.pop import PROCEDURES
from popheal.tables.citations import Citation, Ours, Section, Step
from popheal.tables.table import Procedure
from tests.evidence.sentences import (
    ERRATA,
    SENTENCES,
    Code,
    Erratum,
    ExplainsOnly,
    Place,
    SameAs,
    Sentence,
)

#: The source of a person's stop, which can come in any state.
ANY_STATE: Final = "any state"

_ERRATUM: Final = re.compile(r"\bD\d+\b")


@frozen(kw_only=True)
class Use:
    """One citation in a table.

    Attributes:
        procedure: Name of the procedure.
        state: The state, or :data:`ANY_STATE`.
        label: The outcome with its guard; empty where the state cites for its action.
        target: Where the outcome leads; empty likewise.
        why: What is cited.
    """

    procedure: str
    state: str
    label: str = ""
    target: str = ""
    why: Citation

    def __str__(self) -> str:
        row = f", {self.label} to {self.target}" if self.label else ""
        return f"{self.procedure}: {self.state}{row}"


def uses_in(procedure: Procedure) -> Iterator[Use]:
    """Every citation of a table, in reading order; a state's own comes before its rows'."""
    for one in procedure.states:
        yield Use(procedure=procedure.name, state=one.name, why=one.cites)
        for row in one.transitions:
            yield Use(
                procedure=procedure.name,
                state=one.name,
                label=row.label,
                target=row.target,
                why=row.why,
            )
    for row in procedure.on_cancel:
        yield Use(
            procedure=procedure.name,
            state=ANY_STATE,
            label=row.label,
            target=row.target,
            why=row.why,
        )


class GapKind(Enum):
    """What can be missing; the value says it."""

    NO_SUCH_SENTENCE = "cites a sentence that the page does not have"
    NO_REASON = "is ours, and gives no reason"
    NO_SUCH_ERRATUM = "points to an erratum that does not exist"
    UNANSWERED = "is answered by nothing"
    NOT_IDLE = "is said to explain only, yet a table cites it"
    NO_SUCH_CODE = "is answered by code that does not exist"
    TWICE = "is listed twice"
    FORGOTTEN_ERRATUM = "is mentioned by no table and no sentence"


@frozen(kw_only=True)
class Gap:
    """Something that can't be traced.

    Attributes:
        kind: What is wrong.
        where: The row, the sentence or the erratum.
        detail: What it says.
    """

    kind: GapKind
    where: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.where} {self.kind.value}" + (f" ({self.detail})" if self.detail else "")


@define(frozen=True, kw_only=True, slots=False)
class Trace:
    """Both directions.

    Attributes:
        procedures: The tables traced.
        sentences: The page.
        uses: Every citation in the tables.
    """

    procedures: tuple[Procedure, ...]
    sentences: tuple[Sentence, ...]
    uses: tuple[Use, ...]

    @cached_property
    def by_sentence(self) -> Mapping[Step, tuple[Use, ...]]:
        """What cites each sentence; sentences that nothing cites are not there."""
        found: dict[Step, tuple[Use, ...]] = {}
        for use in self.uses:
            if isinstance(use.why, Step):
                found[use.why] = (*found.get(use.why, ()), use)
        return found

    @property
    def ours(self) -> tuple[Use, ...]:
        """What the runbook does not say."""
        return tuple(use for use in self.uses if isinstance(use.why, Ours))

    def citing(self, sentence: Sentence) -> tuple[Use, ...]:
        """What carries a sentence out, be it through another that comes to the same."""
        same = (answer for answer in sentence.answers if isinstance(answer, SameAs))
        return (
            *self.directly_citing(sentence),
            *(use for answer in same for use in self.citing_instead(sentence, answer)),
        )

    def directly_citing(self, sentence: Sentence) -> tuple[Use, ...]:
        """What cites a sentence itself."""
        return self.by_sentence.get(sentence.cited_as, ()) if sentence.cited_as else ()

    def citing_instead(self, sentence: Sentence, same: SameAs) -> tuple[Use, ...]:
        """What in the section's own procedure cites the sentence that comes to the same."""
        own = {one.name for one in self.procedures if one.section is sentence.section}
        return tuple(use for use in self.by_sentence.get(same.step, ()) if use.procedure in own)

    @cached_property
    def gaps(self) -> tuple[Gap, ...]:
        """What can't be traced, from the tables first; none if all is well."""
        return (
            *_gaps_of_uses(self),
            *_gaps_of_sentences(self),
            *_gaps_of_errata(self),
        )


def trace(
    procedures: Iterable[Procedure] = PROCEDURES.values(),
    sentences: Iterable[Sentence] = SENTENCES,
) -> Trace:
    """Trace tables to the page and back.

    Args:
        procedures: The tables.
        sentences: The page.
    """
    tables = tuple(procedures)
    return Trace(
        procedures=tables,
        sentences=tuple(sentences),
        uses=tuple(use for one in tables for use in uses_in(one)),
    )


# --- what is missing -----------------------------------------------------------------------------


def _gaps_of_uses(found: Trace) -> Iterator[Gap]:
    page = {sentence.cited_as for sentence in found.sentences}
    for use in found.uses:
        where = str(use)
        if isinstance(use.why, Step):
            if use.why not in page:
                yield Gap(kind=GapKind.NO_SUCH_SENTENCE, where=where, detail=str(use.why))
            continue
        # A number alone is no reason: it must be said what follows from it.
        if not _ERRATUM.sub("", use.why.reason).strip(" :,.;"):
            yield Gap(kind=GapKind.NO_REASON, where=where, detail=use.why.reason)
        for number in _errata_in(use):
            if number not in ERRATA:
                yield Gap(kind=GapKind.NO_SUCH_ERRATUM, where=where, detail=number)


def _gaps_of_sentences(found: Trace) -> Iterator[Gap]:
    seen: set[tuple[Place, str, int]] = set()
    for sentence in found.sentences:
        where = str(sentence)
        at = (sentence.section, sentence.step, sentence.number)
        if at in seen:
            yield Gap(kind=GapKind.TWICE, where=where, detail=sentence.says)
        seen.add(at)
        cited = bool(found.citing(sentence))
        idle = any(isinstance(one, ExplainsOnly) for one in sentence.answers)
        by_code = any(isinstance(one, Code) for one in sentence.answers)
        if idle and cited:
            yield Gap(kind=GapKind.NOT_IDLE, where=where, detail=sentence.says)
        if not (idle or cited or by_code):
            yield Gap(kind=GapKind.UNANSWERED, where=where, detail=sentence.says)
        for answer in sentence.answers:
            if isinstance(answer, Code) and not exists(answer):
                yield Gap(kind=GapKind.NO_SUCH_CODE, where=where, detail=answer.name)
            if isinstance(answer, Erratum) and answer.number not in ERRATA:
                yield Gap(kind=GapKind.NO_SUCH_ERRATUM, where=where, detail=answer.number)


def _gaps_of_errata(found: Trace) -> Iterator[Gap]:
    mentioned = {number for use in found.ours for number in _errata_in(use)}
    mentioned |= {
        answer.number
        for sentence in found.sentences
        for answer in sentence.answers
        if isinstance(answer, Erratum)
    }
    for number in sorted(ERRATA - mentioned, key=lambda one: int(one[1:])):
        yield Gap(kind=GapKind.FORGOTTEN_ERRATUM, where=number)


def _errata_in(use: Use) -> list[str]:
    return _ERRATUM.findall(use.why.reason) if isinstance(use.why, Ours) else []


def exists(code: Code) -> bool:
    """Whether there is such a thing in the package."""
    try:
        resolve_name(code.name)
    except (ImportError, AttributeError):
        return False
    return True


# --- the page ------------------------------------------------------------------------------------

_INTRODUCTION: Final = """\
# The runbook, sentence by sentence

Made from the tables by `tests.evidence.traceability.matrix_markdown`; a change here is lost.

The first part goes from Microsoft's page to popheal: every sentence, in a few words of ours, and
what became of it. The second part goes back: everything in the tables that the page does not
say, with our reason. A test fails if a sentence is answered by nothing, if a row cites a
sentence that isn't there, or if something of ours has no reason.

How to read it:

- **No.** is the step, and after a stroke the sentence within it. A command counts with the
  sentence that introduces it. Step 0 is what a section says before its first step.
- **In a state** means that the state's action carries the sentence out. *On an outcome* means
  that the sentence is why that outcome of the state leads on to where it does. Procedures are
  named where they aren't the section's own.
- Numbers such as D9 are [errata](errata.md): there the page is wrong, vague or unsafe.
"""


def matrix_markdown(found: Trace | None = None) -> str:
    """The traceability matrix as a page in Markdown.

    Args:
        found: What to show; by default the project's own tables and the whole page.
    """
    found = found or trace()
    lines = [_INTRODUCTION, _counts(found), ""]
    lines += ["## From the page to popheal", ""]
    places: list[Place] = list(dict.fromkeys(one.section for one in found.sentences))
    for place in places:
        lines += [f"### {place.value}", "", *_section(found, place), ""]
    lines += ["## What is ours", "", *_ours(found)]
    if found.gaps:
        lines += ["", "## Gaps", "", *(f"- {gap}" for gap in found.gaps)]
    return "\n".join(lines) + "\n"


def _counts(found: Trace) -> str:
    rows = sum(bool(use.label) for use in found.uses)
    ours = sum(bool(use.label) for use in found.ours)
    return (
        f"{len(found.sentences)} sentences; {len(found.procedures)} procedures with "
        f"{len(found.uses) - rows} states and {rows} transitions, {rows - ours} of which cite the "
        f"page and {ours} are ours. Gaps: {len(found.gaps) or 'none'}."
    )


def _section(found: Trace, place: Place) -> list[str]:
    own = tuple(one.name for one in found.procedures if one.section is place)
    rows = [
        (
            f"{one.step} / {one.number}",
            one.says,
            "<br>".join(_answers(found, one, own)),
            "<br>".join(
                f"{answer.number}: {answer.why}"
                for answer in one.answers
                if isinstance(answer, Erratum)
            ),
        )
        for one in found.sentences
        if one.section is place
    ]
    short = f" (cited as {place.short})" if isinstance(place, Section) else ""
    about = f"Procedure: {', '.join(f'`{name}`' for name in own)}{short}." if own else ""
    if isinstance(place, Section) and not own:
        about = f"Cited as {place.short}; carried out by triage."
    table = _table(("No.", "In our words", "What answers it", "Errata"), rows)
    return [about, "", *table] if about else table


def _answers(found: Trace, sentence: Sentence, own: tuple[str, ...]) -> Iterator[str]:
    yield from _rows(found.directly_citing(sentence), own)
    for answer in sentence.answers:
        if isinstance(answer, SameAs):
            for row in _rows(found.citing_instead(sentence, answer), own):
                yield f"{row}, as {answer.step}"
        elif isinstance(answer, Code):
            yield f"code: `{answer.name.removeprefix('popheal.').replace(':', '.')}`"
        elif isinstance(answer, ExplainsOnly):
            yield f"asks for nothing: {answer.why}"


def _rows(uses: Sequence[Use], own: tuple[str, ...]) -> Iterator[str]:
    """Equal rows of several procedures as one."""
    for names, alike in _together(uses, lambda use: (use.state, use.target, use.label)):
        suffix = "" if names == own else f" ({', '.join(names)})"
        yield _row(alike) + suffix


def _row(alike: Sequence[Use]) -> str:
    first = alike[0]
    if not first.label:
        return f"in `{first.state}`"
    labels = ", ".join(dict.fromkeys(use.label for use in alike))
    return f"`{first.state}`: *{labels}* → `{first.target}`"


def _together(
    uses: Iterable[Use], key: Callable[[Use], object]
) -> Iterator[tuple[tuple[str, ...], list[Use]]]:
    """Uses with equal keys, with the names of their procedures."""
    groups: dict[object, list[Use]] = {}
    for use in uses:
        groups.setdefault(key(use), []).append(use)
    for alike in groups.values():
        yield tuple(dict.fromkeys(use.procedure for use in alike)), alike


def _ours(found: Trace) -> list[str]:
    everyone = tuple(one.name for one in found.procedures)
    rows = []
    for names, alike in _together(found.ours, lambda use: (use.state, use.target, use.why)):
        reason = alike[0].why.reason if isinstance(alike[0].why, Ours) else ""
        rows.append(("all" if names == everyone else ", ".join(names), _row(alike), reason))
    return _table(("Procedure", "State or transition", "Why"), rows)


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [
        "| " + " | ".join(columns) + " |",
        "| " + " | ".join("---" for _ in columns) + " |",
        *("| " + " | ".join(_linked(cell) for cell in row) + " |" for row in rows),
    ]


def _linked(cell: str) -> str:
    linked = _ERRATUM.sub(lambda match: f"[{match[0]}](errata.md#{match[0].lower()})", cell)
    return linked.replace("|", "\\|")


if __name__ == "__main__":
    print(matrix_markdown(), end="")
