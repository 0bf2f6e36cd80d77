"""The text of a TOML file: it says what it was made of, and reads well."""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from popheal.snapshot.toml_text import to_toml

PLAIN = (
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
    | st.booleans()
    | st.integers(-(2**40), 2**40)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.datetimes(timezones=st.just(UTC))
    | st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=5), max_size=3)
)
NAME = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
TABLE = st.dictionaries(
    NAME,
    PLAIN | st.dictionaries(NAME, PLAIN | st.dictionaries(NAME, PLAIN, max_size=2), max_size=2),
    max_size=4,
)


@settings(deadline=None, max_examples=60)
@given(
    st.dictionaries(
        NAME,
        PLAIN | TABLE | st.dictionaries(NAME, TABLE, max_size=3) | st.lists(TABLE, max_size=3),
        max_size=4,
    ),
    st.text(max_size=20),
)
def test_what_is_written_is_read(tables, said):
    """Whatever is in it, and whatever is said beside it."""
    comments = {(): [said], **{(name,): [said] for name in tables}}
    assert tomllib.loads(to_toml(tables, comments)) == tables


def test_it_reads_well():
    """A line for each service of a server; a blank line before each table; comments above it."""
    tables = {
        "title": "one",
        "servers": {
            "EX 1": {
                "roles": ["mailbox"],
                "services": {"W3SVC": {"state": "Stopped"}, "ClusSvc": {"state": "Absent"}},
            }
        },
        "faults": [{"cure": "never"}, {"cure": "never"}],
        "seen": {"at": datetime(2026, 11, 29, 10, 0, tzinfo=UTC)},
    }
    assert to_toml(tables, {(): ["head"], ("faults",): ["why\nso"]}) == (
        '# head\ntitle = "one"\n\n[servers."EX 1"]\nroles = ["mailbox"]\n'
        'services.W3SVC = { state = "Stopped" }\nservices.ClusSvc = { state = "Absent" }\n\n'
        '# why so\n[[faults]]\ncure = "never"\n\n[[faults]]\ncure = "never"\n\n'
        "[seen]\nat = 2026-11-29T10:00:00Z\n"
    )
