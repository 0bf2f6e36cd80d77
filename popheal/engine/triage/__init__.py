"""Verifying that the issue still exists (runbook section of that name), and that it is ours.

Only looks. Ends in a verdict of its own, or in the failing monitors whose procedures apply.
"""

from __future__ import annotations

from popheal.engine.triage.triage import Triage, triage_server

__all__ = ["Triage", "triage_server"]
