"""Proofs for people: rows to print, counterexamples as text or diagram, and the small print."""

from __future__ import annotations

from typing import Final

from popheal.errors import UnknownName
from popheal.verify.contracts import CONTRACTS
from popheal.verify.environment import EVENTS, VARIABLES
from popheal.verify.properties import PROPERTIES
from popheal.verify.prove import Proofs, Result

#: What the proof says nothing about. Published beside it.
NOT_PROVED: Final = (
    (
        "That whatever carries an action out keeps its contract. The contracts are assumed; tests "
        "against a simulated organisation, which shares nothing with this model, look for "
        "differences."
    ),
    (
        "What the guards of the actions themselves keep: that the reboot looks at the copies once "
        "more, counts reboots and compares boot times, and that nothing exceeds the policy's "
        "limit. Those parts of P1, P3 and P8 are assumed here and tested there."
    ),
    "That Exchange and Windows do what their documentation says.",
    (
        "That a run is started only on a verified failure: triage sees to that before a table "
        "begins."
    ),
    (
        "What happens between the last look of an action and its own command: the two are one "
        "step here. A database that comes back in that moment is not seen."
    ),
    (
        "What a command does that arrives late, after an ending: a property speaks of the sending "
        "of a command, and of what is handed over. Only a restart that may still arrive is "
        "followed."
    ),
    (
        "Who set a value, once we have set it: if somebody lifts our drain (or logging) and sets "
        "it again for a purpose of their own while the run lasts, nobody can tell it from ours."
    ),
    ("That a state restarts the right one of the two POP3 services, and probes the right probe."),
    (
        "Anything about other healings at work elsewhere at the same time: one run is looked at, "
        "with the runs that it starts itself, one after another."
    ),
    "How long remote commands take: the bounds add up waits, pauses and deadlines.",
    (
        "That a server that a run looks at can be told apart from one that merely answers: what "
        "is seen is taken to be so at that moment."
    ),
)


def rows(proofs: Proofs) -> list[tuple[str, ...]]:
    """The verdicts as a table: a heading, then a row for each property.

    Returns:
        ``("", "property", <procedure>, ...)`` first, then ``(id, sentence, <verdict>, ...)``.
    """
    head = ("", "property", *(one.name for one in proofs.procedures))
    return [
        head,
        *(
            (
                one.id,
                one.sentence,
                *(proof.result(one.id).verdict for proof in proofs.procedures),
            )
            for one in PROPERTIES
        ),
    ]


def size_rows(proofs: Proofs) -> list[tuple[str, ...]]:
    """What was explored, and the bounds: a heading, then a row for each procedure."""
    return [
        ("procedure", "states", "edges", "depth", "seconds", "bounds"),
        *(
            (
                one.name,
                str(one.states),
                str(one.edges),
                str(one.depth),
                f"{one.seconds:.2f}",
                str(one.bounds) if one.bounds else "none",
            )
            for one in proofs.procedures
        ),
    ]


def open_rows() -> list[tuple[str, str, str]]:
    """The properties that are not decided here: id, sentence, and why."""
    return [(one.id, one.sentence, one.open) for one in PROPERTIES if one.open]


def assumption_rows() -> list[tuple[str, str, str]]:
    """Everything that is assumed: what it is about, its name, and the assumption."""
    return [
        *(("the world may be", one.name, one.sentence) for one in VARIABLES if not one.history),
        *(("at any time", one.name, one.sentence) for one in EVENTS),
        *(("action", str(one.action), one.sentence) for one in CONTRACTS.values()),
        *(("is remembered", one.name, one.sentence) for one in VARIABLES if one.history),
    ]


def counterexample(result: Result, format: str = "text") -> str:  # noqa: A002 - the word for it
    """How a property is broken.

    Args:
        result: The result for the property.
        format: ``text``, or ``mermaid`` for a sequence diagram.

    Returns:
        Empty if it isn't broken; in words where there is no sequence of events to show.

    Raises:
        UnknownName: If there is no such format.
    """
    if format not in {"text", "mermaid"}:
        raise UnknownName(kind="format of a counterexample", name=format, known=("text", "mermaid"))
    if format == "mermaid" and result.trace:
        return result.trace.mermaid()
    return result.counterexample or ""
