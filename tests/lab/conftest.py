"""The lab that the tests of the real backend talk to."""

from __future__ import annotations

from tests.backends.psrp.conftest import PASSWORD, fake, lab

__all__ = ["PASSWORD", "fake", "lab"]
