"""Who is working on what, within this process.

No two healings act on one server, and none takes a member of a DAG out of service while
another may do so with a second member. What somebody else does, or an earlier healing has left
behind, is not known here: that is looked up in the organisation before each drain.
"""

from __future__ import annotations

from threading import Lock

from popheal.names import short_name


class Custody:
    """A table of claims; safe to share between threads and event loops."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._claims: dict[tuple[str, str, str], object] = {}

    def claim_server(self, organisation: str, server: str, owner: object) -> bool:
        """Whether the owner has the server now (or had it already)."""
        return self._claim((organisation, "server", short_name(server)), owner)

    def claim_dag(self, organisation: str, dag: str, owner: object) -> bool:
        """Whether the owner may take a member of the DAG out of service."""
        return self._claim((organisation, "dag", dag.casefold()), owner)

    def release(self, owner: object) -> None:
        """Give up everything the owner has claimed."""
        with self._lock:
            self._claims = {what: who for what, who in self._claims.items() if who is not owner}

    def _claim(self, what: tuple[str, str, str], owner: object) -> bool:
        with self._lock:
            return self._claims.setdefault(what, owner) is owner


#: The claims of this process, used unless a caller brings its own.
PROCESS_CUSTODY = Custody()
