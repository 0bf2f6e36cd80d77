"""What is known about the tables before they run.

:func:`verify` explores everything that can happen to a procedure, in a world in which
everything happens that Exchange, other people and lost answers can do to it, and says for each
property whether it holds, with the shortest way to break it if it doesn't. The table is read,
never run: nothing that runs has a part in the proof.

What is assumed is data: the variables and events of the world, and a contract for each action
(:func:`assumption_rows`). What is not proved is a list: ``NOT_PROVED``.
"""

from popheal.verify.properties import PROPERTIES, Property
from popheal.verify.prove import Proof, Proofs, Result, verify, verify_all, witness
from popheal.verify.report import (
    NOT_PROVED,
    assumption_rows,
    counterexample,
    open_rows,
    rows,
    size_rows,
)
from popheal.verify.termination import Bounds
from popheal.verify.traces import Trace

__all__ = [
    "NOT_PROVED",
    "PROPERTIES",
    "Bounds",
    "Proof",
    "Proofs",
    "Property",
    "Result",
    "Trace",
    "assumption_rows",
    "counterexample",
    "open_rows",
    "rows",
    "size_rows",
    "verify",
    "verify_all",
    "witness",
]
