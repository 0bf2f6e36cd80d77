"""Mistakes of our own: which exceptions they are, and how they are told."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Final

from popheal.errors import IllegalOutcome, PophealError

#: What a mistake in our own code raises. Nothing wider: whatever else escapes was meant for whoever
#: drives the code.
DEFECTS: Final = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    IllegalOutcome,
    LookupError,
    NameError,
    NotImplementedError,
    RecursionError,
    TypeError,
    ValueError,
)


def describe_defect(error: BaseException) -> str:
    """A defect in words: what was raised, and by which line of the library."""
    said = str(error).rstrip(".")
    if isinstance(error, PophealError):
        said = error.sentence()
    frames = traceback.extract_tb(error.__traceback__)
    ours = [one for one in frames if "popheal" in Path(one.filename).parts]
    at = f", at {Path(ours[-1].filename).name} line {ours[-1].lineno}" if ours else ""
    return f"a defect of popheal: {type(error).__name__}: {said}{at}"
