"""What a shell is offered, by the protocol that shells speak."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

import popheal
from popheal import Alert, Journal
from popheal.backends.simulated import load_scenario, scenario_names
from popheal.cli.app import popheal as command
from popheal.healthsets.pop import PROCEDURES
from popheal.tables.actions import Impact
from tests.support.paths import ROOT
from tests.support.programs import needs_program


class _Died(BaseException):
    """The process dies: nobody handles this."""


@pytest.fixture(scope="module")
def journal(tmp_path_factory):
    """A journal with a healing that has ended, and one that asks; their ids, and the plan."""
    path = tmp_path_factory.mktemp("journal") / "journal.db"
    plans = []

    def die(request):
        plans.append(request.plan.hash)
        raise _Died

    with Journal(path) as opened:
        policy = popheal.Policy(approval_from=Impact.DISRUPT)
        for name, approver in (("nothing-wrong", None), ("mailbox-healed-by-reboot", die)):
            scenario = load_scenario(name)
            healer = popheal.Healer(
                scenario.backend, journal=opened, policy=policy, approver=approver
            )
            with contextlib.suppress(_Died):
                healer.heal(Alert(server=scenario.server))
        ended, asking = opened.healings()
    return path, ended.id, asking.id, *plans


def offered(*words, **env):
    """What zsh is offered for the last word: values, and what is said about them."""
    asked = {"_POPHEAL_COMPLETE": "zsh_complete", "COMP_WORDS": " ".join(["popheal", *words])}
    asked["COMP_CWORD"] = str(len(words))
    result = CliRunner().invoke(command, [], env={"POPHEAL_CONFIG": None, **asked, **env})
    assert result.stderr == ""
    lines = result.stdout.splitlines()
    return dict(zip(lines[1::3], lines[2::3], strict=True))


@pytest.mark.parametrize("words", [["verify"], ["diagram"], ["procedures"]])
def test_procedures_are_offered(words):
    assert set(offered(*words, "")) == set(PROCEDURES)
    assert set(offered(*words, "ma")) == {"mailbox"}


@pytest.mark.parametrize("words", [["rehearse"], ["lab"]])
def test_scenarios_are_offered(words):
    assert set(offered(*words, "")) == set(scenario_names())
    assert set(offered(*words, "NOTHING-W")) == {"nothing-wrong"}


@pytest.mark.parametrize(
    "words",
    [["show"], ["export"], ["what-if"], ["diagram", "--healing"]],
)
def test_healings_are_offered(words, journal):
    """The latest first, each with its server and how it stands."""
    path, ended, asking, _ = journal
    first, *options = words
    found = offered(first, "--journal", str(path), *options, "")
    assert list(found) == [asking, ended]
    assert found[ended].endswith(": nothing wrong")
    assert found[ended].startswith("mbx1.contoso.com, 2026-01-05 08:00")
    assert set(offered(first, "--journal", str(path), *options, ended[:6])) == {ended}


@pytest.mark.parametrize("words", [["resume"], ["cancel"], ["approve"]])
def test_only_what_can_be_gone_on_with_is_offered(words, journal):
    path, _, asking, plan = journal
    assert set(offered(*words, "--journal", str(path), "")) == {asking}
    if words == ["approve"]:
        found = offered("approve", asking, "--journal", str(path), "--plan", "")
        assert set(found) == {plan}


def test_the_journal_may_be_that_of_the_configuration(journal, tmp_path):
    path, ended, asking, _ = journal
    config = tmp_path / "popheal.toml"
    config.write_text(f'[exchange]\nservers = ["ex1"]\n[journal]\npath = "{path}"\n')
    assert set(offered("show", "", POPHEAL_CONFIG=str(config))) == {ended, asking}
    assert set(offered("show", "--config", str(config), "")) == {ended, asking}


@pytest.mark.parametrize(
    "words",
    [
        ["show", ""],
        ["show", "--journal", "/no/such/journal.db", ""],
        ["show", "--config", "/no/such/popheal.toml", ""],
        ["approve", "nosuch", "--journal", "/no/such/journal.db", "--plan", ""],
    ],
)
def test_where_nothing_is_known_nothing_is_offered_or_said(words):
    assert offered(*words) == {}


@pytest.mark.slow
@needs_program("bash")
def test_bash_completes(journal, tmp_path):
    """The line of the documentation, in a real shell, and the function that it defines."""
    path, ended, asking, _ = journal
    script = Path(sys.executable).with_name("popheal")
    if not script.exists():
        pytest.skip("needs popheal to be installed as a program")
    (tmp_path / "popheal").symlink_to(script)
    line = 'eval "$(_POPHEAL_COMPLETE=bash_source popheal)"'
    typed = f"COMP_WORDS=(popheal show --journal {path} '') COMP_CWORD=4"
    tab = '_popheal_completion popheal; printf "%s\\n" "${COMPREPLY[@]}"'
    assert f"`{line}`" in (ROOT / "docs" / "command-line.md").read_text("utf-8")
    done = subprocess.run(
        [shutil.which("bash"), "-c", f"{line}\n{typed}\n{tab}"],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.split() == [asking, ended]
