"""A journal that is made again elsewhere says the same again, hash by hash."""

from __future__ import annotations

from datetime import UTC, datetime

from popheal import Alert
from popheal.backends.simulated import load_scenario
from popheal.engine import healing
from popheal.engine.context import HealingContext
from popheal.engine.drive import drive
from popheal.journal import Author, Journal
from popheal.policy.policy import Policy


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
