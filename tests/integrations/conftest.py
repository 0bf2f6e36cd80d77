"""What the programs of the integration pages reach, in place of a real organisation."""

from __future__ import annotations

import pytest

from tests.support.examples import Reaching


@pytest.fixture
def reaching(tmp_path, monkeypatch):
    """The configuration, and the scenario that it leads to."""
    made = Reaching(tmp_path)
    monkeypatch.setenv("POPHEAL_CONFIG", str(made.config))
    monkeypatch.setattr("popheal.backends.psrp.PsrpBackend", made)
    return made
