"""Pictures: each shows the whole table, always in the same way, and the committed ones are true."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from itertools import combinations

import pytest

from popheal import diagrams
from popheal.diagrams import dot, folded, graph_of, overview, render, write_all
from popheal.diagrams.graph import ANYWHERE, ids
from popheal.errors import PophealError, UnknownName
from popheal.healthsets.pop import PROCEDURES
from popheal.tables import actions
from popheal.tables.citations import Ours
from popheal.tables.table import CANCEL, Guard, Procedure, Verdict, on, otherwise, state
from tests.support.paths import ROOT
from tests.support.programs import needs_program

COMMITTED = ROOT / "diagrams"
SVG = "{http://www.w3.org/2000/svg}"
SCXML = "{http://www.w3.org/2005/07/scxml}"
NAMES = sorted(PROCEDURES)

needs_dot = needs_program("dot")


def rows_of(procedure):
    """Every row as (source, target, label); a cancel comes from any state."""
    return {
        *((one.name, row.target, row.label) for one in procedure.states for row in one.transitions),
        *((ANYWHERE, row.target, row.label) for row in procedure.on_cancel),
    }


def nodes_of(procedure):
    return {*procedure.by_name, *procedure.endings}


# --- reading what was drawn ----------------------------------------------------------------------


def read_mermaid(text):
    """Nodes and (source, target, label) of a flowchart."""
    nodes = set(re.findall(r'^(\w+)(?:\(\[|\[\[|\{\{|\(|\[)"', text, re.MULTILINE))
    edges = {
        (ANYWHERE if source == "anywhere" else source, target, label)
        for source, labels, target in re.findall(
            r'^(\w+) (?:==>|-\.->)\|"([^"]+)"\| (\w+)$', text, re.MULTILINE
        )
        for label in labels.split("<br/>")
    }
    return nodes, edges


def read_dot(text):
    nodes = set(re.findall(r'^  "([^"]+)" \[label=<', text, re.MULTILINE))
    edges = {
        (source, target, label.strip())
        for source, target, labels in re.findall(
            r'^  "([^"]+)" -> "([^"]+)" \[label="([^"]+)"', text, re.MULTILINE
        )
        for label in labels.split("\\l")
        if label
    }
    return nodes, edges


def read_svg(text):
    """Titles of nodes, and (source, target, label); texts keep their order in each group."""
    nodes, edges = set(), set()
    for group in ET.fromstring(text).iter(f"{SVG}g"):
        title = group.findtext(f"{SVG}title") or ""
        texts = [one.text.strip() for one in group.iter(f"{SVG}text") if one.text]
        if group.get("class") == "node":
            nodes.add(title)
        elif group.get("class") == "edge":
            source, target = title.split("->")
            edges |= {(source, target, label) for label in texts if label}
    return nodes, edges


def read_table(text):
    """Rows of the first table with six columns, and of the one about stopping."""
    cells = [
        [cell.strip(" `") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        for line in text.splitlines()
        if line.startswith("| `")
    ]
    return {
        *((row[0], row[4], row[3]) for row in cells if len(row) == 6),
        *((ANYWHERE, row[1], row[0]) for row in cells if len(row) == 3),
    }, {row[0] for row in cells if len(row) == 2}


def read_scxml(text):
    root = ET.fromstring(text)
    rows = set()
    for one in root.iter(f"{SCXML}state"):
        for row in one.findall(f"{SCXML}transition"):
            cond = row.get("cond", "")
            name, _, value = cond.partition(" == ")
            guard = f" [{'' if value == '1' else 'not '}{name}]" if cond else ""
            source = ANYWHERE if one.get("id") == "working" else one.get("id")
            rows.add((source, row.get("target"), row.get("event") + guard))
    states = {one.get("id") for one in root.iter(f"{SCXML}state")} - {"working"}
    return states, {one.get("id") for one in root.iter(f"{SCXML}final")}, rows


# --- the whole table is there --------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_mermaid_shows_everything(name):
    """Each state, ending and row of the table is in the flowchart, and nothing else."""
    nodes, edges = read_mermaid(render(PROCEDURES[name], "mermaid"))
    assert nodes_of(PROCEDURES[name]) == nodes
    assert rows_of(PROCEDURES[name]) == edges


@pytest.mark.parametrize("name", NAMES)
def test_dot_shows_everything(name):
    """Likewise in Graphviz's language."""
    nodes, edges = read_dot(render(PROCEDURES[name], "dot"))
    assert nodes_of(PROCEDURES[name]) == nodes
    assert rows_of(PROCEDURES[name]) == edges


@needs_dot
@pytest.mark.parametrize("name", NAMES)
def test_the_full_svg_shows_everything(name):
    """Likewise in Graphviz's SVG, which is well-formed and fetches nothing from elsewhere."""
    text = render(PROCEDURES[name], "full-svg")
    nodes, edges = read_svg(text)
    assert nodes_of(PROCEDURES[name]) | {ANYWHERE, "(start)"} == nodes
    assert rows_of(PROCEDURES[name]) == edges
    addresses = set(re.findall(r'="(\w+://[^"]+)"', text))
    assert addresses == {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    assert "Generated by" not in text


@pytest.mark.parametrize("name", NAMES)
def test_the_table_shows_everything(name):
    """Each row of the table, each ending and what a stop does is in the Markdown table."""
    rows, endings = read_table(render(PROCEDURES[name], "table"))
    assert rows_of(PROCEDURES[name]) == rows
    assert set(PROCEDURES[name].endings) == endings


@pytest.mark.parametrize("name", NAMES)
def test_scxml_shows_everything(name):
    """The SCXML document has the same states, final states and transitions; guards are cond."""
    states, finals, rows = read_scxml(render(PROCEDURES[name], "scxml"))
    assert set(PROCEDURES[name].by_name) == states
    assert set(PROCEDURES[name].endings) == finals
    assert rows_of(PROCEDURES[name]) == rows


def test_guards_of_scxml_are_comparisons_that_every_reader_knows():
    """Each datum is a number at the start, and each condition compares one with a number."""
    root = ET.fromstring(render(PROCEDURES["client_access"], "scxml"))
    data = {one.get("id"): one.get("expr") for one in root.iter(f"{SCXML}data")}
    assert set(data.values()) == {"0"}
    conditions = [one.get("cond") for one in root.iter(f"{SCXML}transition") if one.get("cond")]
    assert conditions
    for one in conditions:
        assert re.fullmatch(r"(\w+) == [01]", one)[1] in data


@pytest.mark.parametrize("name", NAMES)
def test_xstate_moves_as_the_table_does(name):
    """As XState reads it: of an event's rows the first whose guard holds, the state's own first."""
    procedure = PROCEDURES[name]
    machine = json.loads(render(procedure, "xstate"))
    assert machine["meta"]["popheal"] == {"format": 1, "hash": procedure.hash}
    assert machine["initial"] == procedure.start
    finals = {one for one, state in machine["states"].items() if state.get("type") == "final"}
    assert finals == set(procedure.endings)
    assert set(machine["states"]) == nodes_of(procedure)
    moves = 0
    for count in range(len(Guard) + 1):
        for facts in combinations(Guard, count):
            held = {one.value for one in facts}
            for place in procedure.by_name:
                events = {**machine["on"], **machine["states"][place]["on"]}
                assert set(events) == {*procedure.expected(place), CANCEL}
                for event, rows in events.items():
                    row = next(one for one in rows if one.get("guard") in (None, *held))
                    expected = procedure.next(place, event, frozenset(facts))
                    assert row["target"].removeprefix(".") == expected.target
                    moves += 1
    assert moves >= 16 * len(procedure.states)
    assert set(machine["context"]) == {
        row["guard"]
        for state in (machine, *machine["states"].values())
        for rows in state.get("on", {}).values()
        for row in rows
        if "guard" in row
    }


@pytest.mark.parametrize("name", NAMES)
def test_every_citation_is_told(name):
    """The runbook step of each state and row is in the table, and each action's on its node."""
    procedure = PROCEDURES[name]
    table, picture = render(procedure, "table"), render(procedure, "dot")
    for one in procedure.states:
        assert str(one.cites) in table
        assert one.action.impact.value.upper() in picture
        for row in one.transitions:
            assert str(row.why) in table
    for node in graph_of(procedure).nodes:
        assert node.cites in picture
        assert node.why.split("\n", maxsplit=1)[0] in picture


# --- readable ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_one_edge_between_two_nodes(name):
    """Rows with the same ends are one edge."""
    ends = [(edge.source, edge.target) for edge in graph_of(PROCEDURES[name]).edges]
    assert sorted(set(ends)) == sorted(ends)


@pytest.mark.parametrize("name", NAMES)
def test_the_way_to_a_recovery_stands_out(name):
    """Edges are light exactly where nothing but an escalation can follow."""
    for edge in graph_of(PROCEDURES[name]).edges:
        assert edge.light is (edge.target == "escalated" or edge.target.endswith("_unhealed"))


SAFE_REBOOT_CITES = {
    "mailbox": "Deep/SelfTest 3, 4, 5, 6",
    "client_access": "CTP 4, 5",
    "proxy": "ProxyTest 3, 4",
    "command_time": "CommandTime 3.1, 3.2, 4",
}


@pytest.mark.parametrize("name", [name for name in NAMES if name != "pop_proxy"])
def test_overview_folds_the_safe_reboot(name):
    """Its five states are one node, which is entered and left like them."""
    graph = folded(PROCEDURES[name])
    (reboot,) = [node for node in graph.nodes if node.name == "safe reboot"]
    assert len(reboot.members) == 5
    assert reboot.impact is actions.Impact.DISRUPT
    assert reboot.cites == SAFE_REBOOT_CITES[name]
    assert len(graph.nodes) < len(graph_of(PROCEDURES[name]).nodes)
    shown = {node.name for node in graph.nodes}
    hidden = {member for node in graph.nodes for member in node.members}
    assert nodes_of(PROCEDURES[name]) <= shown | hidden
    assert not any("mailbox_role" in edge.text for edge in graph.edges)


def test_overview_tells_equal_folds_apart():
    """Back ends are looked for on two ways, and logging is set back on three: a node each."""
    names = [node.name for node in folded(PROCEDURES["client_access"]).nodes if node.members]
    assert names == [
        "back ends",
        "back ends (hung)",
        "safe reboot",
        "logging back",
        "logging back (unhealed)",
        "logging back (cancelled)",
    ]


def test_overview_of_a_table_is_unknown():
    """A table always shows everything."""
    assert "safe reboot" in overview(PROCEDURES["proxy"])
    with pytest.raises(UnknownName, match="format of an overview 'table'"):
        overview(PROCEDURES["proxy"], "table")


# --- other tables --------------------------------------------------------------------------------

ODD = Procedure(
    name='an "odd" one',
    start="end",
    states=(
        state(
            "end",
            actions.restart_service(actions.BACK_END),
            Ours("a | b"),
            on("done", "a-b", Ours('say "yes"'), given=Guard.LOGGING),
            on("done", "finished", Ours("no"), unless=Guard.LOGGING),
            otherwise("finished", Ours("no")),
        ),
        state(
            "a-b",
            actions.Action(name="nap", impact=actions.Impact.LOOK, outcomes=("over",)),
            Ours("D7: tired"),
            otherwise("finished", Ours("no")),
        ),
    ),
    endings={"finished": Verdict.HELD},
    on_cancel=(on(CANCEL, "finished", Ours("no")),),
)


def test_names_that_a_format_reserves():
    """A user's table may use words and signs that mean something to a format."""
    assert ids(["end", "a-b", "plain"], ["END"]) == {"end": "n0_", "a-b": "n1_", "plain": "plain"}
    mermaid = render(ODD, "mermaid")
    assert 'n1_("<b>a-b</b><br/>nap<br/><i>LOOK · ours, D7</i>")' in mermaid
    assert 'finished(["finished<br/>verdict: held"]):::ended' in mermaid
    assert 'accTitle: an "odd" one' in mermaid
    assert "linkStyle 4 " in mermaid  # only the cancel: nothing here escalates
    scxml = ET.fromstring(render(ODD, "scxml"))
    assert scxml.get("name") == 'an "odd" one'
    assert "ours: a \\| b" in render(ODD, "table")
    assert "not in the runbook" in render(ODD, "table")


@needs_dot
def test_names_that_must_be_quoted_are_drawn():
    """Likewise in SVG."""
    nodes, _ = read_svg(render(ODD, "full-svg"))
    assert {"end", "a-b", "finished"} < nodes


# --- formats and programs ------------------------------------------------------------------------


def test_unknown_format():
    """It is named, with those that are known."""
    with pytest.raises(
        UnknownName,
        match=r"no format 'gif'.*svg, mermaid, dot, full-svg, png, table, scxml, xstate, html",
    ):
        render(ODD, "gif")


@needs_dot
def test_png():
    """PNG comes as bytes."""
    assert render(ODD, "png").startswith(b"\x89PNG")
    assert overview(ODD, "png").startswith(b"\x89PNG")


def test_without_graphviz(monkeypatch):
    """The error says what to install, and what goes without."""
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(
        diagrams.GraphvizMissing, match=r"Install Graphviz.*'svg', 'dot' or 'mermaid'"
    ):
        render(ODD, "full-svg")
    assert render(ODD, "svg").startswith("<svg")


def test_graphviz_that_fails(monkeypatch, tmp_path):
    """What it wrote is in the error."""
    program = tmp_path / "dot"
    program.write_text(f"#!{sys.executable}\nimport sys\nsys.exit('no such thing')\n")
    program.chmod(0o755)
    monkeypatch.setattr(shutil, "which", lambda _: str(program))
    with pytest.raises(diagrams.DrawingFailed, match="failed: no such thing") as caught:
        render(ODD, "full-svg")
    assert isinstance(caught.value, PophealError)


def test_graphviz_that_hangs(monkeypatch):
    """It is given up after a while."""

    def hangs(*args, timeout, **kwargs):
        raise subprocess.TimeoutExpired(args, timeout)

    monkeypatch.setattr(shutil, "which", lambda _: "dot")
    monkeypatch.setattr(dot.subprocess, "run", hangs)
    with pytest.raises(diagrams.DrawingFailed, match="no answer within 60 seconds"):
        render(ODD, "full-svg")


# --- files ---------------------------------------------------------------------------------------

DRAW_TWICE = "import sys; from popheal.diagrams import write_all; write_all(sys.argv[1])"


@pytest.mark.slow
@needs_dot
def test_files_do_not_depend_on_the_process(tmp_path):
    """Two processes with different hash seeds write the same bytes."""
    for seed in ("1", "2"):
        subprocess.run(
            [sys.executable, "-c", DRAW_TWICE, str(tmp_path / seed)],
            env={"PYTHONHASHSEED": seed, "PATH": os.environ["PATH"]},
            check=True,
        )
    files = sorted(path.name for path in (tmp_path / "1").iterdir())
    assert [f"{name}.md" for name in NAMES] == [file for file in files if file.endswith(".md")]
    for file in files:
        assert (tmp_path / "1" / file).read_bytes() == (tmp_path / "2" / file).read_bytes()


@needs_dot
def test_committed_files_are_up_to_date(tmp_path):
    """``popheal diagram --all --output diagrams`` would change nothing.

    Graphviz's SVG is compared by structure, since its versions place things differently.
    """
    written = write_all(tmp_path / "made" / "here")
    assert sorted(path.name for path in COMMITTED.iterdir()) == [path.name for path in written]
    for path in written:
        new, old = (one.read_text(encoding="utf-8") for one in (path, COMMITTED / path.name))
        if path.name.endswith("-full.svg"):
            assert read_svg(old) == read_svg(new), path.name
            assert texts(old) == texts(new), path.name
        else:
            assert old == new, path.name


def texts(svg):
    """Every text and tooltip of an SVG, sorted."""
    tip = "{http://www.w3.org/1999/xlink}title"
    root = ET.fromstring(svg)
    found = [one.text for one in root.iter(f"{SVG}text")] + [one.get(tip) for one in root.iter()]
    return sorted(html.unescape(one) for one in found if one)
