"""What somebody meets who has just begun: messages that lead on, and no raw ones."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import textwrap
from functools import cache
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner

import popheal
from popheal import Alert, Impact, Policy, Report, Timing
from popheal.backends.simulated import scenario_names
from popheal.cli.app import popheal as command
from popheal.diagrams import FORMATS
from popheal.errors import ConfigurationError, WrongArguments
from popheal.healthsets.pop import PROCEDURES
from popheal.healthsets.pop.catalog import HEALTH_SETS, MONITORS
from popheal.util import extras
from tests.cli.test_verify_command import OWN
from tests.support.paths import ROOT

# --- raw errors ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Policy("change"), "Policy takes its values by name, and was given 1 without one"),
        (lambda: Timing(5, 6), "Timing takes its values by name, and was given 2 without one"),
        (lambda: Policy(highst_impact=3), "Policy has no 'highst_impact'. Did you mean 'highest_"),
        (lambda: Alert("mbx1"), "Alert takes its values by name"),
        (Alert, "Alert needs 'server'. It takes server, health_set, "),
    ],
)
def test_a_record_says_how_it_is_made(make, said):
    """Also for those who catch what Python itself would raise."""
    with pytest.raises(WrongArguments) as caught:
        make()
    assert str(caught.value).startswith(said)
    assert "__init__" not in str(caught.value)
    assert isinstance(caught.value, ConfigurationError)
    assert isinstance(caught.value, TypeError)


def test_what_is_right_is_made_as_before():
    assert Policy(highest_impact=Impact.CHANGE).highest_impact is Impact.CHANGE
    assert "settle" in str(__import__("inspect").signature(Timing))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ([], "it is no JSON object"),
        ("{}", "it is no JSON object"),
        ({}, "verdict is missing"),
        ({"verdict": "fine"}, "verdict is none of nothing_wrong, "),
        ({"id": "x", "verdict": "held", "server": "s", "started_at": 5}, "is missing"),
    ],
)
def test_a_report_that_is_none_is_refused_in_words(data, said):
    with pytest.raises(ConfigurationError) as caught:
        Report.from_json(data)
    assert said in str(caught.value)
    for raw in ("invalid value for type", "required field", "$.", "attrs", "cattrs"):
        assert raw not in str(caught.value)


# --- what is not installed -----------------------------------------------------------------------

FOLDER, FILE = "file:///home/ann/popheal%20copy", "file:///tmp/popheal-0.1.0-py3-none-any.whl"
GIT = {"vcs_info": {"vcs": "git", "commit_id": "abc"}, "url": "https://git.contoso.com/popheal"}


@pytest.mark.parametrize(
    ("origin", "wanted"),
    [
        ({"url": FOLDER, "dir_info": {}}, "pip install '/home/ann/popheal copy[cli]'"),
        (
            {"url": FOLDER, "dir_info": {"editable": True}},
            "pip install -e '/home/ann/popheal copy[cli]'",
        ),
        ({"url": FILE, "archive_info": {}}, f"pip install 'popheal[cli] @ {FILE}'"),
        (GIT, "pip install 'popheal[cli] @ git+https://git.contoso.com/popheal@abc'"),
        ({}, "'popheal[cli]', with the options by which popheal was installed"),
    ],
)
def test_an_extra_is_installed_from_where_popheal_came(monkeypatch, origin, wanted):
    """It need not be in an index of packages."""
    monkeypatch.setattr(extras, "_origin", lambda: origin)
    assert extras.how_to_install("cli").startswith("Install the extra 'cli': ")
    assert wanted in extras.how_to_install("cli")


def test_each_package_of_an_extra_is_one_of_it():
    """As pyproject.toml has them."""
    wanted = (ROOT / "pyproject.toml").read_text("utf-8")
    for package, extra in extras.EXTRA_OF.items():
        line = re.search(rf"^{extra} = \[(.*)\]$", wanted, re.MULTILINE)[1]
        assert package.replace("_", "-") in line or package == "gssapi"


def texts_of(path):
    """The texts in a module, but for docstrings that nobody is shown."""
    tree = ast.parse(path.read_text("utf-8"))
    shown = "cli" in path.parts
    hidden = set()
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and body:
            first = body[0]
            helps = shown and isinstance(node, ast.FunctionDef)
            if isinstance(first, ast.Expr) and not helps:
                hidden.add(id(first.value))
    for node in ast.walk(tree):
        text = isinstance(node, ast.Constant) and isinstance(node.value, str)
        if text and id(node) not in hidden:
            yield " ".join(node.value.split())


@cache
def texts():
    """Those of all modules, each with where it stands."""
    return [
        (path.relative_to(ROOT), text)
        for path in sorted((ROOT / "popheal").rglob("*.py"))
        for text in texts_of(path)
    ]


def test_no_message_names_a_file_that_is_not_installed():
    """A wheel has no documentation: pages are named by their titles, which it has online or not."""
    assert [one for one in texts() if re.search(r"\bdocs/|\w\.md\b", one[1])] == []


def test_no_message_says_that_popheal_is_in_an_index():
    mine = Path("popheal/util/extras.py")
    assert [one for one in texts() if "pip install 'popheal" in one[1] and one[0] != mine] == []


def test_pages_that_messages_name_are_there():
    titles = {path.read_text("utf-8").split("\n", 1)[0] for path in ROOT.glob("docs/*.md")}
    named = {title for _, text in texts() for title in re.findall(r'\bpage "([^"]+)"', text)}
    split = {text for _, text in texts() if re.match(r'"[A-Z][\w ]+" of the documentation', text)}
    named |= {re.match(r'"([^"]+)"', text)[1] for text in split}
    assert len(named) >= 4
    assert {f"# {one}" for one in named} <= titles


# --- the command line ----------------------------------------------------------------------------


def completed(*words):
    """What a shell is offered for the last word."""
    *before, last = words
    shell = ShellComplete(command, {}, "popheal", "_POPHEAL_COMPLETE")
    return [one.value for one in shell.get_completions(list(before), last)]


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("verify", ""), list(PROCEDURES)),
        (("diagram", "ma"), ["mailbox"]),
        (("procedures", "PRO"), ["proxy"]),
        (("rehearse", ""), list(scenario_names())),
        (("lab", "server-never"), ["server-never-comes-back", "server-never-goes-down"]),
        (("diagram", "--format", ""), list(FORMATS)),
        (("heal", "--monitor", ""), [one.name for one in MONITORS]),
        (("plan", "--health-set", "POP."), [one for one in HEALTH_SETS if "." in one]),
    ],
)
def test_a_shell_completes_names(words, offered):
    assert sorted(completed(*words)) == sorted(offered)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_documented_line_gives_a_script(shell):
    """The very command that the page has for that shell, but for the shell around it."""
    page = (ROOT / "docs" / "command-line.md").read_text("utf-8")
    assert f"_POPHEAL_COMPLETE={shell}_source popheal" in page
    result = subprocess.run(
        [sys.executable, "-m", "popheal"],
        env={**os.environ, "_POPHEAL_COMPLETE": f"{shell}_source"},
        capture_output=True,
        text=True,
        check=False,
    )
    if shell == "bash" and "version" in result.stderr:
        pytest.skip("this bash is too old")
    assert result.returncode == 0, result.stderr
    assert "_POPHEAL_COMPLETE" in result.stdout


@pytest.mark.parametrize("width", [60, 80, 100])
def test_verify_breaks_no_word(monkeypatch, proofs, width):
    """Not at a terminal of eighty columns either, which would break lines anywhere."""
    # What is shown is in question, not what is proved: that is shared with other tests.
    monkeypatch.setattr("popheal.verify.verify_all", lambda _: proofs)
    arguments = {"env": {"COLUMNS": str(width)}}
    result = CliRunner().invoke(command, ["verify"], **arguments)
    assert result.exit_code == 0
    assert max(map(len, result.stdout.splitlines())) <= width
    from popheal.verify import PROPERTIES

    said = " ".join(result.stdout.split())
    for one in PROPERTIES:
        assert one.sentence in said


@pytest.mark.parametrize("arguments", [["diagram"], ["diagram", "-f", "scxml"], ["procedures"]])
def test_a_table_of_ones_own_is_drawn(tmp_path, monkeypatch, arguments):
    (tmp_path / "own_to_draw.py").write_text(OWN, "utf-8")
    monkeypatch.chdir(tmp_path)
    before = list(sys.path)
    result = CliRunner().invoke(command, [arguments[0], "own_to_draw:HASTY", *arguments[1:]])
    assert result.exit_code == 0, result.output
    assert "reprobing_after_reboot" in result.stdout
    assert sys.path == before


# --- Ctrl-C --------------------------------------------------------------------------------------

INTERRUPTED = """
import os, signal, sys

class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)

signal.signal(signal.SIGINT, signal.default_int_handler)
sys.meta_path.insert(0, Interrupting())
sys.argv = ["popheal", "rehearse"]
from popheal.cli import main
sys.exit(main())
"""


@pytest.mark.parametrize(
    "module",
    [
        "attrs",
        "click",
        "popheal.api",
        "popheal.cli.app",
        "popheal.cli.commands.heal",
        "popheal.errors",
        "popheal.cli.render.console",
        "rich.console",
    ],
)
def test_ctrl_c_in_the_first_moments_is_no_traceback(module):
    """As the script of an installed popheal begins; the signal comes while something is loaded."""
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(INTERRUPTED.format(module=module))],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in result.stderr
    assert result.returncode == 130


def test_importing_the_package_loads_nothing_else():
    """So there are no moments before: whatever takes time is loaded inside main()."""
    code = "import sys; had = {*sys.modules}; import popheal.cli; print({*sys.modules} - had)"
    result = subprocess.run(
        [sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True
    )
    assert ast.literal_eval(result.stdout) == {"popheal", "popheal.cli", "__future__"}


def test_every_public_name_is_there_and_listed():
    assert set(popheal.__all__) <= set(dir(popheal))
    for name in popheal.__all__:
        assert getattr(popheal, name)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = popheal.nothing


# --- left open -----------------------------------------------------------------------------------

UNCLOSED = """
import gc, sys, warnings
from pathlib import Path
import popheal
from popheal.backends.simulated import load_scenario
from popheal.errors import JournalError

folder = Path(sys.argv[1])
scenario = load_scenario("transient")
popheal.heal(popheal.Alert(server=scenario.server), scenario.backend)
popheal.Journal()
popheal.Journal(folder / "journal.db").close()
(folder / "text").write_text("no journal at all, but longer than the header of one" * 20)
for path, options in (("nothing", {"create": False}), ("text", {}), ("text", {"read_only": True})):
    try:
        popheal.Journal(folder / path, **options)
    except JournalError as error:
        del error
popheal.Journal(folder / "forgotten.db")
gc.collect()
"""


def test_no_database_is_left_open(tmp_path):
    """From Python 3.13 on that is a warning, which a program may have made an error."""
    result = subprocess.run(
        [sys.executable, "-W", "error", "-X", "dev", "-c", UNCLOSED, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONWARNINGS": "error"},
    )
    assert "ResourceWarning" not in result.stderr
    assert result.returncode == 0, result.stderr


def test_completion_is_documented_with_all_that_it_completes():
    page = (ROOT / "docs" / "command-line.md").read_text("utf-8")
    (section,) = re.findall(r"^## Completion\n(.*?)^## ", page, re.MULTILINE | re.DOTALL)
    for what in ("procedures", "scenarios", "formats", "monitors", "health sets"):
        assert what in section
