"""The documentation says what is so: names, numbers and commands in it are checked here.

Its Python examples run by themselves, see ``docs/conftest.py``; the README's run here.
"""

from __future__ import annotations

import importlib
import re
from pkgutil import resolve_name
from typing import get_args, get_type_hints

import pytest
from attrs import fields

from popheal.backends.psrp.rights import needed_for
from popheal.backends.psrp.settings import Connection, PsrpSettings, exchange_connection
from popheal.backends.simulated import scenario_names
from popheal.config import load
from popheal.engine.triage.blockers import MONITOR_BLOCKERS, SERVER_BLOCKERS
from popheal.exchange.backend import EFFECTS, LOOKS
from popheal.healthsets.pop import PROCEDURES
from popheal.policy.policy import Policy
from popheal.tables.timing import Timing
from popheal.util.schema import keys_of
from tests.support.paths import ROOT

PAGES = sorted([*ROOT.glob("docs/**/*.md"), *ROOT.glob("*.md")])
README = (ROOT / "README.md").read_text("utf-8")
ERRATA = (ROOT / "docs" / "errata.md").read_text("utf-8")
CONFIGURATION = (ROOT / "docs" / "configuration.md").read_text("utf-8")


def table_under(page, heading):
    """The first table under a heading, as key to the other cells."""
    section = re.split(r"^## ", page, flags=re.MULTILINE)
    (text,) = [one for one in section if one.startswith(f"{heading}\n")]
    rows = [
        [cell.strip().strip("`") for cell in line.strip("|").split(" | ")]
        for line in text.splitlines()
        if line.startswith("| `")
    ]
    return {row[0].strip(" `"): row[1:] for row in rows}


# --- configuration -------------------------------------------------------------------------------


@pytest.mark.parametrize("table", ["exchange", "policy", "timing"])
def test_every_key_is_documented(table):
    """Each key that a configuration may have is on the page, and no other."""
    documented = set(table_under(CONFIGURATION, f"[{table}]"))
    assert documented == set(load.TABLES[table])


def test_every_table_is_documented():
    """Likewise each table."""
    assert set(re.findall(r"^## \[(\w+)\]$", CONFIGURATION, re.MULTILINE)) == set(load.TABLES)


@pytest.mark.parametrize(("table", "record"), [("policy", Policy()), ("timing", Timing())])
def test_defaults_are_right(table, record):
    """The defaults of policy and timing on the page are those of the code."""
    documented = table_under(CONFIGURATION, f"[{table}]")
    for one in fields(type(record)):
        if one.name in ("timing", "dependencies", "approval_undecided"):
            continue
        value = getattr(record, one.name)
        value = getattr(value, "value", value)
        shown = documented[one.name][0].strip('`"')
        assert shown == (
            str(value).lower() if isinstance(value, bool) else f"{value}".removesuffix(".0")
        )


NUMBERS = [
    ("[exchange]", exchange_connection(["ex1"])),
    ("From a program", PsrpSettings(exchange=exchange_connection(["ex1"]), winrm=Connection())),
    ("[policy]", Policy()),
    ("[timing]", Timing()),
    ("[watch]", load.WatchSettings(servers=["ex1"])),
]


@pytest.mark.parametrize(("heading", "record"), NUMBERS, ids=[name for name, _ in NUMBERS])
def test_bounds_of_numbers_are_right(heading, record):
    """Each number's least, most and default are on the page, with a word about it; no others."""
    documented = table_under(CONFIGURATION, heading)
    rules = {name: key.rule for name, key in keys_of(type(record)).items()}
    numbers = {name: one for name, one in rules.items() if one and one.least is not None}
    for name, (default, bounds, what) in documented.items():
        rule = numbers.pop(name, None)
        assert bounds == (f"{rule.least} to {rule.most}" if rule else "-"), name
        if rule:
            assert what, name
            value = getattr(record, name)
            assert default.split("`")[0] == f"{value}".removesuffix(".0"), name
    assert not numbers, "each is on the page"


def test_every_number_that_can_be_set_has_both_bounds():
    """None is forgotten, whatever record of settings it is added to."""
    for _, record in NUMBERS:
        for name, kind in get_type_hints(type(record)).items():
            if {int, float} & {kind, *get_args(kind)} - {bool}:
                rule = keys_of(type(record))[name].rule
                assert rule, name
                assert rule.least is not None, name
                assert rule.most is not None, name


def test_examples_of_configurations_are_accepted(tmp_path):
    """Each TOML example that is a configuration can be read; together they are one."""
    examples = re.findall(r"```toml\n(.*?)```", CONFIGURATION, re.DOTALL)
    path = tmp_path / "popheal.toml"
    path.write_text("\n".join(examples), "utf-8")
    assert Policy() == load.load_policy(path)
    assert Policy(approval_undecided=True) == load.load_config(path, environ={}).policy


def test_every_cmdlet_is_documented():
    """The cmdlets that the real backend sends are those for which rights are asked."""
    documented = table_under(CONFIGURATION, "Rights in Exchange")
    del documented["Get-Command"]  # which is PowerShell's own, and no matter of roles
    needed = needed_for([*LOOKS, *EFFECTS])
    assert {name: set(re.findall(r"\w+", cells[0])) for name, cells in documented.items()} == {
        one.name: set(one.parameters) for one in needed
    }


# --- names in the text ---------------------------------------------------------------------------


def test_every_erratum_is_there():
    """D1 to D28, once each, in order; and no table or module cites another."""
    numbers = re.findall(r'^<a id="d(\d+)"></a>\n\n## D\1: \S', ERRATA, re.MULTILINE)
    assert numbers == [str(number) for number in range(1, 29)]
    for path in (ROOT / "popheal").rglob("*.py"):
        for number in re.findall(r"\bD(\d+)\b", path.read_text("utf-8")):
            assert number in numbers, path


def test_modules_and_states_of_the_errata_exist():
    """What the errata point to is there."""
    states = {one.name for table in PROCEDURES.values() for one in table.states}
    for name in re.findall(r"`(popheal[.\w]+)`", ERRATA):
        assert importlib.import_module(name)
    named = {
        name
        for line in ERRATA.splitlines()
        if line.startswith("- **popheal**")
        for name in re.findall(r"`([a-z0-9]+(?:_[a-z0-9]+)+)`", line)
    }
    assert named - states == {"mailbox_role", "move_databases_back", "fail_back_unhealed"}


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_modules_and_files_named_exist(page):
    """Each module, each name in one, and each file of ours that a page names in backticks."""
    if page.name == "CHANGELOG.md":  # which names what was, too
        return
    text = page.read_text("utf-8")
    for name in re.findall(r"[`~](popheal(?:\.[A-Za-z]\w*)+)`", text):
        assert resolve_name(name)
    for name in re.findall(r"`((?:popheal|tests|docs|diagrams)/[\w./-]*)`", text):
        assert (ROOT / name).exists(), name


def test_every_blocker_is_documented():
    """The page on triage names each blocker, in order."""
    page = (ROOT / "docs" / "triage.md").read_text("utf-8")
    section = page.split("## The blockers")[1].split("\n## ")[0]
    named = list(dict.fromkeys(re.findall(r"^\| `(\w+)`", section, re.MULTILINE)))
    assert named == [blocker.__name__ for blocker in (*SERVER_BLOCKERS, *MONITOR_BLOCKERS)]


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_scenarios_named_in_commands_exist(page):
    """Each rehearsal that a page suggests can be played."""
    for name in re.findall(r"popheal rehearse ([a-z][a-z0-9-]+)(?![\w.])", page.read_text("utf-8")):
        assert name in scenario_names(), name


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_links_between_pages_lead_somewhere(page):
    """Each relative link names a file, and each anchor a heading or an erratum there."""
    text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)<>\s]+)\)", text):
        if "://" in target:
            continue
        file, _, anchor = target.partition("#")
        assert (page.parent / file).exists(), target
        if anchor:
            aimed = (page.parent / file if file else page).read_text("utf-8")
            headings = re.findall(r"^#+ (.*)$", aimed, re.MULTILINE)
            anchors = {re.sub(r"[^\w -]", "", one).lower().replace(" ", "-") for one in headings}
            assert anchor in anchors or f'<a id="{anchor}"></a>' in aimed, target


def test_the_readme_has_one_picture():
    """That of the mailbox procedure, drawn from its table (tests/diagrams/test_diagrams)."""
    (alternative, picture), *others = re.findall(r"!\[([^\]]*)\]\(([^)]*)\)", README)
    assert picture == "diagrams/mailbox-overview.svg"
    assert alternative.startswith("The mailbox procedure. ")
    assert not others
    assert "```mermaid" not in README


def test_the_readme_gives_two_commands_that_set_up_and_run():
    """One rehearses, one runs the tests: the latter is the one that .ci/run runs."""
    blocks = re.findall(r"```console\n(python3 -m venv .*)\n```", README)
    assert [block.split(".venv/bin/")[-1] for block in blocks] == [
        "popheal rehearse",
        "pytest -n 4",
    ]


def test_every_promise_has_a_rehearsal():
    """Twenty, as the README says, each another one."""
    page = (ROOT / "docs" / "promises.md").read_text("utf-8")
    played = re.findall(r"^\| [^|]+ \| `popheal rehearse ([\w-]+)` \|$", page, re.MULTILINE)
    assert len(set(played)) == len(played) == 20
    assert "[Twenty promises](docs/promises.md)" in README
    assert set(played) <= set(scenario_names())


def test_the_examples_of_the_readme_run():
    """In order, in one program."""
    examples = re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    assert examples
    names: dict[str, object] = {}
    for example in examples:
        exec(compile(example, "README.md", "exec"), names)


# --- the API -------------------------------------------------------------------------------------


def test_the_api_is_on_pages_by_room():
    """Each page is one room, few enough modules to be read; none is on two, each is linked to."""
    overview = (ROOT / "docs" / "api.md").read_text("utf-8")
    assert "automodule" not in overview
    pages = {path.stem: path.read_text("utf-8") for path in ROOT.glob("docs/api/*.md")}
    assert set(re.findall(r"\]\(api/(\w+)\.md\)", overview)) == set(pages)
    assert set(re.findall(r"^api/(\w+)$", overview, re.MULTILINE)) == set(pages)
    modules = [one for page in pages.values() for one in re.findall(r"automodule:: (\S+)", page)]
    assert len(modules) == len(set(modules)) > 20
    assert max(page.count("automodule::") for page in pages.values()) <= 10
