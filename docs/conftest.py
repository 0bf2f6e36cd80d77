"""The Python examples of the documentation run as tests, each page by itself.

They need no server: the Exchange organisation in them is simulated.
"""

from __future__ import annotations

import logging

import pytest
import structlog
from sybil import Sybil
from sybil.parsers.myst import PythonCodeBlockParser, SkipParser


@pytest.fixture
def quiet():
    """As in a program that does not care for structlog; what an example logs, only it logs."""
    structlog.reset_defaults()
    root, logger = logging.getLogger(), logging.getLogger("popheal")
    handlers, level = root.handlers[:], logger.level
    yield
    root.handlers[:] = handlers
    logger.setLevel(level)
    structlog.reset_defaults()


pytest_collect_file = Sybil(
    parsers=[PythonCodeBlockParser(), SkipParser()],
    patterns=["*.md"],
    fixtures=["quiet"],
).pytest()
