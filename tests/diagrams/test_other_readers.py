"""What other programs make of the exports: each accepts all of them, and moves as the table does.

Mermaid's own parser, which needs a browser, is in ``tests/evidence/test_browser.py``.
"""

from __future__ import annotations

import json
import subprocess

import pytest

from popheal.diagrams import graph_of, overview, render
from popheal.diagrams.graph import folded, ids
from popheal.diagrams.scxml import WORKING
from popheal.tables.table import Guard
from tests.support.node import answer_of, needs_packages
from tests.support.programs import needs_program
from tests.support.walks import TABLES, moves_of, walk

#: How many moves the tables allow; who changes a table counts them anew.
MOVES = {
    "mailbox": 59,
    "client_access": 1104,
    "proxy": 228,
    "command_time": 200,
    "pop_proxy": 84,
    "settling": 40,
    "odd": 14,
}


@pytest.mark.parametrize("name", TABLES)
def test_moves_are_counted(name):
    """So that none of the tests below looks at nothing."""
    assert len(list(moves_of(name))) == MOVES[name]


# --- python-statemachine -------------------------------------------------------------------------


@pytest.mark.parametrize("name", TABLES)
def test_python_statemachine_reads_scxml(name):
    """Its statechart of the document is, after each move, where the table says."""
    io = pytest.importorskip(
        "statemachine.io", reason="needs python-statemachine, of the extra dev"
    )
    table = TABLES[name]
    chart = io.load(render(table, "scxml"), format="scxml")
    known = ids([*table.by_name, *table.endings], (WORKING,))
    machine = chart()
    assert list(machine.configuration_values) == [WORKING, known[table.start]]
    moved = 0
    for move in moves_of(name):
        if machine.is_terminated:
            machine = chart()
        for guard in Guard:
            setattr(machine.model, guard.value, int(guard in move.held))
        machine.model.state = type(machine.model.state)([WORKING, known[move.state]])
        machine.send(move.outcome)
        (at,) = set(machine.configuration_values) - {WORKING}
        assert at == known[move.target], move
        moved += 1
    assert moved == MOVES[name]


# --- XState --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def in_xstate():
    """Where its machines start and move: those of JSON, and of SCXML by its own import."""
    return answer_of(
        "machines.cjs",
        {
            "xstate": {name: render(table, "xstate") for name, table in TABLES.items()},
            "scxml": {name: render(table, "scxml") for name, table in TABLES.items()},
            "names": {
                name: ids([*table.by_name, *table.endings], (WORKING,))
                for name, table in TABLES.items()
            },
            "moves": [move.asked for name in TABLES for move in moves_of(name)],
        },
    )


@needs_packages()
@pytest.mark.parametrize("reader", ["xstate", "scxml"])
def test_xstate_moves_as_the_tables_do(in_xstate, reader):
    """``createMachine`` (version 5) with the JSON, and version 4's import of SCXML."""
    found = in_xstate[reader]
    assert found["starts"] == {name: table.start for name, table in TABLES.items()}
    moves = [move for name in TABLES for move in moves_of(name)]
    assert len(found["targets"]) == sum(MOVES.values())
    for move, target in zip(moves, found["targets"], strict=True):
        assert target == move.target, move


# --- Graphviz ------------------------------------------------------------------------------------


def read_by_graphviz(text):
    """Nodes and (source, target, label), as ``dot`` has understood them."""
    done = subprocess.run(
        ["dot", "-Tdot_json"], input=text, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stderr == ""
    found = json.loads(done.stdout)
    names = [one["name"] for one in found["objects"]]
    edges = {
        (names[one["tail"]], names[one["head"]], label)
        for one in found["edges"]
        for label in map(str.strip, one.get("label", "").split(r"\l"))
        if label
    }
    return set(names), edges


@needs_program("dot")
@pytest.mark.parametrize("name", TABLES)
def test_graphviz_reads_dot(name):
    """The arrows that it has read lead, for each move, to one place: the table's."""
    names, edges = read_by_graphviz(render(TABLES[name], "dot"))
    assert {node.name for node in graph_of(TABLES[name]).nodes} < names
    moves = list(moves_of(name))
    assert [walk(edges, move) for move in moves] == [[move.target] for move in moves]
    assert len(moves) == MOVES[name]


@needs_program("dot")
@pytest.mark.parametrize("name", TABLES)
def test_graphviz_reads_overviews(name):
    """Likewise with fragments folded: every node and edge is there."""
    graph = folded(TABLES[name])
    names, edges = read_by_graphviz(overview(TABLES[name], "dot"))
    assert {node.name for node in graph.nodes} < names
    assert {(one.source, one.target) for one in (*graph.edges, *graph.cancels)} == {
        ends[:2] for ends in edges
    }
