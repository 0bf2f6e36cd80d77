"""Every sentence of the runbook, in our words, and what became of it.

The page's own words are Microsoft's and stand on the page; here each sentence has its place
(section, step, number) and a few words of ours, so that nothing can be passed over unnoticed;
the words about sections that tables cite are in :mod:`popheal.healthsets.pop.sentences`.
A command belongs to the sentence that introduces it. Step ``0`` is what a section says before
its first step; sentences are numbered from 1 within a step.

Which rows of a procedure carry a sentence out is *not* written here:
:mod:`tests.evidence.traceability` works that out from the tables. Here stands what no table
can say: the code that answers a sentence, the errata about it, or that it only explains.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from enum import Enum
from typing import Final

from attrs import frozen

from popheal.healthsets.pop.sentences import SENTENCES as SENTENCES_OF_SECTIONS
from popheal.tables.citations import Section, Step


class Part(Enum):
    """The parts of the page beside its action sections. No table cites them."""

    INTRODUCTION = "Introduction"
    EXPLANATION = "Explanation"
    USER_ACTION = "User Action"
    MORE = "For More Information"

    @property
    def short(self) -> str:
        """The name used in citations."""
        return self.value


@frozen
class Code:
    """Carried out by code outside the tables, ``module:name``."""

    name: str


@frozen
class Erratum:
    """The page is wrong, vague or unsafe here; the erratum's number, and what we do about it.

    A note on the sentence: by itself it does not answer it.
    """

    number: str
    why: str


@frozen
class ExplainsOnly:
    """Asks for nothing; why not."""

    why: str


@frozen
class SameAs:
    """Comes to the same as another sentence, which the section's procedure cites."""

    step: Step


Answer = Code | Erratum | ExplainsOnly | SameAs
#: Where a sentence stands.
Place = Section | Part


@frozen(kw_only=True)
class Sentence:
    """One sentence of the page, or one row of its table of probes.

    Attributes:
        section: Where it stands.
        step: As :class:`popheal.tables.citations.Step` numbers it; the table's rows are steps too.
        number: Within the step, from 1.
        says: What it says, in our words.
        answers: What became of it, beside the rows that cite it.
    """

    section: Place
    step: str
    number: int
    says: str
    answers: tuple[Answer, ...] = ()

    @property
    def cited_as(self) -> Step | None:
        """How a table cites it; None where none can."""
        if isinstance(self.section, Part):
            return None
        return self.section.step(self.step, self.number)

    def __str__(self) -> str:
        tail = f", sentence {self.number}" if self.number > 1 else ""
        return f"{self.section.short} {self.step}{tail}"


#: The numbers that an erratum can have.
ERRATA: Final = frozenset(f"D{number}" for number in range(1, 29))


_Row = tuple[str, str, *tuple[Answer, ...]]


def _page(section: Place, *rows: _Row) -> tuple[Sentence, ...]:
    """The sentences of a section in the order of the page; each row starts with its step."""
    seen: Counter[str] = Counter()
    sentences = []
    for step, says, *answers in rows:
        seen[step] += 1
        sentences.append(
            Sentence(
                section=section, step=step, number=seen[step], says=says, answers=tuple(answers)
            )
        )
    return tuple(sentences)


def _section(
    section: Section, answers: Mapping[tuple[str, int], tuple[Answer, ...]]
) -> list[Sentence]:
    """The sentences of a section that tables may cite, with the answers to those that have one."""
    sentences = [
        Sentence(
            section=section,
            step=step,
            number=number,
            says=says,
            answers=answers.get((step, number), ()),
        )
        for step, words in SENTENCES_OF_SECTIONS[section].items()
        for number, says in enumerate(words, start=1)
    ]
    assert set(answers) <= {(one.step, one.number) for one in sentences}
    return sentences


# --- what is said more than once -----------------------------------------------------------------

_VERIFYING, _MAILBOX, _CTP = Section.VERIFYING, Section.MAILBOX, Section.CLIENT_ACCESS
_PROXY, _COMMAND_TIME = Section.PROXY, Section.COMMAND_TIME

_CATALOGUE = Code("popheal.healthsets.pop.catalog:MONITORS")
_DEPENDENCIES = Code("popheal.engine.triage.blockers:dependency")
_TRIAGE = Code("popheal.engine.triage.triage:triage_server")
_HEALING = Code("popheal.engine.healing:begin")
_ROLES = Code("popheal.exchange.backend:Backend.server_info")
_RUN_PROBE = Code("popheal.engine.actions.probes:run_probe")
_HAND_OVER = Code("popheal.reports.handover:hand_over")
_SUPPORT = Code("popheal.reports.handover:SUPPORT")
_COPIES = Code("popheal.exchange.backend:Backend.database_copies")
_ALONE = SameAs(_COMMAND_TIME.step("3", 2))
_WITH_MAILBOXES = SameAs(_COMMAND_TIME.step("3", 3))

_EXAMPLE = ExplainsOnly("an example")
_LINK = ExplainsOnly("points to another page")

_D1 = Erratum("D1", "there is no such parameter; the real one is used")
_D2 = Erratum("D2", "the heading misspells the monitor; both spellings are understood")
_D4 = Erratum("D4", "this moves nothing; policy may move databases back, the report says where")
_D5 = Erratum("D5", "one set alone misses monitors; all three sets are read")
_D7 = Erratum("D7", "counts of statuses hide active copies; each copy is read strictly")
_D9 = Erratum("D9", "such a server may host databases; they are switched over first")
_D12 = Erratum("D12", "the value from before is recorded and put back")
_D13 = Erratum("D13", "where POP is off on purpose, a restart would start it; triage looks first")
_D14 = Erratum("D14", "with PopProxy inactive no restart helps; triage looks first")
_D15 = Erratum("D15", "no look whether they can move, no time limit; we have both")
_D16 = Erratum("D16", "only a row evaluated since the restart counts")
_D17 = Erratum("D17", "all at once would be an outage; only the alert's server is meant")
_D19 = Erratum("D19", "not every probe can be run by hand; then it could not be told")
_D24 = Erratum("D24", "a drained server may have nothing to test; another probe may decide")
_D25 = Erratum("D25", "a probe may take too long: that earns the restart of a service alone")
_D27 = Erratum("D27", "it was drained for the reboot; with its mailbox side well it is put back")
_D28 = Erratum("D28", "some causes no restart cures; what names one ends it")
_D20 = Erratum("D20", "roles are read from the server, not guessed from the monitor")
_D21 = Erratum("D21", "a planned move is a switchover, not a failover")

# --- the page ------------------------------------------------------------------------------------

#: All of them, in the order of the page.
SENTENCES: Final[tuple[Sentence, ...]] = (
    *_page(
        Part.INTRODUCTION,
        (
            "0",
            "What the health set watches: POP3 and its clients' connections.",
            ExplainsOnly("says what it is about"),
        ),
        (
            "0",
            "Two other health sets belong with it.",
            Code("popheal.healthsets.pop.catalog:HEALTH_SETS"),
        ),
        (
            "0",
            "An alert may mean that mail can't be fetched over POP3.",
            ExplainsOnly("says why it matters"),
        ),
    ),
    *_page(
        Part.EXPLANATION,
        ("0", "Which probes and monitors there are.", ExplainsOnly("introduces the table")),
        ("1", "PopCTPProbe: set POP, six dependencies, one monitor.", _CATALOGUE, _DEPENDENCIES),
        ("2", "PopProxyTestProbe: set POP.Proxy, no dependency, one monitor.", _CATALOGUE),
        (
            "3",
            "PopDeepTestProbe: set POP.Protocol, four dependencies, one monitor.",
            _CATALOGUE,
            _DEPENDENCIES,
        ),
        (
            "4",
            "PopSelfTestProbe: set POP.Protocol, no dependency, two monitors.",
            _CATALOGUE,
            Erratum("D6", "the probe says nothing about command times; that monitor has none"),
        ),
    ),
    *_page(
        Part.USER_ACTION,
        (
            "0",
            "By now the fault may have gone by itself.",
            ExplainsOnly("says why to verify; what follows does it"),
        ),
        ("0", "So see first whether it is still there.", _TRIAGE),
        ("0", "If it is, go to the recovery that fits.", _HEALING),
    ),
    *_section(
        _VERIFYING,
        {
            ("1", 1): (
                Code("popheal.reports.report:Alert"),
                _TRIAGE,
            ),
            ("2", 1): (ExplainsOnly("for people; the message is kept in the report"),),
            ("2", 2): (ExplainsOnly("for people; popheal looks for itself in any case"),),
            ("2", 3): (_TRIAGE,),
            ("2.1", 1): (
                Code("popheal.exchange.backend:Backend.server_health"),
                Code("popheal.healthsets.pop.health:pop_rows"),
                _D5,
            ),
            ("2.1", 2): (
                _EXAMPLE,
                _D5,
            ),
            ("2.2", 1): (Code("popheal.engine.triage.health:sort_rows"),),
            ("2.2", 2): (Code("popheal.exchange.interpret:is_unhealthy"),),
            ("2.3", 1): (
                _RUN_PROBE,
                _D19,
            ),
            ("2.3", 2): (_CATALOGUE,),
            ("2.3", 3): (Code("popheal.exchange.backend:Backend.invoke_probe"),),
            ("2.3", 4): (_EXAMPLE,),
            ("2.3", 5): (_EXAMPLE,),
            ("2.3", 6): (_EXAMPLE,),
            ("2.4", 1): (
                Code("popheal.exchange.interpret:probe_outcome"),
                _D25,
                Erratum("D3", "the property has another name, ResultType"),
            ),
            ("2.4", 2): (_TRIAGE,),
            ("2.4", 3): (_HEALING,),
        },
    ),
    *_section(
        _MAILBOX,
        {
            ("0", 1): (
                _ROLES,
                _D2,
                _D20,
            ),
            ("1", 1): (_D13,),
            ("1", 2): (_LINK,),
            ("2", 1): (
                _D19,
                _D25,
                _D28,
            ),
            ("3", 1): (
                _D15,
                _D21,
            ),
            ("4", 2): (
                _COPIES,
                _D7,
            ),
            ("5", 1): (_D7,),
            ("6", 1): (
                _D19,
                _D24,
            ),
            ("7", 1): (
                _D4,
                _D12,
                _D21,
            ),
            ("8", 1): (
                Erratum("D10", "the server stays barred; the handover says so, and how to undo it"),
            ),
            ("8", 2): (
                _HAND_OVER,
                _SUPPORT,
            ),
            ("8", 3): (_SUPPORT,),
            ("8", 4): (_SUPPORT,),
        },
    ),
    *_section(
        _CTP,
        {
            ("0", 1): (
                _ROLES,
                _D2,
                _D20,
            ),
            ("1", 1): (
                _D13,
                _D14,
                _D17,
            ),
            ("1", 2): (_LINK,),
            ("2", 1): (
                _D19,
                _D25,
                _D28,
            ),
            ("3.1", 1): (
                _D1,
                _D12,
            ),
            ("3.2", 1): (_D17,),
            ("3.3", 1): (
                _D19,
                _D25,
                _D28,
            ),
            ("3.4", 1): (
                Erratum("D23", "the log's documented fields are old ones; its own header is read"),
            ),
            ("3.5", 1): (
                Erratum("D8", "health rows can't tell; the probe's error and the log can"),
                Erratum("D26", "where POP is off monitors may be healthy; the service counts"),
            ),
            ("3.6", 1): (
                Erratum("D11", "there is no way back from there; afterwards we look and put back"),
                Erratum("D22", "that is another server; it gets a triage and guards of its own"),
            ),
            ("4", 1): (_D9,),
            ("5", 1): (_D19,),
            ("6", 1): (
                _D1,
                _D12,
            ),
            ("7", 1): (_D17,),
            ("7", 2): (_LINK,),
            ("8", 1): (_D27,),
            ("8", 2): (
                _HAND_OVER,
                _SUPPORT,
            ),
            ("8", 3): (_SUPPORT,),
            ("8", 4): (_SUPPORT,),
        },
    ),
    *_section(
        _PROXY,
        {
            ("1", 1): (
                _D13,
                _D14,
                _D17,
            ),
            ("1", 2): (_LINK,),
            ("2", 1): (
                _D19,
                _D25,
                _D28,
            ),
            ("3", 1): (_D9,),
            ("4", 1): (_D19,),
            ("5", 1): (_D27,),
            ("5", 2): (
                _HAND_OVER,
                _SUPPORT,
            ),
            ("5", 3): (_SUPPORT,),
            ("5", 4): (_SUPPORT,),
        },
    ),
    *_section(
        _COMMAND_TIME,
        {
            ("0", 1): (
                _ROLES,
                _D20,
            ),
            ("1", 1): (
                Erratum("D18", "it is not said which of the two services; the roles decide"),
                _D13,
                _D14,
            ),
            ("1", 2): (_LINK,),
            ("2", 2): (
                _D16,
                _D28,
            ),
            ("3", 1): (
                _ALONE,
                _WITH_MAILBOXES,
                _D9,
            ),
            ("3", 4): (ExplainsOnly("introduces the steps below it"),),
            ("3.1", 1): (
                _D15,
                _D21,
            ),
            ("3.1", 2): (
                ExplainsOnly("names travel as parameters"),
                Erratum("D18", "the commands beside it have no such name"),
            ),
            ("3.2", 2): (
                _COPIES,
                _D7,
            ),
            ("3.2", 3): (_D7,),
            ("4", 1): (_D16,),
            ("5", 1): (
                _D4,
                _D12,
                _D21,
            ),
            ("6", 1): (
                Erratum("D6", "it speaks of a probe; what decides is the monitor's own health"),
            ),
            ("6", 2): (
                _HAND_OVER,
                _SUPPORT,
            ),
            ("6", 3): (_SUPPORT,),
            ("6", 4): (_SUPPORT,),
        },
    ),
    *_page(
        Part.MORE,
        ("0", "A page about starting and stopping the services.", _LINK),
        ("0", "A command that tests POP3 connections.", _LINK),
    ),
)
