"""What a lab serves: how its endpoints open, and what they answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from attrs import frozen

from popheal.exchange.backend import Backend
from popheal.lab.cmdlets import refused_script, run_cmdlet
from popheal.lab.error_writer import Ended, Problem
from popheal.lab.objects import Origin
from popheal.lab.shell_manner import ShellManner
from popheal.lab.shells import Asked
from popheal.lab.windows_endpoint import run_script
from popheal.lab.wire_faults import Wire


@frozen(kw_only=True)
class Opening:
    """How a session comes about.

    Attributes:
        refusal: What comes instead of one; None for nothing.
        greeting: The messages about the session, each with the number of its type; None for those
            of the lab itself.
    """

    refusal: Wire | None = None
    greeting: Sequence[tuple[int, str]] | None = None


@runtime_checkable
class Served(Protocol):
    """Answers for the endpoints of every server: ``exchange`` and ``plain`` ones."""

    def opening(self, server: str, endpoint: str) -> Opening:
        """How a new session on an endpoint comes about."""
        ...

    def run(self, server: str, endpoint: str, shell: str, asked: Asked) -> Ended:
        """Carry out a command. May raise what a shell knows to tell."""
        ...


class ServedBackend:
    """Carries out commands on a backend.

    Args:
        backend: What it is.
        manners: What each server's own endpoint is like.
    """

    def __init__(self, backend: Backend, manners: Mapping[str, ShellManner]) -> None:
        self._backend = backend
        self._manners = manners

    def opening(self, server: str, endpoint: str) -> Opening:  # noqa: ARG002 - all alike
        """Nothing special."""
        return Opening()

    def run(self, server: str, endpoint: str, shell: str, asked: Asked) -> Ended:
        """Cmdlets on the one endpoint, scripts on the other, and nothing else."""
        if endpoint == "exchange":
            if asked.is_script:
                return refused_script()
            return run_cmdlet(self._backend, Origin(server, shell), asked.text, asked.parameters)
        if not asked.is_script:
            problem = Problem(
                text="This lab runs no commands here but the scripts of popheal.",
                reason="CommandNotFoundException",
                command=asked.text,
            )
            return Ended(problem=problem, terminating=True)
        manner = self._manners[server]
        return run_script(self._backend, server, asked.text, asked.parameters, manner)
