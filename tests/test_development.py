"""What the project is developed with: the lock fits, and hooks are pinned."""

from __future__ import annotations

import json
import re
import tomllib
from collections import Counter

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.paths import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
LOCK = (ROOT / "tests" / "locked.txt").read_text("utf-8").splitlines()
PINNED = [Requirement(line) for line in LOCK if not line.startswith("#")]
HOOKS = (ROOT / ".pre-commit-config.yaml").read_text("utf-8")

#: The Pythons and systems that the lock is for.
MACHINES = [
    {**default_environment(), "python_full_version": f"{python}.9", "python_version": python,
     "sys_platform": system, "platform_system": name}
    for python in ("3.11", "3.12", "3.13", "3.14")
    for system, name in (("linux", "Linux"), ("win32", "Windows"), ("darwin", "Darwin"))
]  # fmt: skip


def wanted():
    """What pyproject.toml asks for, but for the project itself."""
    lists = [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
    asked = [Requirement(line) for one in lists for line in one]
    return [one for one in asked if one.name != PROJECT["name"]]


def holds(requirement, machine):
    return requirement.marker is None or requirement.marker.evaluate(machine)


@pytest.mark.parametrize("one", wanted(), ids=str)
def test_the_lock_fits(one):
    """On each machine that needs it there is one version, and one that may be."""
    for machine in MACHINES:
        if not holds(one, machine):
            continue
        (pin,) = [
            pin
            for pin in PINNED
            if canonicalize_name(pin.name) == canonicalize_name(one.name) and holds(pin, machine)
        ]
        (version,) = pin.specifier
        assert one.specifier.contains(version.version), "nox -s lock"


def test_the_lock_is_nothing_but_versions():
    """Whoever installs by it says from where."""
    for line in LOCK:
        assert line.startswith("#") or re.fullmatch(r"[\w.-]+==[\w.]+( ; [^@:]+)?", line)


def test_hooks_are_pinned():
    """To a release; and the ruff of the hooks is that of the lock."""
    revisions = dict(re.findall(r"^  - repo: (https\S+)\n    rev: (\S+)", HOOKS, re.MULTILINE))
    assert len(revisions) == HOOKS.count("repo: https")
    assert all(re.fullmatch(r"v\d+(\.\d+)+", one) for one in revisions.values())
    (ruff,) = [pin for pin in PINNED if pin.name == "ruff"]
    (revision,) = [one for repo, one in revisions.items() if "ruff" in repo]
    assert f"=={revision.removeprefix('v')}" == str(ruff.specifier)


def test_packages_for_node_are_pinned():
    """To one version each, with a checksum of every file, and no word of where it is got."""
    folder = ROOT / "tests" / "node"
    wanted = json.loads((folder / "package.json").read_text("utf-8"))["devDependencies"]
    lock = json.loads((folder / "package-lock.json").read_text("utf-8"))["packages"]
    assert all(re.fullmatch(r"(npm:\w+@)?\d+(\.\d+)+", version) for version in wanted.values())
    assert lock.pop("")["devDependencies"] == wanted
    assert {f"node_modules/{name}" for name in wanted} <= set(lock)
    for name, one in lock.items():
        assert "resolved" not in one, name
        assert one["integrity"].startswith("sha512-"), name
    assert "omit-lockfile-registry-resolved=true" in (folder / ".npmrc").read_text("utf-8")


@pytest.mark.parametrize("most", [1, 3, 1000])
def test_fewer_cases_leave_no_test_out(request, most):
    """Each test keeps so many of its cases, or all; one that may skip elsewhere is kept."""
    conftest = request.config.pluginmanager.getplugin(str(ROOT / "conftest.py"))
    items = request.session.items
    kept = conftest.fewer(items, most)
    must = {one for one in items if one.get_closest_marker("skipif")}
    assert must <= set(kept)
    there, left = (
        Counter(one.nodeid.partition("[")[0] for one in some if one not in must)
        for some in (items, kept)
    )
    assert left == {name: min(most, number) for name, number in there.items()}


def test_what_is_evidence_has_one_try(request):
    """Nor has anything else a second one but what waits by the real clock."""
    for one in request.session.items:
        names = {mark.name for mark in one.iter_markers()}
        if "flaky" in names:
            assert not {"campaign", "evidence"} & names, one.nodeid
            assert {"lab", "slow"} & names, one.nodeid
