"""The programs of the documentation, and what they reach in place of a real organisation."""

from __future__ import annotations

import contextlib
from importlib.util import module_from_spec, spec_from_file_location

import pytest

import popheal
from popheal import Alert, Journal
from popheal.backends.simulated import load_scenario
from tests.support.paths import ROOT

EXAMPLES = ROOT / "docs" / "examples"
SERVER = "mbx1.contoso.com"
TOKEN = "a-token-of-these-tests"


def example(name):
    """A program of the pages, as a module."""
    spec = spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Reaching:
    """Stands for the real backend: the next healing reaches this scenario."""

    def __init__(self, folder):
        self.config, self.journal = folder / "popheal.toml", folder / "journal.db"
        self.config.write_text(
            f'[exchange]\nservers = ["{SERVER}"]\n[journal]\npath = "journal.db"\n'
            '[policy]\napproval_from = "never"\n'
        )
        self.play("mailbox-healed-by-restart")

    def play(self, name):
        self.scenario = load_scenario(name)

    def __call__(self, settings):
        assert settings.exchange.servers == (SERVER,)
        return contextlib.nullcontext(self.scenario.backend)


def broken_off(reaching, state):
    """A healing whose process has died in a state; its id."""

    class Died(BaseException):
        pass

    def die(event):
        if event.state == state:
            raise Died

    with Journal(reaching.journal) as journal:
        healer = popheal.Healer(reaching.scenario.backend, journal=journal, observers=[die])
        with pytest.raises(Died):
            healer.heal(Alert(server=reaching.scenario.server))
        (record,) = journal.healings(unfinished=True)
    return record.id
