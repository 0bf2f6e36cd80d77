"""These tests have a lab, and a backend that talks to it."""

from __future__ import annotations

from tests.support.lab_fixtures import backend, fake, lab

__all__ = ["backend", "fake", "lab"]
