"""The proof notices mistakes: mutants of every table, or a reason why it does no harm.

Of the large table, of client access, a fixed sample that has each kind of mistake; of the others
every mutant. ``python -m tests.evidence.mutation_score`` takes all of all.
"""

from __future__ import annotations

import json

import pytest

from popheal.healthsets.pop import CLIENT_ACCESS, MAILBOX, PROCEDURES
from popheal.verify import PROPERTIES
from tests.evidence.mutants import Table, mutants_of
from tests.evidence.mutation_score import (
    FOUND,
    HARMLESS,
    LAW,
    each_nth_of_a_kind,
    harmless,
    score,
    tried,
)

#: One in so many mutants of the large table.
EVERY = 24


@pytest.fixture(scope="module")
def scored():
    return score(every=EVERY)


@pytest.mark.slow
@pytest.mark.campaign
class TestScore:
    """In one class, and so in one process, where the score is made once."""

    def test_every_mutant_is_killed_or_harmless(self, scored):
        """With the names of those for which neither is so."""
        assert [one.name for one in scored.unexplained()] == []

    def test_nearly_all_are_killed(self, scored):
        """The list of the harmless ones is short."""
        assert len(scored.mutants) > 1000
        assert scored.killed / len(scored.mutants) > 0.97

    def test_every_property_can_fail(self, scored, proofs):
        """Each one notices a mutant, or even an original."""
        noticing = {name for name, number in scored.by_killer.items() if number}
        for proof in proofs.procedures:
            noticing |= {one.property.id for one in proof.refuted}
        assert noticing == {LAW, *(one.id for one in PROPERTIES if not one.open)}

    def test_what_is_left_out_is_what_breaks_a_property(self, scored, proofs):
        """The mutants of a table that is refuted itself would show nothing."""
        broken = {one.name for one in proofs.procedures if not one.ok}
        assert set(scored.left_out) == broken
        assert {one.procedure for one in scored.mutants} == set(PROCEDURES) - broken

    def test_as_data(self, scored):
        """What the documentation shows."""
        said = json.loads(json.dumps(scored.to_json()))
        assert said["mutants"] == len(scored.mutants)
        assert said["noticed"] + sum(said["harmless"].values()) == said["mutants"]
        assert sum(said["noticed_by"].values()) >= said["noticed"]
        assert "None" not in said["harmless"]


def test_the_score_that_is_shown_is_of_these_tables():
    """If not: python -m tests.evidence.mutation_score, which takes minutes."""
    shown = json.loads(FOUND.read_text(encoding="utf-8"))
    assert shown["tables"] == tried()
    assert shown["unexplained"] == 0
    assert shown["noticed"] + sum(shown["harmless"].values()) == shown["mutants"]


def test_a_sample_has_every_kind():
    """The first of each, so none is left out; and it is no more than a part."""
    all_of_them = list(mutants_of(CLIENT_ACCESS))
    sample = list(each_nth_of_a_kind(all_of_them, EVERY))
    assert {one.kind for one in sample} == {one.kind for one in all_of_them}
    assert len(sample) < len(all_of_them) / (EVERY / 2)
    assert list(each_nth_of_a_kind(all_of_them, 1)) == all_of_them


def test_reasons_are_of_use():
    """No survivor is explained away by a pattern that fits everything."""
    assert all(reason and len(like) > 10 for like, reason in HARMLESS)
    mutant = next(one for one in mutants_of(MAILBOX) if "active to rebooting" in one.name)
    assert harmless(mutant) is None


def test_no_mutant_acts_like_the_original():
    """And no two of them act the same."""
    mutants = list(mutants_of(MAILBOX))
    behaviours = {one.table.behaviour for one in mutants}
    assert len(behaviours) == len(mutants)
    assert Table.of(MAILBOX).behaviour not in behaviours
    assert Table.of(MAILBOX).lawful()
