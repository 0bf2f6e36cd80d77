"""What a run has to do with each state and each outcome of a picture."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import cached_property
from typing import Final

from attrs import define

from popheal.diagrams.cards.sheet import Mark, Said, Slice, Status
from popheal.diagrams.graph import Graph, Label
from popheal.tables.debts import DebtKind
from popheal.tables.reachability import reached_from
from popheal.tables.run_path import Hop, RunPath
from popheal.tables.table import Verdict
from popheal.util.text import span, time_of_day

#: What is said at once is not told in seconds.
_AT_ONCE: Final = 1.0


def without_guard(label: str) -> str:
    """The outcome alone, of a label that has a guard, too."""
    return label.partition(" [")[0]


@define(frozen=True, slots=False)
class Trail:
    """The way of one run through one graph; without a run, everything is plain."""

    graph: Graph
    path: RunPath | None = None

    @cached_property
    def here(self) -> str:
        """The state or ending that the run is in."""
        return self.path.states[-1] if self.path else ""

    @cached_property
    def verdict(self) -> Verdict | None:
        """How the run has ended; None while it goes on."""
        return next((one.verdict for one in self.graph.nodes if one.name == self.here), None)

    @cached_property
    def _hops(self) -> dict[tuple[str, str], Hop]:
        return {(hop.source, hop.target): hop for hop in self.path.hops} if self.path else {}

    @cached_property
    def _ahead(self) -> set[str]:
        if self.verdict or not self.path:
            return set()
        arrows: dict[str, list[str]] = {}
        for edge in self.graph.edges:
            arrows.setdefault(edge.source, []).append(edge.target)
        stops = [edge.target for edge in self.graph.cancels]
        return reached_from([self.here, *stops], arrows)

    def of(self, name: str) -> Status:
        """What it has to do with a state or an ending."""
        if self.path is None:
            return Status.PLAIN
        if name == self.here and not self.verdict:
            return Status.NOW
        if name in self.path.states:
            return Status.TAKEN
        return Status.AHEAD if name in self._ahead else Status.DIM

    def said(self, source: str, target: str, labels: Sequence[Label]) -> tuple[Said, ...]:
        """The outcomes that lead from one to the other, each with what the run has to do with it.

        A stop that came before a step was done is no outcome of it: nothing is said of it there.
        """
        hop = self._hops.get((source, target))
        done = hop.step.outcome if hop and hop.step else ""
        return tuple(
            Said(
                words=in_words(one.text),
                why=one.why,
                status=Status.TAKEN if without_guard(one.text) == done else self._open(source),
                after=after(hop.step.seconds)
                if hop and hop.step and without_guard(one.text) == done
                else "",
            )
            for one in labels
        )

    def _open(self, source: str) -> Status:
        if self.path is None:
            return Status.PLAIN
        possible = source in self._ahead and self.of(source) is not Status.TAKEN
        return Status.AHEAD if possible else Status.DIM

    def stopped_at(self) -> Hop | None:
        """Where a person's stop led on from, if one did."""
        stops = {edge.target for edge in self.graph.cancels}
        leads = {
            (edge.source, edge.target, without_guard(label.text))
            for edge in self.graph.edges
            for label in edge.labels
        }
        for hop in self._hops.values():
            outcome = hop.step.outcome if hop.step else ""
            if hop.target in stops and (hop.source, hop.target, outcome) not in leads:
                return hop
        return None

    # --- told ------------------------------------------------------------------------------------

    def clock(self, name: str) -> str:
        """When the run came to a state or an ending."""
        at = self._came(name)
        return time_of_day(at) if at else ""

    def _came(self, name: str) -> datetime | None:
        if self.path is None or name not in self.path.states:
            return None
        for step in self.path.steps:
            if step.state == name:
                return step.started_at
        return self.path.steps[-1].finished_at if self.path.steps else self.path.as_of

    def flag(self, name: str) -> str:
        """What is said of the state that the run is in now."""
        if self.of(name) is not Status.NOW:
            return ""
        came, until = self._came(name), self.path.until if self.path else None
        waited = span((until - came).total_seconds()) if came and until else ""
        return f"now, for {waited}" if waited and waited != "0 s" else "now"

    def owes(self, kind: DebtKind) -> bool:
        """Whether the run owes it yet, or has left it to a person."""
        return self.path is not None and kind in self.path.owed

    def standing(self) -> tuple[Mark | None, str] | None:
        """How the run ended or stands, with its sign."""
        if self.path is None:
            return None
        began, until = self.path.began_at, self.path.until
        took = span((until - began).total_seconds()) if began and until else ""
        if self.verdict:
            named = self.here if self.here == self.verdict.value else f"{self.here}: "
            named += "" if self.here == self.verdict.value else self.verdict.value
            return self.verdict, f"{named} after {took}" if took else named
        doing = "interrupted, and not ended" if self.path.interrupted else "running"
        return None, f"{doing} for {took}" if took else doing

    def about(self) -> str:
        """Which run it is, and when it was."""
        if self.path is None:
            return ""
        began = self.path.began_at
        parts = [self.path.monitor, f"run {self.path.run}", f"{began:%Y-%m-%d}" if began else ""]
        as_of = f"; as of {time_of_day(self.path.as_of)}" if self.path.as_of else ""
        return f"{', '.join(one for one in parts if one)}, times in UTC{as_of}."

    def slices(self) -> tuple[Slice, ...]:
        """Where the time went."""
        if self.path is None:
            return ()
        nodes = {one.name: one for one in self.graph.nodes}
        found = [(step.state, step.seconds) for step in self.path.steps]
        came = self._came(self.here)
        if not self.verdict and came and self.path.until:
            found.append((self.here, (self.path.until - came).total_seconds()))
        return tuple(
            Slice(name, impact, seconds)
            for name, seconds in found
            if (impact := nodes[name].impact) and seconds > 0
        )

    def aloud(self) -> str:
        """The path in a sentence."""
        if self.path is None:
            return ""
        steps = [
            f"{one.state}: {in_words(one.outcome)} {after(one.seconds)}" for one in self.path.steps
        ]
        end = f"now {self.here}" if not self.verdict else self.here
        return f"The path: {'; '.join([*steps, end])}. "


def in_words(label: str) -> str:
    """An outcome for people, with its guard."""
    return label.replace("_", " ")


def after(seconds: float) -> str:
    """How long a step took."""
    return "at once" if seconds < _AT_ONCE else f"after {span(seconds)}"
