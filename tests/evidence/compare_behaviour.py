"""Whether two versions of popheal behave alike, by what their command lines answer.

    python tests/evidence/compare_behaviour.py OLD_PYTHON NEW_PYTHON [--jobs 2] [--allow REGEX]

Each is the interpreter of an environment with one version; or, for a tree that is not installed,
a script: #!/bin/sh, and PYTHONPATH=/the/tree exec /an/environment/bin/python "$@"

With both, every shipped scenario is rehearsed, some policies and some random organisations; the
journal of each rehearsal is exported, listed, shown and checked. It is one in memory: so that it
can be read, SQLite is told to keep it in a file. Besides: the proof, the tables, the diagrams,
the status of each --help, and what triage and plan see of some scenarios over a lab.

What differs from run to run is masked. Each line that only one of them has is printed, an old one
with -, a new one with +. Exits with 1 if there is one that no --allow matches.
"""

from __future__ import annotations

import argparse
import difflib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

#: Carries out several command lines in one process, each as python -m popheal would.
LAUNCHER = """
import contextlib, io, json, runpy, sqlite3, sys
connect, answers = sqlite3.connect, []
def to_file(where, *args, **named):
    return connect("journal.db" if ":memory:" in str(where) else where, *args, **named)
sqlite3.connect = to_file
for command in json.loads(sys.argv[1]):
    run = json.loads(answers[0][1])["id"] if "RUN" in command else ""
    sys.argv, status = ["popheal", *(run if word == "RUN" else word for word in command)], 0
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            runpy.run_module("popheal", run_name="__main__", alter_sys=True)
        except SystemExit as ended:
            status = ended.code or 0
    answers.append((status, out.getvalue(), err.getvalue()))
print(json.dumps(answers))
"""
#: Asks one version, in a folder that may be filled.
Compared = Callable[[str, Path], list[str]]
#: Each on the journal of the rehearsal before; RUN is the healing in it.
AFTERWARDS = ("export", "runs --json", "show RUN", "check-journal --json", "check-journal")
ALONE = ("verify --json", "rehearse --list --json", "rehearse", "diagram --all --output diagrams")
POLICIES = ('highest_impact = "change"', 'approval_from = "disrupt"', "restarts_per_hour = 0")
LAB = {"mailbox-healed-by-reboot": "mbx1", "client-access-back-end-rebooted": "cas1"}
#: Keys whose values differ from run to run, or with the version or an entry more.
VOLATILE = {"exported_at", "popheal", "version", "seconds", "seq"}
MASKS = {
    r"\b[0-9a-f]{12}\b": "ID",
    r"process \d+ on [\w.-]+": "PROCESS",
    # Over a lab time is real, and a plan's hash names the moment of the last boot.
    r"\b20(?!26-01)\d\d-\d\d-\d\d[T ][\d:.]+(\+00:00)?": "TIME",
    r'(\[lab\].*hash = )"\w+"': r"\1HASH",
}
#: Without what leads to another popheal, or tells it something.
ENVIRONMENT = {
    name: value
    for name, value in os.environ.items()
    if name != "PYTHONPATH" and not name.startswith("POPHEAL_")
} | {"POPHEAL_LAB_PASSWORD": "rehearsal", "COLUMNS": "100", "PYTHONHASHSEED": "0"}


def answers(python: str, folder: Path, *commands: str, about: str = "") -> list[str]:
    """What one version answers to commands, carried out in that folder by one process."""
    asked = [python, "-c", LAUNCHER, json.dumps([one.split() for one in commands])]
    told = subprocess.check_output(asked, cwd=folder, env=ENVIRONMENT, timeout=600)
    lines = []
    for command, (status, out, err) in zip(commands, json.loads(told), strict=True):
        name = about + command.split()[0]
        lines += [f"{name}: {line}" for line in (f"exit status {status}", *lines_of(out))]
        lines += [f"{name}: on stderr: {line}" for line in err.splitlines()]
    for pattern, word in MASKS.items():
        lines = [re.sub(pattern, word, line) for line in lines]
    return lines


def lines_of(text: str) -> Iterator[str]:
    """An answer line by line; of JSON, a line for each value, whatever the order of its keys."""
    if text.startswith("{\n"):
        yield from values_of(json.loads(text))
    elif text.startswith("{"):  # an export
        for line in map(json.loads, text.splitlines()):
            about = [str(line[name]) for name in ("type", "kind", "what") if line.get(name)]
            yield from values_of(line, " ".join(about))
    else:
        yield from text.splitlines()


def values_of(value: Any, way: str = "") -> Iterator[str]:
    """Each value within a value, with the way to it."""
    if isinstance(value, dict) and value:
        for name in sorted(value.keys() - VOLATILE):
            yield from values_of(value[name], f"{way}.{name}")
    elif isinstance(value, list) and value:
        for number, one in enumerate(value):
            yield from values_of(one, f"{way}[{number}]")
    else:
        yield f"{way} = {json.dumps(value)}"


def rehearsed(options: str, policy: str, python: str, folder: Path) -> list[str]:
    """A rehearsal, and what its journal says."""
    (folder / "policy.toml").write_text(f"[policy]\n{policy}\n", encoding="utf-8")
    after = [f"{one} --journal journal.db" for one in AFTERWARDS]
    told = answers(python, folder, f"rehearse {options} --json --config policy.toml", *after)
    if (folder / "journal.db").is_file():
        return told
    raise RuntimeError(f"{python} does not keep the journal of a rehearsal in SQLite's memory")


def looked_at(scenario: str, python: str, folder: Path) -> list[str]:
    """What is seen and planned of a scenario, over a lab."""
    command = [python, "-m", "popheal", "lab", scenario, "--speed", "300", "--config-out", "lab"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=folder, env=ENVIRONMENT, stderr=pipe, text=True) as lab:
        try:
            if not any("Ctrl-C" in line for line in lab.stderr or ()):
                raise RuntimeError(f"{' '.join(command)} serves nothing")
            looks = [f"{one} {LAB[scenario]} --json --config lab" for one in ("triage", "plan")]
            return answers(python, folder, *looks, about="[lab] ")
        finally:
            lab.terminate()


def alone(commands: list[str], python: str, folder: Path) -> list[str]:
    """What needs no scenario: answers, drawings, and with what each --help ends."""
    told = answers(python, folder, *ALONE)
    for path in sorted((folder / "diagrams").glob("*.[md]*")):  # mmd, dot and md
        told += [f"{path.name}: {line}" for line in path.read_text("utf-8").splitlines()]
    helped = answers(python, folder, *(f"{one} --help" for one in commands))
    return told + [line for line in helped if ": exit status " in line]


def everything(python: str, seeds: int) -> dict[str, Compared]:
    """All that is compared, by name; what there is, the old version lists."""
    with tempfile.TemporaryDirectory() as folder:
        told = "\n".join(answers(python, Path(folder), "rehearse --list --json", "--help"))
    scenarios = re.findall(r'scenarios\[\d+\]\.name = "(.+)"', told)
    commands = re.findall(r"^--help:   ([a-z-]+)  ", told, re.MULTILINE)
    wanted: dict[str, Compared] = {"alone": partial(alone, commands)}
    wanted |= {f"lab {one}": partial(looked_at, one) for one in LAB}
    wanted |= {one: partial(rehearsed, one, "") for one in scenarios}
    wanted |= {f"policy {one}": partial(rehearsed, "", one) for one in POLICIES}
    wanted |= {f"seed {n}": partial(rehearsed, f"--seed {n}", "") for n in range(seeds)}
    print(f"{len(scenarios)} scenarios, {len(commands)} commands, {len(wanted)} comparisons")
    return wanted


def with_both(compare: Compared, *pythons: str) -> list[str]:
    """The lines that only one of the two has."""
    told = []
    for python in pythons:
        with tempfile.TemporaryDirectory() as folder:
            told.append(compare(python, Path(folder)))
    found = list(difflib.unified_diff(told[0], told[1], n=0, lineterm=""))
    return [line for line in found[2:] if not line.startswith("@@")]


def main() -> int:
    """The command line; 1 if anything differs that may not."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for version in ("old", "new"):
        parser.add_argument(version, help=f"the interpreter that has the {version} version")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seeds", type=int, default=20, help="random organisations (default 20)")
    parser.add_argument("--allow", action="append", default=[], metavar="REGEX", help="on a line")
    asked = parser.parse_args()
    started, shown, allowed = time.perf_counter(), 0, 0
    wanted = everything(asked.old, asked.seeds)
    with ThreadPoolExecutor(asked.jobs) as pool:
        found = pool.map(lambda one: with_both(one, asked.old, asked.new), wanted.values())
        for name, lines in zip(wanted, found, strict=True):
            for line in (f"{one[0]} {name}: {one[1:]}" for one in lines):
                if any(re.search(pattern, line) for pattern in asked.allow):
                    allowed += 1
                    continue
                shown += 1
                print(line, flush=True)
    said = f"{shown} lines differ" if shown else "nothing differs"
    print(f"{said}, {allowed} allowed ({time.perf_counter() - started:.0f} s)")
    return bool(shown)


if __name__ == "__main__":
    sys.exit(main())
