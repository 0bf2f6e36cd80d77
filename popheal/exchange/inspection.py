"""What a backend sees of its own way to a server, where it can tell: a name, a port, a logon."""

from __future__ import annotations

from attrs import frozen


@frozen(kw_only=True)
class Inspection:
    """One question about a way to a server, and its answer.

    Attributes:
        question: One word: ``name``, ``tcp``, ``tls``...; :mod:`popheal.readiness.items` has them.
        about: What of it, where there are several: which cmdlet, which condition.
        passed: Whether it is as it should be; None if that could not be told.
        seen: What was seen, a few words.
        cause: Why it is not as it should be; part of a sentence.
        next_step: What a person can do about it.
        because: Of one that was not looked at: the question that kept it from that.
        blocks: The methods of the backend that can do nothing until it is.
    """

    question: str
    about: str = ""
    passed: bool | None
    seen: str = ""
    cause: str = ""
    next_step: str = ""
    because: str = ""
    blocks: tuple[str, ...] = ()
