"""Reading pictures of cards: their words as boxes, their states, and their lines."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from itertools import combinations

from attrs import frozen

from popheal.diagrams.cards.appearance import NAME, SENTENCE, SMALL, TITLE
from popheal.diagrams.cards.lettering import width

SVG = "{http://www.w3.org/2000/svg}"
#: The size that a class gives to words; bold by the others.
SIZES = {"t": TITLE, "n": NAME, "o": SMALL, "w": SMALL, "s": SMALL}
BOLD = {"n", "t", "b", "w"}


@frozen
class Box:
    """What words, or a card, take up."""

    words: str
    left: float
    top: float
    right: float
    bottom: float

    def overlaps(self, other):
        """Whether they have more in common than an edge."""
        across = min(self.right, other.right) - max(self.left, other.left)
        along = min(self.bottom, other.bottom) - max(self.top, other.top)
        return across > 0.5 and along > 0.5

    def holds(self, other):
        """Whether the other one is within."""
        return (
            self.left <= other.left
            and self.top <= other.top
            and other.right <= self.right + 0.5
            and other.bottom <= self.bottom
        )


def size_of(classes):
    """The size of words, and whether they are bold."""
    size = next((SIZES[one] for one in classes if one in SIZES), SENTENCE)
    return size, bool(BOLD & set(classes))


def box_of(text):
    """The box of a text element."""
    classes = text.get("class", "").split()
    size, bold = size_of(classes)
    wide = width(text.text or "", size, bold=bold)
    for span in text.iter(f"{SVG}tspan"):
        wide += float(span.get("dx")) + width(span.text or "", SMALL)
    x, y = float(text.get("x")), float(text.get("y"))
    left = x - wide / 2 if "m" in classes else x
    words = "".join(text.itertext())
    return Box(words, left, y - 0.75 * size, left + wide, y + 0.22 * size)


def texts(element):
    """Every box of words below an element."""
    return [box_of(one) for one in element.iter(f"{SVG}text")]


def nodes(root):
    """The group of each state and ending, by name."""
    return {
        title_of(group)[0]: group
        for group in root.iter(f"{SVG}g")
        if "node" in group.get("class", "").split()
    }


def title_of(group):
    """The lines of a group's title."""
    return (group.findtext(f"{SVG}title") or "").split("\n")


def edges(root):
    """Each way that is told: its ends, and its outcomes with what the runbook says of each."""
    found = {}
    for group in root.iter(f"{SVG}g"):
        if group.get("class") == "edge":
            ends, *whys = title_of(group)
            found.setdefault(tuple(ends.split("->")), set()).update(whys)
    return found


def card_box(group):
    """The box of the outline of a state, or of an ending."""
    pill = group.find(f"{SVG}rect[@class='pill']")
    if pill is not None:
        x, y, wide, high = (float(pill.get(one)) for one in ("x", "y", "width", "height"))
        return Box("", x, y, x + wide, y + high)
    (card,) = [one for one in group.iter(f"{SVG}path") if one.get("class") == "card"]
    xs, ys, x, y = [], [], 0.0, 0.0
    for command, numbers in re.findall(r"([MHVLlaZ])([^MHVLlaZ]*)", card.get("d")):
        values = [float(one) for one in re.findall(r"-?[\d.]+", numbers)]
        if command == "M":
            x, y = values
        elif command == "H":
            (x,) = values
        elif command == "V":
            (y,) = values
        elif command in "la":
            x, y = x + values[-2], y + values[-1]
        xs.append(x)
        ys.append(y)
    return Box("", min(xs), min(ys), max(xs), max(ys))


def compartment(group):
    """Where the compartment of ways out begins; 0 if a card has none."""
    found = [one for one in group.iter(f"{SVG}path") if one.get("class") == "page"]
    return float(re.match(r"M(-?[\d.]+) ", found[0].get("d"))[1]) if found else 0


def check_layout(svg):
    """No words on other words, none beyond its card or the page, no card on another."""
    root = ET.fromstring(svg)
    page = Box("", 0, 0, float(root.get("width")), float(root.get("height")))
    boxes = texts(root)
    for one in boxes:
        assert page.holds(one), one
    for one, other in combinations(boxes, 2):
        assert not one.overlaps(other), (one, other)
    cards = {name: card_box(group) for name, group in nodes(root).items()}
    for one, other in combinations(cards.values(), 2):
        assert not one.overlaps(other)
    for name, group in nodes(root).items():
        inner = compartment(group)
        for one in group.iter(f"{SVG}text"):
            if "flagged" in one.get("class", ""):  # lies on the edge of its card
                continue
            box = box_of(one)
            assert cards[name].holds(box), (name, box, cards[name])
            assert box.left >= inner or box.right <= inner, (name, box, "reaches into the other")
    return root
