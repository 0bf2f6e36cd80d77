"""Fills the page about the proof with what is computed while the pages are built."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

from popheal import verify
from tests.evidence.literal import literal_findings
from tests.evidence.mutation_score import FOUND


def _table(rows: Iterable[tuple[str, ...]]) -> str:
    head, *body = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    lines = [head, ["---"] * len(head), *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


@cache
def _proofs() -> verify.Proofs:
    return verify.verify_all()


def _sizes() -> str:
    return _table(verify.size_rows(_proofs()))


def _verdicts() -> str:
    return _table(verify.rows(_proofs()))


def _open() -> str:
    return _table([("", "property", "why it is open"), *verify.open_rows()])


def _assumed() -> str:
    return _table([("what", "name", "assumption"), *verify.assumption_rows()])


def _not_proved() -> str:
    return "\n".join(f"- {one}" for one in verify.NOT_PROVED)


def _forms() -> str:
    return _table(
        [("", "form"), *((one.id, f"`{one.formula}`") for one in verify.PROPERTIES if one.formula)]
    )


def _literal() -> str:
    """Each property that the runbook's text breaks, once: the shortest way to break it."""
    shown: dict[str, str] = {}
    counted = Counter(one.proof.name for one in literal_findings())
    for one in literal_findings():
        number = one.result.property.id
        if number in shown or not one.result.counterexample:
            continue
        shown[number] = (
            f"## {number}: {one.result.property.sentence}\n\n"
            f"Broken by `{one.proof.name}`:\n\n```text\n{one.result.counterexample}\n```\n"
        )
    counts = ", ".join(f"`{name}` {count}" for name, count in sorted(counted.items()))
    return f"Properties broken, by section: {counts}.\n\n" + "\n".join(shown.values())


def _mutants() -> str:
    """As found by ``python -m tests.evidence.mutation_score``, which takes minutes."""
    found = json.loads(FOUND.read_text(encoding="utf-8"))
    killers = [(name, str(number)) for name, number in found["noticed_by"].items()]
    reasons = [(str(number), why) for why, number in found["harmless"].items()]
    counted = (
        f"{found['mutants']} mutants, {found['noticed']} noticed, "
        f"{sum(found['harmless'].values())} harmless, {found['unexplained']} unexplained."
    )
    return "\n\n".join(
        [
            counted,
            _table([("noticed by", "mutants"), *killers]),
            "The harmless ones, and why:",
            _table([("mutants", "reason"), *reasons]),
        ]
    )


_COMPUTED: dict[str, Callable[[], str]] = {
    "assumed": _assumed,
    "forms": _forms,
    "literal": _literal,
    "mutants": _mutants,
    "not proved": _not_proved,
    "open": _open,
    "sizes": _sizes,
    "verdicts": _verdicts,
}


def _fill(_app: Any, _name: str, source: list[str]) -> None:
    source[0] = re.sub(
        r"<!-- computed: ([a-z ]+) -->", lambda found: _COMPUTED[found[1]](), source[0]
    )


def setup(app: Any) -> dict[str, bool]:
    """Have the marks in the pages filled as they are read."""
    app.connect("source-read", _fill)
    return {"parallel_read_safe": True}
