"""Whose a token is: compared so that the time it takes tells nothing about it."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence

from popheal.serve.settings import Token


class Tokens:
    """The tokens that are known.

    Args:
        known: One each; two that are alike are a mistake of whoever made them.
    """

    def __init__(self, known: Sequence[Token]) -> None:
        # Of one length, whatever that of the token is.
        self._known = [(_digest(one.secret.reveal()), one) for one in known]

    def __repr__(self) -> str:
        return f"<Tokens of {', '.join(one.owner for _, one in self._known)}>"

    def owner_of(self, header: str) -> Token | None:
        """The token that an ``Authorization`` header gives; None if it is none of ours."""
        scheme, _, given = header.partition(" ")
        digest = _digest(given.strip())
        found = None
        for known, token in self._known:  # each of them, whichever it is
            if hmac.compare_digest(known, digest):
                found = token
        return found if scheme.casefold() == "bearer" else None


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()
