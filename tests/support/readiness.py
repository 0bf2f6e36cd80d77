"""Planting a trouble, and seeing that it is told by a line of its own, and by no other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from attrs import field, frozen

from popheal.backends.simulated import SimulatedBackend
from popheal.readiness import Judgement, Line, Readiness

#: Of these the value has times in it that are never the same, or the health of POP.
NOISY = ("tcp", "http", "answer_time", "monitor")


@frozen(kw_only=True)
class Told:
    """How a trouble is told.

    Attributes:
        line: Name of its line.
        says: Words of its cause or its value.
        step: Words of its next step.
        judgement: What is thought of it.
    """

    line: str
    says: str
    step: str
    judgement: Judgement = Judgement.BAD


class Answering(SimulatedBackend):
    """A simulated organisation, some of whose answers are changed."""

    changed: Mapping[str, Callable[[Any], Any]] = {}

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        change = super().__getattribute__("changed").get(name)
        return (lambda *args: change(found(*args))) if change else found


def answering(organisation: Any, **changed: Callable[[Any], Any]) -> Answering:
    """The organisation's backend, with these answers changed."""
    backend = Answering(organisation)
    backend.changed = changed
    return backend


@frozen
class Lines:
    """The lines of one check, by server and name."""

    by_name: Mapping[tuple[str, str], Line] = field(
        converter=lambda found: (
            {(server, line.name): line for server, line in found.all_lines()}
            if isinstance(found, Readiness)
            else found
        )
    )

    def said(self, key: tuple[str, str]) -> Any:
        line = self.by_name.get(key)
        if line is None:
            return None
        value = "" if line.key in NOISY else line.value
        return line.judgement, value, line.cause, line.next_step, line.because

    def changed(self, before: Lines) -> set[tuple[str, str]]:
        keys = {*self.by_name, *before.by_name}
        return {key for key in keys if self.said(key) != before.said(key)}


def see_only(told: Told, before: Readiness, after: Readiness, server: str) -> Line:
    """The trouble has one line of its own; what else has changed was not asked because of it."""
    was, now = Lines(before), Lines(after)
    line = now.by_name[server, told.line]
    assert line.judgement is told.judgement
    assert told.says in f"{line.value} {line.cause}"
    assert told.step in line.next_step
    held = {
        (where, one.key)
        for (where, _), one in now.by_name.items()
        if one.because.rpartition(": ")[2] == told.line
    }
    own = told.line.partition(" ")[0]
    for where, name in now.changed(was) - {(server, told.line)}:
        key = name.partition(" ")[0]
        if key == own and (where, name) not in now.by_name:
            continue  # its own line is instead of it
        assert (where, key) in held, f"{name} has changed too: {now.by_name.get((where, name))}"
        kept = now.by_name.get((where, name))
        assert kept is None or kept.because, f"{name} was asked"
    return line
