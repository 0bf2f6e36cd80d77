"""Counterexamples and witnesses: as text, and as a sequence diagram in Mermaid."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen

from popheal.tables.table import CANCEL
from popheal.verify.explorer import Exploration
from popheal.verify.model import Event, Step

#: Who takes part in a sequence diagram, besides the run.
_PLACES = {"a person": "person", "somebody else": "others"}


@frozen(kw_only=True)
class Move:
    """One thing that happened.

    Attributes:
        actor: ``run``, or who else.
        state: The state that the run was in.
        said: What was done, in short: the action, or the event.
        outcome: What came of it (with the guard of the row); empty for an event.
        target: The state that followed; empty for an event.
        sentence: The same for people.
        impact: Of an action: what it does to the world.
        changed: The variables that it changed, with their new values.
    """

    actor: str
    state: str
    said: str
    sentence: str
    outcome: str = ""
    target: str = ""
    impact: str = ""
    changed: Mapping[str, str]

    def __str__(self) -> str:
        if self.actor != "run":
            return f"{self.actor}: {self.said}"
        if self.outcome.startswith(CANCEL):
            return f"run: {self.state}: stopped -> {self.target}"
        target = self.target or "(no row)"
        return f"run: {self.state}: {self.said} {self.outcome} -> {target} ({self.sentence})"


@frozen(kw_only=True)
class Trace:
    """A way through a table and its world, from a start.

    Attributes:
        procedure: Name of the table.
        claim: What it shows.
        start: The situation in which the run started.
        moves: What happened then, in order.
        loop: Index of the move that the way returns to for ever; None if it ends.
        end: The situation in which it ends.
    """

    procedure: str
    claim: str
    start: Mapping[str, str]
    moves: tuple[Move, ...]
    end: Mapping[str, str]
    loop: int | None = None

    def __len__(self) -> int:
        return len(self.moves)

    def text(self) -> str:
        """The way as numbered lines."""
        lines = [f"{self.procedure}: {self.claim}", f"  at the start: {_situation(self.start)}"]
        lines += [f"  {at}. {move}" for at, move in enumerate(self.moves, start=1)]
        if self.loop is not None:
            lines.append(f"  and so on for ever from {self.loop + 1}")
        else:
            lines.append(f"  at the end: {_situation(self.end)}")
        return "\n".join(lines)

    def mermaid(self) -> str:
        """The way as a Mermaid sequence diagram."""
        lines = [
            "sequenceDiagram",
            "    participant person as a person",
            f"    participant run as {self.procedure}",
            "    participant server as the server",
            "    participant others as somebody else",
            f"    Note over run,server: {_plain(_situation(self.start))}",
        ]
        for at, move in enumerate(self.moves):
            if at == self.loop:
                lines.append("    loop for ever")
            lines += [f"    {line}" for line in _arrows(move)]
        if self.loop is not None:
            lines.append("    end")
        lines.append(f"    Note over run,server: {_plain(self.claim)}")
        return "\n".join(lines) + "\n"


def _arrows(move: Move) -> list[str]:
    if move.actor != "run":
        place = _PLACES.get(move.actor, "")
        if place == "person":
            return [f"person->>run: {_plain(move.said)}"]
        if place == "others":
            return [f"others->>server: {_plain(move.said)}"]
        return [f"Note over server: {_plain(move.said)}"]
    if not move.impact:
        return [f"Note over run: {_plain(move.outcome)}, go to {_plain(move.target)}"]
    lines = [f"run->>server: {_plain(f'{move.state}: {move.said}')}"]
    lines.append(f"server-->>run: {_plain(f'{move.outcome} - {move.sentence}')}")
    return lines


def _plain(text: str) -> str:
    """Without the characters that end a message in Mermaid."""
    return text.replace(";", ",").replace("#", "no. ").replace("\n", " ")


def _situation(values: Mapping[str, str]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in values.items())


def trace(found: Exploration, way: list[tuple[int, int]], claim: str) -> Trace:
    """The trace of a way: each situation with the command that leads on from it."""
    layout = found.layout
    packed = way[0][0] if way else layout.starts()[0]
    start = end = layout.read(packed)[1]
    moves = []
    for packed, index in way:
        state, before = layout.read(packed)
        target, end = layout.read(found.after(packed, index))
        changed = {name: end[name] for name in end if end[name] != before[name]}
        moves.append(_move(found.command(index), state, target, changed))
    return Trace(
        procedure=found.system.table.name,
        claim=claim,
        start=_told(found, start),
        moves=tuple(moves),
        end=_told(found, end),
    )


def _told(found: Exploration, values: Mapping[str, str]) -> dict[str, str]:
    """What is worth telling: not what only the properties ask for."""
    return {one.name: values[one.name] for one in found.system.variables if not one.history}


def _move(command: Step | Event, state: str, target: str, changed: Mapping[str, str]) -> Move:
    if isinstance(command, Event):
        return Move(
            actor=command.actor,
            state=state,
            said=command.name,
            sentence=command.sentence,
            changed=changed,
        )
    return Move(
        actor="run",
        state=state,
        said=str(command.action) if command.action else "cancel",
        sentence=command.answer.sentence if command.answer else "A person said stop.",
        outcome=command.label,
        target=target,
        impact=command.contract.action.impact.value if command.contract else "",
        changed=changed,
    )
