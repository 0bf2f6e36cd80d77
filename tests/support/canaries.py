"""Names that must not come out: one for each field, in the forms that names take."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from enum import Enum
from typing import Any
from xml.etree import ElementTree as ET

from attrs import evolve, fields, has

from popheal.backends.psrp.clixml import unescape

_SYLLABLES = ("zor", "quib", "wub", "vul", "pli", "gra", "dwe", "kro")
#: What is unique in each canary is in the place of the first, and of the second where there is one.
FORMS = (
    "{0}",
    "{0}.{1}.example",
    "CN={0},OU={1},DC=example,DC=com",
    "D:\\{0}\\Program Files\\{1}\\Pop3",
    "{0}.{1}@example.org",
    "Couldn't find the mailbox of {0} {1} on the server.",
    "Mailbox Database {0}",
    "https://{0}.{1}.net/ews?user={0}",
    "{1}\\{0}$",
    "{0}-01",
    "srv_{0}_{1}",
    "Größe{0}",
    "O'{0}",
    "\\\\{0}\\{1}$\\file.log",
    "HealthMailbox of {0}",
    "[{0}, 00:00:00]",
    "{0}\U0001f4a9{1}",
    "Proxy={0}.{1}:1995:SSL",
    "%{0}%5C{1}",
    "=?utf-8?Q?{0}_{1}?=",
)
#: These are unique as they are.
NUMBERS = (
    "6f1c2ab0-7d4e-4c1f-9b3a-5de0a1b2c3{0:02x}",
    "S-1-5-21-3623811015-3361044348-30300820-{0}",
    "203.0.{0}.77",
    "2001:470:1f0b::{0:x}",
)


class Canaries:
    """Makes them, and remembers each."""

    def __init__(self) -> None:
        self.planted: set[str] = set()
        self._words = map("".join, itertools.product(_SYLLABLES, repeat=4))
        self._forms = itertools.cycle(FORMS)
        self._numbers = itertools.cycle(NUMBERS)
        self._count = itertools.count(1)

    def word(self) -> str:
        """One that is a word."""
        word = next(self._words)
        self.planted.add(word)
        return word

    def text(self) -> str:
        """One in the next form."""
        count = next(self._count)
        if count % 6 == 0:
            number = next(self._numbers).format(count % 250)
            self.planted.add(number)
            return number
        return next(self._forms).format(self.word(), self.word())

    def in_place_of_texts(self, record: Any) -> Any:
        """A record, or a list of them, with one in the place of each text."""
        if isinstance(record, str):
            return self.text()
        if isinstance(record, (list, tuple)):
            return type(record)(map(self.in_place_of_texts, record))
        if isinstance(record, Enum) or not has(type(record)):
            return record
        changes = {
            one.name: self.in_place_of_texts(getattr(record, one.name))
            for one in fields(type(record))
        }
        return evolve(record, **changes)

    def found_in(self, recording: str) -> set[str]:
        """Those that are in a recording after all, in whatever case and however escaped."""
        read = "\n".join([recording, *_texts(recording)]).casefold()
        return {one for one in self.planted if one.casefold() in read}


def _texts(recording: str) -> Iterator[str]:
    """Every text of a recording, as it is meant: also those of serialised objects."""
    for line in recording.splitlines():
        yield from _strings(json.loads(line))


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, item in value.items():
            yield from (name, *_strings(item))
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)
    elif isinstance(value, str):
        yield value
        if value.startswith("<"):
            for element in ET.fromstring(value).iter():
                yield from map(
                    unescape, (element.tag, element.text or "", *element.attrib.values())
                )
