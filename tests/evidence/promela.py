"""A second opinion: the same system in Promela, for the model checker spin.

The table becomes one process, a label for each state; the world another. What breaks a property
is evaluated by code embedded in the steps, so that one run of the verifier tells all of them,
and which rows and endings it has reached. That a run ends is asked as a bound: a run takes no
more steps than there are states, unless it goes in circles.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from attrs import frozen

from popheal.errors import PophealError
from popheal.verify.model import Bad, Cond, Step, System
from popheal.verify.properties import PROPERTIES
from popheal.verify.slice import values_of

#: Properties that the second opinion is not asked for: they are open, or of the table alone, or
#: (P14) follow from what was reached.
NOT_ASKED = frozenset({one.id for one in PROPERTIES if one.open} | {"P14", "P15"})


class SpinFailed(PophealError):
    """spin, or the verifier that it makes, did not do its work."""

    next_step = "Install spin and a C compiler, or do without the second opinion."


@frozen(kw_only=True)
class Opinion:
    """What spin has found.

    Attributes:
        broken: Ids of the properties that do not hold.
        states: The control states (and endings) it has reached.
        rows: The rows it has taken, as (state, label).
        stored: How many situations it has stored.
    """

    broken: frozenset[str]
    states: frozenset[str]
    rows: frozenset[tuple[str, str]]
    stored: int


# --- writing -------------------------------------------------------------------------------------


def promela(system: System) -> str:
    """The system as a Promela model."""
    return "\n".join(_lines(system)) + "\n"


def _lines(system: System) -> Iterator[str]:
    table = system.table
    yield f"/* {table.name}, made from its table */"
    for one in system.variables:
        values = ", ".join(f"{at} {value}" for at, value in enumerate(one.values))
        yield f"byte v_{one.name}; /* {values} */"
    yield "byte steps;"
    yield "bool started, ended;"
    temporaries = max((len(step.notes) for step in system.steps), default=0)
    for at in range(temporaries):
        yield f"hidden byte n_{at};"
    yield "c_code {"
    yield f"  static char seen_row[{len(system.steps)}], seen_broken[{len(PROPERTIES)}];"
    yield "  static void row(int i)"
    yield '  { if (!seen_row[i]) { seen_row[i] = 1; printf("ROW %d\\n", i); } }'
    yield "  static void broken(int i)"
    yield '  { if (!seen_broken[i]) { seen_broken[i] = 1; printf("BROKEN %d\\n", i); } }'
    yield "}"
    yield ""
    yield from _run(system)
    yield ""
    yield from _world(system)


def _run(system: System) -> Iterator[str]:
    table = system.table
    yield "active proctype procedure() {"
    yield "  atomic {"
    for variable in system.variables:
        starts = [variable.values.index(value) for value in variable.initial]
        ways = " ".join(f":: v_{variable.name} = {value}" for value in starts)
        yield f"    if {ways} fi;"
    for cond in system.impossible:
        yield f"    !({_expression(system, cond)});"
    yield f"    started = true; goto s_{table.start}"
    yield "  }"
    for one in table.states:
        yield f"s_{one.name}:"
        yield "  if"
        for index, step in enumerate(system.steps):
            if step.state == one.name:
                yield from _step(system, index, step)
        yield "  fi;"
    yield "finished:"
    yield "  ended = true"
    yield "}"


def _step(system: System, index: int, step: Step) -> Iterator[str]:
    """One step: what breaks a property is looked at first, then all changes at once."""
    yield f"  :: atomic {{ {_expression(system, step.when)} ->"
    yield f"       c_code {{ row({index}); }};"
    for bad in step.bad:
        yield from _if_broken(system, bad)
    for at, note in enumerate(step.notes):
        yield f"       n_{at} = ({_expression(system, note.when)} -> 1 : 0);"
    for name, value in step.then.items():
        yield f"       v_{name} = {_number(system, name, value)};"
    for at, note in enumerate(step.notes):
        for name, value in note.then.items():
            number = _number(system, name, value)
            yield f"       v_{name} = (n_{at} -> {number} : v_{name});"
    for bad in step.ends_bad:
        yield from _if_broken(system, bad)
    yield "       steps++;"
    circle = f"c_code {{ broken({_place('P13')}); }}; ended = true; goto finished"
    yield f"       if :: steps > {len(system.table.states)} -> {circle} :: else -> skip fi;"
    goes_on = any(one.name == step.target for one in system.table.states)
    yield f"       goto {f's_{step.target}' if goes_on else 'finished'} }}"


def _if_broken(system: System, bad: Bad) -> Iterator[str]:
    place = _place(bad.property)
    condition = _expression(system, bad.when)
    yield f"       if :: {condition} -> c_code {{ broken({place}); }}; skip :: else -> skip fi;"


def _world(system: System) -> Iterator[str]:
    yield "active proctype world() {"
    yield "end:"
    yield "  do"
    for event in system.events:
        changes = "; ".join(
            f"v_{name} = {_number(system, name, value)}" for name, value in event.then.items()
        )
        yield f"  /* {event.name} */"
        yield f"  :: atomic {{ started && !ended && {_expression(system, event.when)} ->"
        yield f"       {changes} }}"
    yield "  :: false"
    yield "  od"
    yield "}"


def _expression(system: System, cond: Cond) -> str:
    parts = []
    for name in cond:
        numbers = [_number(system, name, value) for value in values_of(cond, name)]
        either = " || ".join(f"v_{name} == {number}" for number in numbers)
        parts.append(f"({either})")
    return " && ".join(parts) or "true"


def _number(system: System, name: str, value: str) -> int:
    return next(one for one in system.variables if one.name == name).values.index(value)


def _place(property_id: str) -> int:
    return next(at for at, one in enumerate(PROPERTIES) if one.id == property_id)


# --- asking --------------------------------------------------------------------------------------


def ask_spin(system: System) -> Opinion:
    """Have spin explore the system.

    Raises:
        SpinFailed: If spin, the compiler or the verifier is missing or fails.
    """
    with tempfile.TemporaryDirectory(prefix="popheal-spin-") as folder:
        model = Path(folder) / "model.pml"
        model.write_text(promela(system), encoding="utf-8")
        _call(folder, "spin", "-a", "model.pml")
        _call(
            folder, "gcc", "-O0", "-w", "-DSAFETY", "-DNOREDUCE", "-DVECTORSZ=2048", "-o", "pan",
            "pan.c",
        )  # fmt: skip
        said = _call(folder, "./pan", "-m1000000", "-w22", "-E")
    steps = system.steps
    taken = [steps[int(at)] for at in re.findall(r"^ROW (\d+)$", said, re.MULTILINE)]
    if "search depth too small" in said or not taken:
        raise SpinFailed(f"the verifier did not explore everything: {said[-500:]}")
    stored = re.search(r"(\d+) states, stored", said)
    return Opinion(
        broken=frozenset(
            PROPERTIES[int(at)].id for at in re.findall(r"^BROKEN (\d+)$", said, re.MULTILINE)
        ),
        states=frozenset({system.table.start, *(one.target for one in taken if one.target)}),
        rows=frozenset((one.state, one.label) for one in taken),
        stored=int(stored[1]) if stored else 0,
    )


def _call(folder: str, *command: str) -> str:
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, check=False, timeout=300
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SpinFailed(f"'{command[0]}' could not be run: {error}") from error
    if done.returncode != 0:
        raise SpinFailed(f"'{command[0]}' failed: {(done.stderr or done.stdout)[-500:]}")
    return done.stdout
