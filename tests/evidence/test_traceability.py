"""Every row comes from the runbook or says why not; every sentence came to something."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from attrs import evolve

from popheal.healthsets.pop import PROCEDURES
from popheal.tables.citations import Ours, Section, Step
from tests.evidence.sentences import (
    ERRATA,
    SENTENCES,
    Code,
    Erratum,
    ExplainsOnly,
    Part,
    SameAs,
    Sentence,
)
from tests.evidence.traceability import (
    ANY_STATE,
    GapKind,
    exists,
    matrix_markdown,
    trace,
    uses_in,
)
from tests.support.paths import ROOT

TABLES = tuple(PROCEDURES.values())
WHY = Ours("a test says so")


def gaps(**changes):
    """The gaps of a trace, as (kind, where) pairs."""
    return {(gap.kind, gap.where) for gap in trace(**changes).gaps}


def name_of(sentence):
    return f"{sentence.section.short}-{sentence.step}-{sentence.number}"


# --- the project's own tables --------------------------------------------------------------------


def test_nothing_is_missing_either_way():
    """No row without a source, no sentence without an answer."""
    assert [str(gap) for gap in trace().gaps] == []


def test_the_whole_page_is_listed():
    """As many sentences as the page has in each part, counted on the page."""
    assert Counter(one.section for one in SENTENCES) == {
        Part.INTRODUCTION: 3,
        Part.EXPLANATION: 1 + 4,  # and the rows of its table
        Part.USER_ACTION: 3,
        Section.VERIFYING: 17,
        Section.MAILBOX: 15,
        Section.CLIENT_ACCESS: 20,
        Section.PROXY: 9,
        Section.COMMAND_TIME: 20,
        Part.MORE: 2,
    }


def test_steps_stand_in_the_order_of_the_page():
    """No section is torn apart, and no step is."""
    sections = [one.section for one in SENTENCES]
    assert sections == sorted(sections, key=sections.index)
    steps = [(sections.index(one.section), *map(int, one.step.split("."))) for one in SENTENCES]
    assert steps == sorted(steps)


@pytest.mark.parametrize("sentence", SENTENCES, ids=name_of)
def test_each_sentence_is_said_in_few_words_of_ours(sentence):
    """A reminder of what stands there, not a copy of it."""
    assert len(sentence.says.split()) <= 12
    assert sentence.says.endswith(".")


def test_each_answer_says_something():
    """Code is ours, errata and idle sentences have a reason, likenesses lead somewhere."""
    page = {one.cited_as for one in SENTENCES}
    for answer in (answer for sentence in SENTENCES for answer in sentence.answers):
        if isinstance(answer, Code):
            assert answer.name.startswith("popheal.")
        elif isinstance(answer, SameAs):
            assert answer.step in page
        else:
            assert answer.why.strip()


def test_every_row_of_every_table_is_traced():
    """States, their transitions, and where a stop leads."""
    for table in TABLES:
        uses = list(uses_in(table))
        states = [use.state for use in uses if not use.label]
        assert states == [one.name for one in table.states]
        rows = Counter((use.state, use.label, use.target) for use in uses if use.label)
        assert rows == Counter(
            [
                *(
                    (one.name, row.label, row.target)
                    for one in table.states
                    for row in one.transitions
                ),
                *((ANY_STATE, row.label, row.target) for row in table.on_cancel),
            ]
        )


CITATION = re.compile(
    rf"\b({'|'.join(re.escape(section.short) for section in Section)}) "
    r"(\d(?:\.\d)?(?:(?:, | and | to )\d(?:\.\d)?)*)"
)


@pytest.mark.parametrize("path", sorted((ROOT / "popheal").rglob("*.py")), ids=lambda one: one.stem)
def test_comments_cite_what_is_there(path):
    """Steps and errata that docstrings and comments speak of exist."""
    text = path.read_text("utf-8")
    page = {(one.section.short, one.step) for one in SENTENCES}
    for short, numbers in CITATION.findall(text):
        for number in re.findall(r"\d(?:\.\d)?", numbers):
            assert (short, number) in page
    assert set(re.findall(r"\bD\d+\b", text)) <= ERRATA


# --- gaps are found ------------------------------------------------------------------------------


def with_citation(table, name, why):
    """The table with another citation for the action of a state."""
    return table.with_states(evolve(table.by_name[name], cites=why))


def broken_tables(table, name, why):
    """All tables, one of them broken."""
    other = with_citation(table, name, why)
    return [other if one is table else one for one in TABLES]


MAILBOX = PROCEDURES["mailbox"]
WHERE = "mailbox: reprobing"


@pytest.mark.parametrize(
    ("why", "kind"),
    [
        (Section.MAILBOX.step("9"), GapKind.NO_SUCH_SENTENCE),
        (Section.MAILBOX.step("3.1"), GapKind.NO_SUCH_SENTENCE),
        (Section.MAILBOX.step("2", 2), GapKind.NO_SUCH_SENTENCE),
        (Ours(""), GapKind.NO_REASON),
        (Ours(" "), GapKind.NO_REASON),
        (Ours("D9:"), GapKind.NO_REASON),
        (Ours("D9, D10."), GapKind.NO_REASON),
        (Ours("D99: there is no such erratum"), GapKind.NO_SUCH_ERRATUM),
        (Ours("as D0 says, it is so"), GapKind.NO_SUCH_ERRATUM),
    ],
    ids=str,
)
def test_a_bad_citation_is_found(why, kind):
    """Of a state; the gap names the state and what it cites."""
    assert (kind, WHERE) in gaps(procedures=broken_tables(MAILBOX, "reprobing", why))


@pytest.mark.parametrize("why", [Section.PROXY.step("6"), Ours("")], ids=str)
def test_a_bad_citation_of_a_row_is_found(why):
    """Of a transition, and of where a stop leads."""
    row, *others = MAILBOX.by_name["reprobing"].transitions
    state = evolve(MAILBOX.by_name["reprobing"], transitions=(evolve(row, why=why), *others))
    table = evolve(MAILBOX.with_states(state), on_cancel=(evolve(MAILBOX.on_cancel[0], why=why),))
    found = {where for _, where in gaps(procedures=[table, *TABLES[1:]])}
    assert {f"{WHERE}, succeeded to recovered", f"mailbox: {ANY_STATE}, cancel to cancelled"} <= (
        found
    )


def without(step):
    """All tables, in which nothing cites that sentence any more."""

    def row(one):
        return evolve(one, why=WHY) if one.why == step else one

    return [
        evolve(
            table,
            states=tuple(
                evolve(
                    one,
                    cites=WHY if one.cites == step else one.cites,
                    transitions=tuple(map(row, one.transitions)),
                )
                for one in table.states
            ),
            on_cancel=tuple(map(row, table.on_cancel)),
        )
        for table in TABLES
    ]


CARRIED_OUT = [
    one
    for one in SENTENCES
    if trace().directly_citing(one) and not any(isinstance(by, Code) for by in one.answers)
]


@pytest.mark.parametrize("sentence", CARRIED_OUT, ids=name_of)
def test_a_sentence_that_a_table_drops_is_found(sentence):
    """Nothing that is typed in stands in for the rows that carry a sentence out."""
    assert (GapKind.UNANSWERED, str(sentence)) in gaps(procedures=without(sentence.cited_as))


def test_a_procedure_that_is_missing_is_found():
    """Nearly all of its section is answered by nothing; the other sections are not touched."""
    left = [table for table in TABLES if table.section is not Section.PROXY]
    found = gaps(procedures=left)
    assert {kind for kind, _ in found} == {GapKind.UNANSWERED}
    assert {where for _, where in found} == {f"ProxyTest {step}" for step in (1, 2, 3, 4, 5)}


def extra(*answers, section=Section.PROXY, step="6"):
    """A sentence that the page does not have."""
    return Sentence(section=section, step=step, number=1, says="Do more.", answers=answers)


@pytest.mark.parametrize(
    ("answers", "kind"),
    [
        ((), GapKind.UNANSWERED),
        ((Erratum("D9", "a note is no answer"),), GapKind.UNANSWERED),
        ((SameAs(Section.MAILBOX.step("7")),), GapKind.UNANSWERED),
        ((SameAs(Section.MAILBOX.step("9")),), GapKind.UNANSWERED),
        ((Code("popheal.healthsets.pop.catalog:NOTHING"),), GapKind.NO_SUCH_CODE),
        ((Code("popheal.nothing:MONITORS"),), GapKind.NO_SUCH_CODE),
        ((ExplainsOnly("so"), Erratum("D99", "no such number")), GapKind.NO_SUCH_ERRATUM),
    ],
    ids=str,
)
def test_a_bad_answer_is_found(answers, kind):
    """A sentence needs rows, code that exists, or to ask for nothing; a note is none of them."""
    assert (kind, "ProxyTest 6") in gaps(sentences=[*SENTENCES, extra(*answers)])


def test_a_likeness_counts_only_in_its_own_procedure():
    """The proxy procedure cites ProxyTest 3; that it cites a sentence elsewhere is no help."""
    like = extra(SameAs(Section.PROXY.step("3")))
    assert gaps(sentences=[*SENTENCES, like]) == set()
    unlike = evolve(like, section=Section.MAILBOX, step="9")
    assert gaps(sentences=[*SENTENCES, unlike]) == {(GapKind.UNANSWERED, "Deep/SelfTest 9")}


def test_what_only_explains_is_not_cited():
    """Else one of the two is wrong."""
    idle = [
        evolve(one, answers=(ExplainsOnly("it only explains"),))
        if one.cited_as == Section.PROXY.step("1")
        else one
        for one in SENTENCES
    ]
    assert gaps(sentences=idle) == {(GapKind.NOT_IDLE, "ProxyTest 1")}


def test_a_sentence_listed_twice_is_found():
    """Two rows for one place could hide that another is missing."""
    assert (GapKind.TWICE, "ProxyTest 1") in gaps(sentences=[*SENTENCES, extra(step="1")])


def test_a_forgotten_erratum_is_found():
    """An erratum that nothing mentions is either not heeded or not one."""
    silent = [
        evolve(
            one,
            answers=tuple(
                answer
                for answer in one.answers
                if not (isinstance(answer, Erratum) and answer.number == "D23")
            ),
        )
        for one in SENTENCES
    ]
    assert gaps(sentences=silent) == {(GapKind.FORGOTTEN_ERRATUM, "D23")}


def test_code_may_be_a_method():
    """And must be there."""
    assert exists(Code("popheal.exchange.backend:Backend.invoke_probe"))
    assert not exists(Code("popheal.exchange.backend:Backend.invoke_nothing"))


def test_a_gap_says_what_is_wrong():
    """In words, with the place first."""
    broken = broken_tables(MAILBOX, "reprobing", Section.MAILBOX.step("9"))
    assert "mailbox: reprobing cites a sentence that the page does not have (Deep/SelfTest 9)" in [
        str(gap) for gap in trace(procedures=broken).gaps
    ]


# --- the page ------------------------------------------------------------------------------------


def test_the_matrix_shows_everything():
    """Each sentence with its errata, each reason of ours, each state that cites the page."""
    page, found = matrix_markdown(), trace()
    for sentence in SENTENCES:
        assert f"| {sentence.step} / {sentence.number} | {sentence.says} |" in page
    for use in found.ours:
        assert use.why.reason in re.sub(r"\[(D\d+)\]\(errata\.md#d\d+\)", r"\1", page)
    for use in found.uses:
        assert f"`{use.state}`" in page
        if use.label and isinstance(use.why, Step):
            assert f"`{use.state}`: *{use.label}* → `{use.target}`" in page
    assert "Gaps: none." in page


def test_the_matrix_shows_gaps():
    """Where there are any."""
    broken = trace(procedures=broken_tables(MAILBOX, "reprobing", Ours("")))
    assert "- mailbox: reprobing is ours, and gives no reason" in matrix_markdown(broken)


def test_the_matrix_is_a_table_in_every_section():
    """As many cells in each row as in the head, so that it renders."""
    head = 0
    for line in matrix_markdown().splitlines():
        if not line.startswith("|"):
            head = 0
            continue
        cells = len(re.findall(r"(?<!\\)\|", line))
        assert head in (0, cells)
        head = cells


def test_the_committed_matrix_is_true():
    """The page in the documentation is what the tables say."""
    committed = (ROOT / "docs" / "runbook-matrix.md").read_text("utf-8")
    assert committed == matrix_markdown(), (
        "write it again: python -m tests.evidence.traceability > docs/runbook-matrix.md"
    )
