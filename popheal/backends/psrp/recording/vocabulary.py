"""What may stay in a recording: the words that are known to be harmless."""

from __future__ import annotations

import re
from functools import cache
from importlib import resources
from typing import Final

#: The words within a word of the product's: ``DisconnectedAndHealthy``, ``CTPMonitor``.
_HUMPS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def is_identifier(text: str) -> bool:
    """Whether the product, PowerShell or Windows call something of theirs so, whatever the case."""
    return text.casefold() in _identifiers()


def is_harmless(word: str) -> bool:
    """Whether a word says nothing about whose organisation this is.

    It is a number, an identifier, a letter, or made of nothing but known words: humps
    (``MailboxServer``) and pieces between hyphens and underscores (``Get-MailboxServer``).
    """
    if word.isascii() and (word.isdecimal() or len(word) == 1):
        return True
    return is_identifier(word) or all(map(_is_known, re.split("[-_]", word)))


def _is_known(word: str) -> bool:
    if word.casefold() in _words():
        return True
    humps = _HUMPS.findall(word)
    return "".join(humps) == word != "" and all(one.casefold() in _words() for one in humps)


@cache
def _words() -> frozenset[str]:
    return frozenset(word for line in _lines("words.txt") for word in line.split())


@cache
def _identifiers() -> frozenset[str]:
    return frozenset(line.casefold() for line in _lines("identifiers.txt"))


def _lines(name: str) -> list[str]:
    text = resources.files(__package__).joinpath(name).read_text("utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]
