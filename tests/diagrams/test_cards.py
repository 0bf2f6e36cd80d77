"""The pictures of README and documentation: whole, up to date, and legible by day and by night."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
import xml.etree.ElementTree as ET

import pytest

from popheal.diagrams import folded
from popheal.healthsets.pop import PROCEDURES
from popheal.tables.actions import Impact
from tests.support.paths import ROOT

STATIC = ROOT / "docs" / "_static"
PICTURES = ("client_access", "mailbox")
SCHEMES = runpy.run_path(str(ROOT / "docs" / "_ext" / "card_style.py"))["SCHEMES"]
SVG = "{http://www.w3.org/2000/svg}"


def read(name):
    return (STATIC / f"{name}.svg").read_text("utf-8")


def groups(name, kind):
    """Each group of a kind: the lines of its title, and its words that are no small print."""
    for group in ET.fromstring(read(name)).iter(f"{SVG}g"):
        if kind in group.get("class").split():
            texts = [one.text for one in group.iter(f"{SVG}text") if one.get("class") != "s"]
            yield group.findtext(f"{SVG}title").split("\n"), texts


def plain(words):
    return words.replace("_", " ").replace("\u00a0", " ")


def test_committed_pictures_are_up_to_date(tmp_path):
    """``python docs/_ext/cards.py`` would change nothing, to the byte."""
    subprocess.run([sys.executable, ROOT / "docs/_ext/cards.py", tmp_path], check=True)
    assert sorted(path.stem for path in tmp_path.iterdir()) == list(PICTURES)
    assert sorted(path.stem for path in STATIC.glob("*.svg")) == list(PICTURES)
    for name in PICTURES:
        assert (tmp_path / f"{name}.svg").read_bytes() == (STATIC / f"{name}.svg").read_bytes()


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_show_everything(name):
    """Each card with what it says, each way with its outcomes, and why; nothing else."""
    graph = folded(PROCEDURES[name])
    cards = {title[0]: " ".join(texts) for title, texts in groups(name, "node")}
    assert [node.name for node in graph.nodes] == list(cards)
    for node in graph.nodes:
        assert not node.impact or f"{node.name} {node.says} " in cards[node.name]
        for debt in filter(None, (node.incurs, node.pays)):
            assert f"debt: {plain(debt.value)}" in cards[node.name]
    ways = [*graph.edges, *graph.cancels]
    drawn = [
        (title[0], title[1:], set(re.split(r", | or ", " ".join(texts))))
        for title, texts in groups(name, "edge")
    ]
    assert sorted((title, why, sorted(map(plain, words))) for title, why, words in drawn) == sorted(
        (
            f"{way.source}->{way.target}",
            way.why.split("\n"),
            sorted(plain(one.text) for one in way.labels),
        )
        for way in ways
    )


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_are_read_aloud(name):
    """By themselves they have a title and a description, with every state and where it leads."""
    root = ET.fromstring(read(name))
    said = root.findtext(f"{SVG}desc")
    assert root.findtext(f"{SVG}title") == folded(PROCEDURES[name]).title
    for edge in folded(PROCEDURES[name]).edges:
        assert f": {edge.target}." in said
        assert plain(edge.labels[0].text) in plain(said)


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_are_legible_in_a_column(name):
    """A forge's column is 830 pixels wide, so they are not shrunk; nothing is fetched."""
    text = read(name)
    assert int(ET.fromstring(text).get("width")) <= 830
    sizes = [float(size) for size in re.findall(r"font(?:-size)?:([\d.]+)px", text)]
    assert min(sizes) >= 12
    assert re.findall(r"\w+://[^\"<\s]+", text) == ["http://www.w3.org/2000/svg"]
    assert "@media screen and (prefers-color-scheme:dark)" in text


# --- colours -------------------------------------------------------------------------------------


def channels(colour):
    digits = colour.removeprefix("#")
    digits = digits if len(digits) == 6 else "".join(2 * one for one in digits)
    return [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]


def contrast(one, other):
    """As WCAG 2 has it, of two colours as channels from 0 to 1."""
    lights = sorted(
        sum(
            part * (value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4)
            for part, value in zip((0.2126, 0.7152, 0.0722), colour, strict=True)
        )
        for colour in (one, other)
    )
    return (lights[1] + 0.05) / (lights[0] + 0.05)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_words_stand_out(scheme):
    """At least 4.5 to 1, on the page and on a card, whose colour is half that of the page."""
    colours = {what: channels(colour) for what, colour in SCHEMES[scheme].items()}
    page = colours["page"]
    for impact in Impact:
        fill = zip(colours[f"{impact.value}_fill"], page, strict=True)
        card = [(one + other) / 2 for one, other in fill]
        for words in ("ink", "soft", "debt", impact.value):
            assert contrast(colours[words], card) >= 4.5, (impact, words)
            assert contrast(colours[words], page) >= 4.5, (impact, words)
