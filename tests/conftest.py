"""What every test starts from."""

from __future__ import annotations

import pytest
import structlog

from popheal import verify


@pytest.fixture(autouse=True)
def nobody_says_how_wide_the_terminal_is(monkeypatch):
    """What runs the tests may have said it, to us and to the processes that are started."""
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.delenv("LINES", raising=False)


@pytest.fixture(autouse=True)
def structlog_is_not_configured():
    """As in a program that does not care for structlog; a test may configure it for itself."""
    structlog.reset_defaults()
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def proofs():
    """What is proved of each procedure; made once, as it takes a while."""
    return verify.verify_all()
