"""What every command shows, at 40, 80 and 120 columns: no word broken, no line too long.

The same words as on endless paper, in the same order. A line may be longer only where it is a
command to be pasted, or where one word, such as a path, is longer than the paper.
"""

from __future__ import annotations

import pkgutil
import re
import shutil

import pytest
from click.testing import CliRunner

import popheal
from popheal import Alert, Journal
from popheal.backends.simulated import load_scenario
from popheal.cli.app import popheal as command
from popheal.tables.actions import Impact
from popheal.util.clock import SystemClock

WIDTHS = (40, 80, 120)
ENDLESS = 4000

#: What is a document in a language of its own, and not told to people.
DOCUMENTS = {"schema", "export", "rights", "diagram", "lab"}

#: What goes on until it is ended, and what is asked of a service of others.
ELSEWHERE = {"serve", "fleet"}

TOLD = {
    "rehearse": ["rehearse", "client-access-not-healed"],
    "every fault": ["rehearse", "{alone}", "--every-fault"],
    "triage": ["triage", "mbx1", "--config", "{config}"],
    "plan": ["plan", "mbx1", "--config", "{config}", "--all-paths"],
    "heal": ["heal", "mbx1", "--config", "{config}"],
    "watch": ["watch", "--once", "--config", "{config}", "--journal", "{fresh}"],
    "check": ["check", "mbx1", "--config", "{config}", "--all"],
    "snapshot": ["snapshot", "--output", "{folder}/org.toml", "--force", "--config", "{config}"],
    "healings": ["healings", "--journal", "{journal}"],
    "show": ["show", "{ended}", "--journal", "{journal}"],
    "show, interrupted": ["show", "{interrupted}", "--journal", "{journal}"],
    "show, asked": ["show", "{asked}", "--journal", "{journal}"],
    "report": ["report", "--since", "2020-01-01", "--journal", "{journal}"],
    "what-if": [
        *("what-if", "{ended}", "--at", "reprobing", "--outcome", "succeeded"),
        *("--journal", "{journal}"),
    ],
    "healings, asking": ["healings", "--journal", "{copy}", "--unfinished"],
    "what-if, of many": ["what-if", "{ended}", "--all", "--journal", "{journal}"],
    "cancel": ["cancel", "{interrupted}", "--journal", "{journal}"],
    "check-journal": ["check-journal", "--journal", "{journal}"],
    "journal prune": ["journal", "prune", "--older-than", "2", "--journal", "{journal}"],
    "journal head": ["journal", "head", "--journal", "{journal}"],
    "procedures": ["procedures"],
    "procedures, one": ["procedures", "client_access"],
    "verify": ["verify", "proxy"],
    "resume": ["resume", "--config", "{nothing}"],
    "approve": ["approve", "{asked}", "--plan", "{plan}", "--journal", "{copy}"],
}

MISTAKES = {
    "no configuration": ["heal", "mbx1"],
    "no such file": ["heal", "mbx1", "--config", "{folder}/no-such-file-anywhere.toml"],
    "no such key": ["heal", "mbx1", "--config", "{wrong}"],
    "no server": ["triage", "https://mbx1.contoso.com/owa", "--config", "{config}"],
    "no such server": ["triage", "nosuch.contoso.com", "--config", "{config}"],
    "no such scenario": ["rehearse", "mailbox-healed-by-rebot"],
    "no such option": ["rehearse", "--lst"],
    "no such command": ["reherse"],
    "no such healing": ["show", "nosuch", "--journal", "{journal}"],
    "no such step": ["what-if", "{ended}", "--at", "x", "--outcome", "y", "--journal", "{journal}"],
    "no such journal": ["healings", "--journal", "{folder}/there/is/none.db"],
    "no such procedure": ["verify", "mailbocks"],
    "no such fault": ["rehearse", "--fault", "mbx1: PopDepTestMonitor, cured by reboot"],
    "an ended one": ["cancel", "{ended}", "--journal", "{journal}"],
    "a file that is there": ["snapshot", "-o", "{config}", "--config", "{config}"],
}


def once(function):
    """The function, with the same answer each time."""
    answers = []

    def kept(*args, **options):
        if not answers:
            answers.append(function(*args, **options))
        return answers[0]

    return kept


class _Died(BaseException):
    """The process dies: nobody handles this."""


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """What stands in braces in the tables: a journal with healings, files, and their paths."""
    folder = tmp_path_factory.mktemp("w")
    found = {name: folder / f"{name}.toml" for name in ("config", "wrong", "alone", "nothing")}
    exchange = '[exchange]\nservers = ["mbx1.contoso.com"]\n'
    found["config"].write_text(f'{exchange}[watch]\nservers = ["mbx1.contoso.com"]\n')
    found["nothing"].write_text(f'{exchange}[journal]\npath = "nothing.db"\n')
    Journal(folder / "nothing.db").close()
    found["wrong"].write_text(f"{exchange}[policy]\nreboots_per_dya = 1\n")
    found["alone"].write_text(
        'title = "Alone"\n[alert]\nserver = "MBX1"\nhealth_set = "POP"\n'
        '[organisation]\npreset = "standalone"\n'
    )
    journal = folder / "journal.db"

    def healed(name, clock=None, **options):
        scenario = load_scenario(name, clock)
        with Journal(journal) as opened:
            try:
                alert = Alert(server=scenario.server, monitor=scenario.monitor)
                popheal.heal(alert, scenario.backend, journal=opened, **options)
            except _Died:
                pass
            return opened.healings()[-1].id

    def die_in(state):
        def die(event):
            if event.state == state:
                raise _Died

        return die

    def die(request):
        plans.append(request.plan.hash)
        raise _Died

    plans = []
    asks = popheal.Policy(approval_from=Impact.DISRUPT)
    return {
        "folder": folder,
        "journal": journal,
        "ended": healed("fault-survives-the-reboot"),
        "interrupted": healed("server-never-comes-back", observers=[die_in("awaiting_server")]),
        # In real time, so that it can be answered now.
        "asked": healed(
            "mailbox-healed-by-reboot", SystemClock(speed=5000), policy=asks, approver=die
        ),
        "plan": plans[0],
        "copy": folder / "a-copy.db",
        "fresh": folder / "fresh.db",
        **found,
    }


@pytest.fixture
def shown(places, monkeypatch):
    """Runs a command at a width, on a new organisation each time."""

    class Backend:
        def __init__(self, settings):
            pass

        def __enter__(self):
            return load_scenario("mailbox-healed-by-reboot").backend

        def __exit__(self, *error):
            return None

    monkeypatch.setattr("popheal.backends.psrp.PsrpBackend", Backend)
    monkeypatch.delenv("POPHEAL_CONFIG", raising=False)
    # What takes long, and is shown only: once for all widths.
    for made in ("popheal.verify.verify_all", "popheal.tabletop.rehearse_every_fault"):
        monkeypatch.setattr(made, once(pkgutil.resolve_name(made)))

    def run(args, width):
        shutil.copy(places["journal"], places["copy"])
        places["fresh"].unlink(missing_ok=True)
        filled = [one.format_map(places) for one in args]
        result = CliRunner().invoke(command, filled, env={"COLUMNS": str(width)})
        assert "Traceback" not in result.output
        assert result.exit_code not in (70, 74)
        return result

    return run


def is_pasted(line):
    """Whether it is a command, on a line of its own."""
    return re.match(r" +(popheal |\(?[A-Z]\w+-[A-Z])|      --", line) is not None


def require_fitting(shown, width):
    """No line is too long, but for what can't be helped; and none ends with a space."""
    for line in shown.splitlines():
        words = re.findall(r"[A-Z]:\\(?:[^\\:]+\\)*\S+|\S+", line)  # a path is one
        longest = max(map(len, words), default=0)
        assert len(line) <= width or is_pasted(line) or longest > width - 2, line
        assert line == line.rstrip()


def words_of(shown):
    """The words, without what is another one each time: ids of new healings, and the time."""
    return re.sub(r"\b([0-9a-f]{12}|\d\d:\d\d:\d\d)\b", "...", shown).split()


@pytest.mark.parametrize("name", TOLD)
def test_every_answer_fits_and_breaks_no_word(shown, name):
    endless = shown(TOLD[name], ENDLESS)
    assert endless.exit_code != 2, endless.stderr
    for width in WIDTHS:
        result = shown(TOLD[name], width)
        assert words_of(result.output) == words_of(endless.output)
        require_fitting(result.output, width)


@pytest.mark.parametrize("name", MISTAKES)
def test_every_complaint_fits_and_breaks_no_word(shown, name):
    endless = shown(MISTAKES[name], ENDLESS)
    assert endless.stderr.count("\n") == 1
    assert endless.exit_code
    for width in WIDTHS:
        result = shown(MISTAKES[name], width)
        assert result.stderr.split() == endless.stderr.split()
        require_fitting(result.stderr, width)


def commands(group=command, before=()):
    """Every command, by the words that call it."""
    for name, one in group.commands.items():
        yield (*before, name)
        if hasattr(one, "commands"):
            yield from commands(one, (*before, name))


@pytest.mark.parametrize("words", [(), *commands()], ids=" ".join)
def test_every_help_fits_and_breaks_no_word(shown, words):
    endless = shown([*words, "--help"], ENDLESS)
    for width in WIDTHS:
        result = shown([*words, "--help"], width)
        assert result.stdout.split() == endless.stdout.split()
        require_fitting(result.stdout, width)


def test_no_command_is_left_out():
    """Each is in the table above, or is named as one that is not."""
    told = {args[0] for args in TOLD.values()}
    named = {words[0] for words in commands()} - {"runs"}
    assert named == told | DOCUMENTS | ELSEWHERE
