r"""A text with every name in it replaced.

Nothing is looked for that could be a name: what could identify an organisation has no list. It is
the other way round. A word stays if it is known to be harmless
(:mod:`~popheal.backends.psrp.recording.vocabulary`), or is a number or a time; every other one is
replaced, the same one always by the same.

Where the name of something is expected, such as the ``DatabaseName`` of a row, it is replaced as a
whole, and from then on wherever it stands: a database may be called "Archive", or "Mailbox
Database 0123456".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from ipaddress import IPv6Address, ip_address
from typing import Final

from popheal.backends.psrp.recording.pseudonyms import Pseudonyms
from popheal.backends.psrp.recording.vocabulary import is_harmless, is_identifier

#: A character within a word. Of what isn't ASCII only typographic signs and spaces are none.
_LETTER: Final = "[^\x00-/:-@\\[-^`{-\x7f\u00a0\u2010-\u2015\u2018-\u201f\u2026\u202f]"
_WORD: Final = f"{_LETTER}+(?:-{_LETTER}+)*"

_FROM: Final = f"(?<!{_LETTER})"
_TO: Final = f"(?!{_LETTER})"

#: What is told by its shape.
_SHAPES: Final = re.compile(
    rf"""
    (?P<time> {_FROM} (?:
        \d{{4}}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:\s?Z|[+-]\d\d:?\d\d)?)?
        | P(?:\d+D)?T(?:[\d.]+[HMS])+
        | 0x[0-9A-Fa-f]{{1,16}}
        | 0{{6}}[0-9A-F]{{10}}
        | (?i:POP3|IMAP4)(?i:BE)?\d{{8,10}}-\d+
        | Version=[\d.]+
    ) {_TO} )
    | (?P<guid> {_FROM} [0-9A-Fa-f]{{8}}(?:-[0-9A-Fa-f]{{4}}){{3}}-[0-9A-Fa-f]{{12}} {_TO} )
    | (?P<sid> {_FROM} S-1-\d+(?:-\d+)+ {_TO} )
    | (?P<mail> [^\s@<>"'(),;:\\/\[\]{{}}=|]{{1,128}} @ {_WORD}(?:\.{_WORD})* )
    | (?P<ip> {_FROM} (?:
        (?<!\.) \d{{1,3}}(?:\.\d{{1,3}}){{3}} (?!\.\w)
        | (?<!:) (?:[0-9A-Fa-f]{{1,4}}:){{7}}[0-9A-Fa-f]{{1,4}} (?!:)
        | (?<!:) [0-9A-Fa-f:]*::[0-9A-Fa-f:.]* (?<!\.)
    ) {_TO} )
    """,
    re.VERBOSE | re.ASCII,
)
_ONE: Final = re.compile(_WORD)
_WORDS: Final = re.compile(rf"{_WORD}(?:\.{_WORD})*")
#: What may stand between two names, such as the steps of a path.
_BETWEEN_NAMES: Final = re.compile(r"""([\\/@,=:;()\[\]{}<>|"'\r\n]+)""")
_FROM_LETTER_TO_LETTER: Final = re.compile(f"{_LETTER}(?:.*{_LETTER})?", re.DOTALL)
_HEALTH_MAILBOX: Final = re.compile("(.*?)(healthmailbox)(.*)", re.IGNORECASE | re.DOTALL)
#: What dotted names of code begin with, in exactly this case.
_NAMESPACES: Final = ("Microsoft", "System", "Deserialized")
_FILES: Final = frozenset(
    {"config", "cs", "dll", "exe", "log", "ps1", "psd1", "psm1", "txt", "vb", "xml"}
)
#: How the names of domains end that words could be taken for.
_DOMAINS: Final = re.compile(r"(?i)com|edu|gov|info|int|internal|lan|local|mil|net|org|test|..")
#: A name that is longer is a description, and goes word by word.
_LONGEST_NAME: Final = 128


class Redaction:
    """Replaces names in texts, by one table.

    Args:
        names: The table.
    """

    def __init__(self, names: Pseudonyms | None = None) -> None:
        self.names = Pseudonyms() if names is None else names
        self._phrases: dict[str, str] = {}
        self._phrase: re.Pattern[str] | None = None

    def prose(self, text: str) -> str:
        """A text of any kind: messages, lines of logs, enums, paths."""
        return self._pieces(text, self._prose)

    def term(self, text: str) -> str:
        """What the far side calls something of its own: a property, a type, a value of an enum.

        It stays even where a server or a database has the same name.
        """
        words = [label for found in _WORDS.findall(text) for label in found.split(".")]
        if all(map(is_harmless, words)):
            return self._pieces(text, str)
        return self.prose(text)

    def name(self, text: str, kind: str = "name") -> str:
        """A text that is the name of something, or has such names in it, as a path has.

        Args:
            text: The text.
            kind: What the first of them is; for a server's full name that is its host part.
        """
        if len(text) > _LONGEST_NAME:
            return self.prose(text)
        return self._pieces(text, lambda rest: self._names_in(rest, kind))

    # --- what both have in common ----------------------------------------------------------------

    def _pieces(self, text: str, rest: Callable[[str], str]) -> str:
        """What has a shape by that shape, and what is between by what is given."""
        done, end = [], 0
        for found in _SHAPES.finditer(text):
            replaced = self._shaped(found)
            if replaced is not None:
                done += [rest(text[end : found.start()]), replaced]
                end = found.end()
        return "".join([*done, rest(text[end:])])

    def _shaped(self, found: re.Match[str]) -> str | None:
        """The replacement of what has a shape; None where it only looks so."""
        text, kind = found[0], str(found.lastgroup)
        match kind:
            case "time":
                return text
            case "sid":
                # The short ones are Windows' own, and the same everywhere.
                return text if text.count("-") <= 4 else self.names.of(text, "sid")  # noqa: PLR2004
            case "mail":
                local, _, domain = text.rpartition("@")
                return f"{self._account(local)}@{self._host(domain.split('.'), 'domain')}"
            case "ip":
                return self._address(text)
        return self.names.of(text, kind)

    def _address(self, text: str) -> str | None:
        try:
            address = ip_address(text)
        except ValueError:
            return None
        inner = getattr(address, "ipv4_mapped", None) or address
        if inner.is_loopback or inner.is_unspecified:
            return text
        return self.names.of(text, "ipv6" if isinstance(address, IPv6Address) else "ipv4")

    def _account(self, text: str) -> str:
        mailbox = _HEALTH_MAILBOX.fullmatch(text)
        return self._health_mailbox(mailbox) if mailbox else self.names.of(text, "account")

    def _health_mailbox(self, found: re.Match[str]) -> str:
        """A probe's account, or what looks like one: that it does so decides, so it stays so."""
        before, what, after = found.groups()
        kind = "healthmailbox" if re.fullmatch("[0-9A-Fa-f]+", after) else "name"
        return "".join(
            [
                before and self.names.of(before),
                what,
                after and self.names.of(f"{what}{after}", kind),
            ]
        )

    def _host(self, labels: Sequence[str], kind: str) -> str:
        """A name in parts with dots between them; one part is enough."""
        kinds = [kind, *["domain"] * (len(labels) - 1)]
        return ".".join(map(self._label, labels, kinds))

    def _label(self, text: str, kind: str) -> str:
        kept = not _ONE.search(text) or text.isdecimal() or is_identifier(text)
        # A service that isn't listed, most likely.
        kept = kept or (kind == "resource" and bool(_ONE.fullmatch(text)) and is_harmless(text))
        if kept:
            return text
        if not _ONE.fullmatch(text) and text.casefold() not in self._phrases:
            self._phrases[text.casefold()] = text
            self._phrase = None
        return self.names.of(text, kind)

    # --- names -----------------------------------------------------------------------------------

    def _names_in(self, text: str, kind: str) -> str:
        pieces = _BETWEEN_NAMES.split(text)
        for number in range(0, len(pieces), 2):
            found = _FROM_LETTER_TO_LETTER.search(pieces[number])
            if found and not (is_identifier(found[0]) or _is_code(found[0])):
                before, after = pieces[number][: found.start()], pieces[number][found.end() :]
                pieces[number] = before + self._host(found[0].split("."), kind) + after
                kind = "name"
        return "".join(pieces)

    # --- words -----------------------------------------------------------------------------------

    def _prose(self, text: str) -> str:
        pieces = [text]
        if phrases := self._known_phrases():
            # What is between, and what is a phrase, in turn.
            pieces = phrases.split(text)
            pieces[1::2] = map(self.names.of, pieces[1::2])
        pieces[::2] = [_WORDS.sub(self._words, one) for one in pieces[::2]]
        return "".join(pieces)

    def _words(self, found: re.Match[str]) -> str:
        """What has no space in it: a word, or several with dots between them."""
        labels = found[0].split(".")
        code = labels[0] in _NAMESPACES or labels[-1].casefold() in _FILES
        if len(labels) == 1 or code or is_identifier(found[0]) or not _is_host(labels):
            return ".".join(map(self._word, labels))
        return self._host(labels, "server")

    def _word(self, word: str) -> str:
        if mailbox := _HEALTH_MAILBOX.fullmatch(word):
            return self._health_mailbox(mailbox)
        if len(word) > 1 and (known := self.names.known(word)):
            return known
        return word if is_harmless(word) else self.names.of(word)

    def _known_phrases(self) -> re.Pattern[str] | None:
        """Finds the names of more than one word that were met where names are expected."""
        if self._phrases and self._phrase is None:
            longest_first = sorted(self._phrases.values(), key=len, reverse=True)
            either = "|".join(map(re.escape, longest_first))
            self._phrase = re.compile(f"(?<!{_LETTER})({either})(?!{_LETTER})", re.IGNORECASE)
        return self._phrase


def _is_code(text: str) -> bool:
    """Whether it is what a type of the product's, of PowerShell's or of .NET's is called."""
    labels = text.split(".")
    return labels[0] in _NAMESPACES and len(labels) > 1 and all(map(is_harmless, labels))


def _is_host(labels: Sequence[str]) -> bool:
    """Whether words with dots between them may be the name of a machine or of a domain."""
    return not all(map(is_harmless, labels)) or bool(_DOMAINS.fullmatch(labels[-1]))
