"""Backends of one's own: the example, and the conformance tests on every backend we have."""

from __future__ import annotations

import subprocess
import sys

import pytest

from popheal import Alert, Journal, Verdict, heal
from popheal.backends.simulated import load_scenario
from popheal.exchange.backend import Backend
from popheal.testing import BackendConformance
from tests.support.paths import ROOT

EXAMPLE = ROOT / "docs" / "examples" / "own_backend.py"


@pytest.fixture
def example(monkeypatch):
    """The example as a module."""
    monkeypatch.syspath_prepend(str(EXAMPLE.parent))
    import own_backend

    return own_backend


def test_the_example_is_short_and_runs():
    """Under 90 lines, and it heals."""
    assert len(EXAMPLE.read_text("utf-8").splitlines()) < 90
    done = subprocess.run(
        [sys.executable, EXAMPLE], check=True, capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "recovered - PopDeepTestMonitor: healed\n"


def test_the_example_is_a_backend(example):
    """By the protocol, and in use."""
    backend = example.DictionaryBackend()
    assert isinstance(backend, Backend)
    report = heal(Alert(server="mbx1"), backend, journal=Journal())
    assert report.verdict is Verdict.RECOVERED
    assert heal(Alert(server="mbx1"), backend, journal=Journal()).verdict is Verdict.NOTHING_WRONG


class TestTheExampleConforms(BackendConformance):
    """The example passes what it tells its readers to pass."""

    server = "mbx1.example.com"

    @pytest.fixture
    def backend(self, example):
        return example.DictionaryBackend()


class TestTheSimulatedBackendConforms(BackendConformance):
    """And so does the simulated one."""

    server = "mbx1.contoso.com"

    @pytest.fixture
    def backend(self):
        return load_scenario("nothing-wrong").backend


@pytest.mark.parametrize("lacking", ["reboot", "server_health"])
def test_an_incomplete_backend_does_not_conform(example, lacking):
    """The tests can fail: a method left out, a wrong class, a time without a zone."""
    backend = example.DictionaryBackend()
    setattr(backend, lacking, None)
    with pytest.raises(AssertionError):
        BackendConformance().test_has_every_method(backend)


def test_a_sloppy_backend_does_not_conform(example):
    """An answer that is not what was promised is noticed."""

    class Sloppy(example.DictionaryBackend):
        def pop_settings(self, server):
            return {"protocol_log_enabled": False}

        def reboot(self, server, booted_at):
            pass

    class Conformance(BackendConformance):
        server = "mbx1.example.com"

    tests = Conformance()
    for test in (tests.test_looks_return_what_they_promise, tests.test_reboot_is_conditional):
        with pytest.raises(AssertionError):
            test(Sloppy())
