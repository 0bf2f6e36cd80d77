"""The same lab as for the tests of the backend."""

from tests.backends.psrp.conftest import PASSWORD, backend, fake, lab

__all__ = ["PASSWORD", "backend", "fake", "lab"]
