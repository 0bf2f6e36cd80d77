"""The table of replacements: each name has one, the same one from the first time to the last."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Final

#: What a replacement looks like where it must look like what it stands for, by kind and number.
#: Addresses are of a block that is set aside for trials, and belongs to nobody.
_SHAPES: Final[Mapping[str, Callable[[int], str]]] = {
    "guid": lambda n: f"00000000-0000-4000-8000-{n:012x}",
    "healthmailbox": lambda n: f"{n:08x}",
    "ipv4": lambda n: f"198.{18 + n // 65536 % 2}.{n // 256 % 256}.{n % 256}",
    "ipv6": lambda n: f"2001:db8::{n:x}",
    "sid": lambda n: f"S-1-5-21-1-1-1-{1000 + n}",
}


class Pseudonyms:
    """Which replacement each name has.

    Names that differ in case only are one name. Its replacement is in capitals where the name is,
    so that it can be seen who writes it how.
    """

    def __init__(self) -> None:
        self._by_name: dict[str, str] = {}
        self._spelt: list[str] = []
        self._numbers: Counter[str] = Counter()

    def __iter__(self) -> Iterator[str]:
        """Each name as it was first written, in that order."""
        return iter(self._spelt)

    def known(self, name: str) -> str | None:
        """The replacement of a name that was met before, else None."""
        found = self._by_name.get(name.casefold())
        return found.upper() if found and name.isupper() else found

    def of(self, name: str, kind: str = "name") -> str:
        """The replacement of a name.

        Args:
            name: The name, or another thing that tells who it is: an address, a GUID.
            kind: What it is, if it is new: the replacement says so, with a number.
        """
        key = name.casefold()
        if key not in self._by_name:
            self._spelt.append(name)
            self._numbers[kind] += 1
            number = self._numbers[kind]
            shape = _SHAPES.get(kind)
            self._by_name[key] = shape(number) if shape else f"{kind}{number}"
        return self.known(name) or self._by_name[key]
