"""Where a key stands in a TOML file, however it is written."""

from __future__ import annotations

import pytest

from popheal.errors import InvalidValue
from popheal.util.toml import TomlFile

TEXT = '''\
title = "x"
story = """
[servers]  # a text, not a table
MBX1 = 3
"""
"quoted key" = 1

[servers.MBX1]   # a table
roles = [
    "mailbox",
]
services.MSExchangePop3.state = "Running"
components = { PopProxy = { HealthAPI = "Off" } }

[[faults]]
name = "one"
[[faults]]
name = "two"
[faults.cure]
restarts = 0
[[faults.steps]]
at = 1
[[faults.steps]]
at = 2

[expect]
debts = [{ kind = "money" }, { kind = "none" }]
'''


@pytest.mark.parametrize(
    ("path", "line", "place"),
    [
        (("title",), 1, "title"),
        (("story",), 2, "story"),
        (("quoted key",), 6, "quoted key"),
        (("servers", "MBX1", ""), 8, "[servers.MBX1]"),
        (("servers", "MBX1", "roles", 0), 9, "[servers.MBX1] roles[1]"),
        (("servers", "MBX1", "site"), 8, "[servers.MBX1] site"),
        (
            ("servers", "MBX1", "services", "MSExchangePop3", "state"),
            12,
            "[servers.MBX1.services.MSExchangePop3] state",
        ),
        (
            ("servers", "MBX1", "components", "PopProxy", "HealthAPI"),
            13,
            "[servers.MBX1.components.PopProxy] HealthAPI",
        ),
        (("faults", 0, "name"), 16, "[faults[1]] name"),
        (("faults", 1, "name"), 18, "[faults[2]] name"),
        (("faults", 1, "cure", "restarts"), 20, "[faults[2].cure] restarts"),
        (("faults", 1, "steps", 1, "at"), 24, "[faults[2].steps[2]] at"),
        (("expect", "debts", 1, "kind"), 27, "[expect.debts[2]] kind"),
    ],
)
def test_an_error_says_line_and_key(tmp_path, path, line, place):
    file = tmp_path / "some.toml"
    file.write_text(TEXT)
    with pytest.raises(InvalidValue) as caught:
        TomlFile.read(file).wrong(path, "is wrong", "Say it right.")
    assert str(caught.value) == f"{file}, line {line}: {place} is wrong. Say it right."


def test_what_stands_nowhere_has_no_line():
    with pytest.raises(InvalidValue) as caught:
        TomlFile(name="tables", content={}).wrong(("a", "b"), "is wrong", "Say it right.")
    assert str(caught.value) == "tables: [a] b is wrong. Say it right."
