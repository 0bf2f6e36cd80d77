"""How wide words are, so that pictures can be laid out without the program that shows them.

Measured with DejaVu Sans, which is as wide as Verdana: what fits with it fits with the fonts
that systems have for their own words, too.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from typing import Final

#: Widths of the characters from space to tilde, in thousandths of the size: plain, and bold.
_PLAIN: Final = (
    *(318, 401, 460, 838, 636, 950, 780, 275, 390, 390, 500, 838, 318, 361, 318, 337, 636, 636),
    *(636, 636, 636, 636, 636, 636, 636, 636, 337, 337, 838, 838, 838, 531, 1000, 684, 686, 698),
    *(770, 632, 575, 775, 752, 295, 295, 656, 557, 863, 748, 787, 603, 787, 695, 635, 611, 732),
    *(684, 989, 685, 611, 685, 390, 337, 390, 838, 500, 500, 613, 635, 550, 635, 615, 352, 635),
    *(634, 278, 278, 579, 278, 974, 634, 612, 635, 635, 411, 521, 392, 634, 592, 818, 592, 592),
    *(525, 636, 337, 636, 838),
)
_BOLD: Final = (
    *(348, 456, 521, 838, 696, 1002, 872, 306, 457, 457, 523, 838, 380, 415, 380, 365, 696, 696),
    *(696, 696, 696, 696, 696, 696, 696, 696, 400, 400, 838, 838, 838, 580, 1000, 774, 762, 734),
    *(830, 683, 683, 821, 837, 372, 372, 775, 637, 995, 837, 850, 733, 850, 770, 720, 682, 812),
    *(774, 1103, 771, 724, 725, 457, 365, 457, 838, 500, 500, 675, 716, 593, 716, 678, 435, 716),
    *(712, 343, 343, 665, 343, 1042, 712, 687, 716, 716, 493, 595, 478, 712, 652, 924, 645, 652),
    *(582, 712, 365, 712, 838),
)
#: For what is not in the tables: as wide as a letter gets.
_WIDE: Final = 1000
#: As wide as another character.
_LIKE: Final = {"·": ".", "\u2019": "'", "\u00a0": " "}


def width(text: str, size: float, *, bold: bool = False) -> float:
    """How wide a text is, in the unit of its size."""
    table = _BOLD if bold else _PLAIN
    return sum(_of(char, table) for char in text) * size / 1000


def _of(char: str, table: tuple[int, ...]) -> int:
    base = _LIKE.get(char) or unicodedata.normalize("NFD", char)[0]
    place = ord(base) - ord(" ")
    return table[place] if 0 <= place < len(table) else _WIDE


def wrap(text: str, size: float, room: float, *, bold: bool = False) -> list[str]:
    """The text in lines that fit. What is too long for a line is broken as names are read."""
    lines: list[str] = []
    for word in text.split(" "):
        if lines and width(f"{lines[-1]} {word}", size, bold=bold) <= room:
            lines[-1] += f" {word}"
        else:
            lines += _pieces(word, size, room, bold=bold)
    return lines


def _pieces(word: str, size: float, room: float, *, bold: bool) -> Iterator[str]:
    while width(word, size, bold=bold) > room:
        fits = max(1, _fitting(word, size, room, bold=bold))
        under = word.rfind("_", 0, fits) + 1
        yield word[: under or fits]
        word = word[under or fits :]
    yield word


def _fitting(word: str, size: float, room: float, *, bold: bool) -> int:
    """How many characters fit into the room."""
    used = 0.0
    for number, char in enumerate(word):
        used += width(char, size, bold=bold)
        if used > room:
            return number
    return len(word)
