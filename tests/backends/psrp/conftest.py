"""A lab that serves the fake backend, and a PSRP backend that talks to it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from popheal.backends.psrp import PsrpBackend
from popheal.lab import Lab
from tests.support.lab_backend import SERVERS, FakeBackend

#: In every message and trace this must not be found.
PASSWORD = "correct-horse-battery-staple"


@pytest.fixture
def fake() -> FakeBackend:
    return FakeBackend()


@pytest.fixture
def lab(fake: FakeBackend) -> Iterator[Lab]:
    with Lab(fake, SERVERS, password=PASSWORD, is_up=fake.is_up, shell_limit=3) as lab:
        yield lab


@pytest.fixture
def backend(lab: Lab) -> Iterator[PsrpBackend]:
    settings = lab.settings(
        command_timeout=5, request_timeout=2, connect_timeout=2, busy_timeout=0.3
    )
    with PsrpBackend(settings) as backend:
        yield backend
