"""The package as a whole: what importing it brings in, and what it promises to the outside."""

from __future__ import annotations

import json
import pickle
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import popheal
from popheal import errors
from tests.support.paths import ROOT


def modules_after(statement):
    """The modules that a fresh interpreter has after a statement."""
    code = f"import sys, json; {statement}; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60
    )
    return set(json.loads(done.stdout))


def test_importing_brings_no_extras():
    """Neither the remoting client, nor a database, nor the command line's libraries."""
    loaded = modules_after("import popheal")
    extras = {"pypsrp", "psrpcore", "click", "requests", "keyring", "temporalio"}
    assert not loaded & {"sqlite3", "cattrs", *extras}
    assert "poplib" not in loaded, "only who wants a second opinion needs it"
    # structlog uses rich where it is installed; popheal itself must not.
    from_structlog = modules_after("import attrs, transitions, structlog")
    assert {name for name in loaded - from_structlog if name.split(".")[0] == "rich"} == set()


def test_healing_brings_no_extras():
    """A recovery in the simulated organisation needs none of them either."""
    loaded = modules_after(
        "import popheal; from popheal.backends.simulated import load_scenario; "
        "s = load_scenario('mailbox-healed-by-reboot'); "
        "popheal.heal(popheal.Alert(server=s.server), s.backend)"
    )
    assert not loaded & {"pypsrp", "psrpcore", "click", "apprise"}
    assert not loaded & {"prometheus_client", "opentelemetry"}


def test_the_public_names():
    """Sorted, all there, all documented."""
    assert popheal.__all__ == sorted(popheal.__all__)
    assert len(popheal.__all__) <= 20, "what fewer need is imported from its module"
    assert all(getattr(popheal, name).__doc__ for name in popheal.__all__)


#: The rooms of the house, from the ground up; CONTRIBUTING.md says what each is for.
ROOMS = {
    "errors",
    "util",
    "exchange",
    "tables",
    "healthsets",
    "policy",
    "reports",
    "backends",
    "second_opinion",
    "diagrams",
    "verify",
    "journal",
    "engine",
    "audit",
    "readiness",
    "review",
    "snapshot",
    "api",
    "testing",
    "temporal",
    "watch",
    "serve",
    "gateway",
    "tabletop",
    "config",
    "notify",
    "observers",
    "lab",
    "cli",
}


def test_the_house_has_no_other_rooms():
    """Who adds a module at the top level finds its floor first: here, and in the contracts."""
    found = {
        path.stem
        for path in (ROOT / "popheal").iterdir()
        if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert found - {"__init__", "__main__"} == ROOMS
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]
    floors = contracts["contracts"][0]
    assert floors["exhaustive"]
    listed = {room for floor in floors["layers"] for room in floor.split(" | ")}
    assert listed == ROOMS | {"__main__"}


def test_the_package_is_typed():
    """The marker is shipped."""
    assert (Path(popheal.__file__).parent / "py.typed").exists()


ERRORS = [
    errors.DefinitionError(procedure="p", state="s", law="broken"),
    errors.IllegalOutcome(procedure="p", current="s", outcome="o", expected=["a", "b"]),
    errors.UnknownName(kind="server", name="x", known=["y"]),
    errors.ConfigurationError(source="file.toml", problem="[a] b: not a number"),
    errors.ApprovalNotPending(journal="j.db", run="1", plan="2", problem="it asks for none"),
    errors.FleetSilent(where="Temporal", problem="gives no answer", next_step="Start it."),
    *(
        kind(server="mbx1", command="Get-Thing", cause="it said no")
        for kind in (
            errors.Unreachable,
            errors.NotAuthorised,
            errors.CommandFailed,
            errors.OutcomeUnknown,
            errors.Unreadable,
        )
    ),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_every_error_has_a_sentence_a_next_step_and_survives_pickling(error):
    """For operators, and for programs that send errors between processes."""
    assert isinstance(error, errors.PophealError)
    assert error.next_step
    assert str(error) == f"{error.sentence().rstrip('.')}. {error.next_step}"
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))


def test_no_module_is_longer_than_a_person_reads_at_once():
    """About 400 lines, as the project's own rule says."""
    long = {
        str(path.relative_to(ROOT)): lines
        for path in (ROOT / "popheal").rglob("*.py")
        if (lines := len(path.read_text("utf-8").splitlines())) > 420
    }
    assert long == {}


#: Tools that run in tests, or run them; those that draw up the documentation, or judge the
#: code, may be as new as they like.
TEST_TOOLS = {
    *("celery", "fastapi", "httpx", "hypothesis"),
    *("pytest", "pytest-cov", "pytest-rerunfailures", "pytest-xdist", "sybil"),
}


def test_the_oldest_versions_that_are_tried_are_the_oldest_allowed():
    """All that the package and its extras need, and that the tests do."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = dict(project["optional-dependencies"])
    tools = [one for one in extras.pop("dev") if re.match(r"[\w-]+", one)[0] in TEST_TOOLS]
    del extras["docs"]
    wanted = [*project["dependencies"], *tools, *(one for each in extras.values() for one in each)]
    bounds = [re.match(r"([\w-]+)>=([\d.]+)", one) for one in wanted if ">=" in one]
    assert len(bounds) == len(wanted) - 2, "tzdata and pypsrp[kerberos] have none of their own"
    oldest = sorted("==".join(one.groups()) for one in bounds)
    lines = (ROOT / "tests" / "oldest.txt").read_text("utf-8").splitlines()
    assert sorted(line for line in lines if not line.startswith("#")) == oldest
