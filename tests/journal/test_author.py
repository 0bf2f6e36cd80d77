"""A journal that is made again elsewhere says the same again, hash by hash."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from popheal import Alert, __version__
from popheal.backends.simulated import load_scenario
from popheal.engine import healing
from popheal.engine.context import HealingContext
from popheal.engine.drive import drive
from popheal.journal import Author, Journal
from popheal.policy.policy import Policy
from popheal.util.serialize import to_jsonable


def written():
    """The lines of one healing in a journal of that kind."""
    scenario = load_scenario("mailbox-healed-by-restart")
    backend = scenario.backend
    context = HealingContext(
        policy=Policy(), clock=backend.clock, organisation="contoso", server="MBX1"
    )
    author = Author(process="workflow popheal/healing/mbx1", account="ann on mail1")
    with Journal(author=author) as journal:
        drive(
            lambda: healing.begin(context, Alert(server="MBX1"), journal, "0123456789ab"),
            backend,
            context,
        )
        lines = journal.lines_after(0)
        (half, *rest) = (journal.lines_after(n) for n in (4, len(lines)))
        assert (half, rest) == (lines[4:], [[]])
        return lines, str(journal.head())


def test_it_says_the_same_again():
    lines, head = written()
    assert (lines, head) == written()
    said = str(lines)
    assert "workflow popheal/healing/mbx1" in said
    assert head.startswith(f"{lines[-1]['seq']}:")
    assert datetime.fromisoformat(lines[0]["at"]).tzinfo == UTC


def test_it_is_put_back_from_its_entries_by_another_author():
    """Each must follow from those before: what was changed, or is missing, is found out."""
    lines, head = written()
    story = [one for one in lines if one["kind"] != "ended"]
    begun = next(one for one in story if one["kind"] == "begun")

    def put_back(entries):
        journal = Journal(
            author=Author(process=story[0]["data"]["process"], account="ann on mail1")
        )
        journal.begin(
            "0123456789ab",
            at=datetime.fromisoformat(begun["at"]),
            organisation="contoso",
            server="MBX1",
            version=__version__,
            alert=to_jsonable(Alert(server="MBX1")),
            policy=Policy().to_json(),
        )
        bob = Author(process="another", account="bob on mail1")
        assert journal.put_back(entries, {}, bob) == len(story)
        return journal

    journal = put_back(story)
    assert journal.lines_after(0) == story
    assert f"{len(lines)}:{lines[-1]['hash']}" == head
    assert ("server", "mbx1") in [one[:2] for one in journal.claims()]
    record = journal.healing("0123456789ab")
    assert (record.alive, record.ended_at, record.begun_by) == (False, None, "ann on mail1")
    lease = journal.take_over(record.id, at=datetime(2026, 1, 6, tzinfo=UTC))
    assert lease.accounts() == ("ann on mail1", "bob on mail1")
    told = [one["kind"] for one in journal.lines_after(len(story))]
    assert told == ["owner", "taken_over", "taken"]
    number = len(story) // 2
    changed = {**story[number], "server": "mbx2"}
    for wrong in (
        [*story[:number], changed, *story[number + 1 :]],
        [*story[:number], *story[number + 1 :]],
        [{**story[0], "hash": "0"}, *story[1:]],
    ):
        with pytest.raises(ValueError, match="does not follow from those before"):
            put_back(wrong)


def test_somebody_can_answer_in_it():
    """Unlike in one that is lost with the process."""
    for author, lost in ((None, True), (Author(process="p", account="a"), False)):
        with Journal(author=author) as journal:
            lease = journal.begin(
                "1",
                at=datetime(2026, 1, 5, tzinfo=UTC),
                organisation="o",
                server="s",
                version="",
                alert={},
                policy={},
            )
            assert lease.in_memory is lost
            assert lease.accounts() != ("a",) or not lost
