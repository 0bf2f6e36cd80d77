"""Pictures of cards: whole, legible by day and by night, and always laid out alike."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from functools import cache, partial

import pytest
from attrs import evolve
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from popheal.diagrams import cards, folded, graph_of, overview, render
from popheal.diagrams.cards.appearance import SCHEMES, SMALL
from popheal.diagrams.cards.compose import sheet_of
from popheal.diagrams.cards.lettering import width, wrap
from popheal.errors import DefinitionError, UnknownName
from popheal.healthsets.pop import CLIENT_ACCESS, MAILBOX, PROCEDURES, SETTLE_DEBTS
from popheal.tables.actions import Action, Impact
from popheal.tables.citations import Ours
from popheal.tables.debts import DebtKind
from popheal.tables.palette import FAINT, IMPACTS, PAPER, RECOVERED, TEXT
from popheal.tables.parts import Part
from popheal.tables.table import CANCEL, Guard, Procedure, Verdict, on, otherwise, state
from tests.support.svg import SVG, card_box, check_layout, edges, nodes, texts

TABLES = {**PROCEDURES, SETTLE_DEBTS.name: SETTLE_DEBTS}
NARROW = [(name, part) for name in TABLES for part in range(len(TABLES[name].parts) + 1)]
#: Every picture of the shipped tables, as a call that draws it.
PICTURES = {
    **{name: partial(render, table, "svg") for name, table in TABLES.items()},
    **{
        f"{name}-{part}-narrow": partial(render, TABLES[name], "svg", part=part, narrow=True)
        for name, part in NARROW
    },
    **{
        f"{name}-{part}": partial(render, TABLES[name], "svg", part=part)
        for name, part in NARROW
        if part
    },
    **{f"{name}-overview": partial(overview, table, "svg") for name, table in TABLES.items()},
}


@cache
def picture(name):
    return PICTURES[name]()


# --- all of the table is there -------------------------------------------------------------------


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("narrow", [False, True])
def test_a_picture_shows_everything(name, narrow):
    """Each state, each ending, and each way with its outcomes and why it leads there."""
    table = TABLES[name]
    root = ET.fromstring(render(table, "svg", narrow=narrow))
    graph = graph_of(table)
    assert set(nodes(root)) == {node.name for node in graph.nodes}
    shown = edges(root)
    for edge in graph.edges:
        if len(graph.parts) < 2 or (edge.source, edge.target) in shown:
            words = {f"{one.text.replace('_', ' ')}: {one.why}" for one in edge.labels}
            assert shown[edge.source, edge.target] == words
    said = " ".join(box.words for box in texts(root))
    for node in graph.nodes:
        assert node.name in said


@pytest.mark.parametrize("name", [name for name, one in TABLES.items() if len(one.states) <= 14])
def test_cards_say_every_outcome(name):
    """In words, on the card or beside its arrow; what a card says of debts, too."""
    root = ET.fromstring(render(TABLES[name], "svg"))
    for group in root.iter(f"{SVG}g"):
        if group.get("class") == "edge":
            lines = group.findtext(f"{SVG}title").split("\n")[1:]
            said = " ".join(box.words for box in texts(group))
            for line in lines:
                outcome = line.partition(":")[0].partition(" [")[0]
                assert outcome in said or "whatever comes of it" in said
    for node in graph_of(TABLES[name]).nodes:
        said = " ".join(box.words for box in texts(nodes(root)[node.name]))
        for debt in filter(None, (node.incurs, node.pays)):
            assert f"debt: {debt.value.replace('_', ' ')}" in said
        assert not node.impact or f"{node.impact.value}·" in said.replace(" ", "")


def test_the_parts_together_show_the_whole():
    """Each state is in one part, and each way that is not told by a sign leads on from there."""
    count = len(CLIENT_ACCESS.parts)
    roots = [ET.fromstring(render(CLIENT_ACCESS, "svg", part=n)) for n in range(1, count + 1)]
    shown = [name for root in roots for name in nodes(root)]
    states = [one.name for one in CLIENT_ACCESS.states]
    assert sorted(name for name in shown if name in states) == sorted(states)
    told = {ends for root in roots for ends in edges(root)}
    assert told == {(edge.source, edge.target) for edge in graph_of(CLIENT_ACCESS).edges}


def test_no_line_leads_to_where_a_run_gives_up():
    """A sign stands for it: a letter's states stand below what heals, and say that they give up."""
    root = ET.fromstring(render(CLIENT_ACCESS, "svg"))
    said = [box.words for box in texts(root)]
    assert said.count("Before it gives up") == 2
    places = {name: card_box(group).top for name, group in nodes(root).items()}
    assert places["recovered"] < places["disabling_protocol_logging_unhealed"]
    assert places["escalated"] < places["disabling_protocol_logging_cancelled"]
    assert "A person says stop [logging]" in said


@pytest.mark.parametrize("name", TABLES)
def test_a_sign_stands_for_one_place(name):
    """No two of a state are alike: what is entered from elsewhere has a letter of its own."""
    for graph in (graph_of(TABLES[name]), folded(TABLES[name])):
        for item in sheet_of(graph).items:
            signs = [way.mark for way in item.marks]
            assert len(signs) == len(set(signs)), item.node.name


@pytest.mark.parametrize("name", TABLES)
def test_a_picture_is_read_aloud(name):
    """By itself it has a title and a description: every state, and where each outcome leads."""
    root = ET.fromstring(render(TABLES[name], "svg"))
    title, said = root.find(f"{SVG}title"), root.find(f"{SVG}desc")
    assert root.get("aria-labelledby") == f"{title.get('id')} {said.get('id')}"
    for edge in graph_of(TABLES[name]).edges:
        assert f": {edge.target}." in said.text
    assert root.get("role") == "img"


def test_links_lead_from_part_to_part():
    """And back; a picture with links is no image to who hears it."""
    graph = graph_of(CLIENT_ACCESS)
    root = ET.fromstring(cards.render(graph, links=lambda part: f"p{part}.svg"))
    assert {one.get("href") for one in root.iter(f"{SVG}a")} == {f"p{n}.svg" for n in range(1, 6)}
    part = ET.fromstring(cards.render(graph, part=1, links=lambda part: f"p{part}.svg"))
    assert {one.get("href") for one in part.iter(f"{SVG}a")} == {"p0.svg", "p2.svg"}
    assert part.get("role") == "group"


def test_a_part_that_is_not_there():
    with pytest.raises(UnknownName, match="Known: 1, 2, 3, 4, 5"):
        render(CLIENT_ACCESS, "svg", part=6)
    with pytest.raises(UnknownName, match="format for a path, a part"):
        render(CLIENT_ACCESS, "dot", part=1)


def test_parts_that_do_not_divide_a_table():
    """A state is in one part; a table that says otherwise can't be built."""
    first, *others = CLIENT_ACCESS.parts
    for parts, broken in (
        (others, "is in none of the parts"),
        ([first, first, *others], "is in 2 of the parts"),
        ([first, *others, Part("more", ("nowhere",))], "names 'nowhere', which is not a state"),
    ):
        with pytest.raises(DefinitionError, match=broken):
            evolve(CLIENT_ACCESS, parts=tuple(parts))
    assert evolve(CLIENT_ACCESS, parts=()).hash == CLIENT_ACCESS.hash


# --- laid out ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PICTURES)
def test_nothing_lies_on_anything(name):
    """No words on words, each within its card and on the page, no card on another."""
    check_layout(picture(name))


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_are_legible(name):
    """On a page 1000 pixels wide the smallest words have 11; at 400, those for it have 10."""
    root = ET.fromstring(picture(name))
    wide = float(root.get("width"))
    assert SMALL * min(1, 1000 / wide) >= 11
    assert wide <= 830, "a forge's column, so that it is not shrunk there"
    if "narrow" in name and name != "client_access-0-narrow":
        assert SMALL * 400 / wide >= 10
    sizes = [float(size) for size in re.findall(r"font(?:-size)?:([\d.]+)px", picture(name))]
    assert min(sizes) == SMALL


def test_a_picture_needs_nothing_else():
    """Nothing is fetched, and it is light or dark as its reader has it, but light on paper."""
    for text in map(picture, PICTURES):
        assert set(re.findall(r"\w+://[^\"<\s]+", text)) == {"http://www.w3.org/2000/svg"}
        assert "@media screen and (prefers-color-scheme:dark)" in text
        assert " style=" not in text, "a page may forbid styles of its own to elements"


OUTCOMES = ("done", "failed", "a_rather_long_outcome_of_it", "could_not_tell", "x")
NAMES = st.text("abcdefghij_WM", min_size=1, max_size=40).filter(lambda one: one.strip("_"))
#: Endings, each of a kind of its own.
ENDS = {
    "recovered": Verdict.RECOVERED,
    "escalated": Verdict.ESCALATED,
    "cancelled": Verdict.CANCELLED,
    "put_off": Verdict.HELD,
}


@st.composite
def tables(draw):
    """Tables of anybody's: long names, many ways, guards, debts, parts."""
    names = draw(st.lists(NAMES, min_size=1, max_size=18, unique=True))
    names = [one for one in names if one not in ENDS] or ["only"]
    states = []
    for number, name in enumerate(names):
        ahead = [*names[number + 1 :], *ENDS]
        words = draw(st.lists(st.sampled_from(OUTCOMES), min_size=1, max_size=5, unique=True))
        rows = [on(words[0], ahead[0], Ours("so it goes on"))]
        for word in words[1:]:
            where = draw(st.sampled_from(ahead))
            if draw(st.booleans()):
                guard = draw(st.sampled_from(Guard))
                other = draw(st.sampled_from(ahead))
                rows.append(on(word, where, Ours("D3: so"), given=guard))
                rows.append(on(word, other, Ours("or so"), unless=guard))
            else:
                rows.append(on(word, where, Ours("D3: so")))
        action = Action(
            name="act",
            impact=draw(st.sampled_from([Impact.LOOK, Impact.RESTORE])),
            outcomes=tuple(words),
            incurs=draw(st.sampled_from([None, *DebtKind])),
            pays=draw(st.sampled_from([None, *DebtKind])),
            sentence=draw(st.sampled_from(["Do it", "Do it " + "and then that, too, " * 6])),
        )
        states.append(state(name, action, Ours("because"), *rows))
    cut = draw(st.integers(0, len(names)))
    divided = [(names[:cut], names[cut:]), (names[::2], names[1::2])]
    pieces = [tuple(one) for one in draw(st.sampled_from(divided)) if one]
    return Procedure(
        name=draw(NAMES),
        monitors=tuple(draw(st.lists(NAMES, max_size=3))),
        start=names[0],
        states=tuple(states),
        endings=ENDS,
        on_cancel=(on(CANCEL, "cancelled", Ours("stop")),),
        parts=tuple(Part(f"Part of {len(one)}", one) for one in pieces)
        if draw(st.booleans())
        else (),
    )


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(tables(), st.booleans())
def test_any_table_is_drawn(table, narrow):
    """Whatever its names, ways and debts are: laid out, and whole."""
    root = check_layout(render(table, "svg", narrow=narrow))
    assert set(nodes(root)) == {*table.by_name, *table.endings}
    for part in range(1, len(table.parts) + 1):
        check_layout(render(table, "svg", part=part, narrow=narrow))


def test_a_state_may_lead_upwards():
    """In the table's order a way may lead back up without coming round: its lane does, too."""
    nap = Action(name="nap", impact=Impact.LOOK, outcomes=("over", "woken"))
    table = Procedure(
        name="upwards",
        start="first",
        states=(
            state(
                "first", nap, Ours("x"), on("over", "third", Ours("x")), otherwise("end", Ours("x"))
            ),
            state("second", nap, Ours("x"), otherwise("end", Ours("x"))),
            state(
                "third",
                nap,
                Ours("x"),
                on("over", "second", Ours("x")),
                otherwise("end", Ours("x")),
            ),
        ),
        endings={"end": Verdict.RECOVERED},
        on_cancel=(on(CANCEL, "end", Ours("x")),),
    )
    root = check_layout(render(table, "svg"))
    assert ("third", "second") in edges(root)


def test_words_are_measured_and_broken():
    """As wide as in DejaVu Sans; long names are broken behind an underscore, others anywhere."""
    assert width("Ab", 10) == pytest.approx(6.84 + 6.35)
    assert width("é", 10, bold=True) == width("e", 10, bold=True)
    assert width("漢", 10) == 10
    assert wrap("one two", 10, 1000) == ["one two"]
    assert wrap("disabling_protocol", 10, 70) == ["disabling_", "protocol"]
    assert "".join(wrap("M" * 40, 10, 50)) == "M" * 40
    assert all(width(line, 10) <= 50 for line in wrap("M" * 40, 10, 50))


# --- colours -------------------------------------------------------------------------------------


def channels(colour):
    digits = colour.removeprefix("#")
    digits = digits if len(digits) == 6 else "".join(2 * one for one in digits)
    return [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]


def contrast(one, other):
    """As WCAG 2 has it, of two colours."""
    lights = sorted(
        sum(
            part * (value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4)
            for part, value in zip((0.2126, 0.7152, 0.0722), channels(colour), strict=True)
        )
        for colour in (one, other)
    )
    return (lights[1] + 0.05) / (lights[0] + 0.05)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_words_stand_out(scheme):
    """At least 4.5 to 1, on the page and on each card; icons and outlines at least 3 to 1."""
    colours = SCHEMES[scheme]
    page = colours["page"]
    for impact in Impact:
        ground = colours[f"{impact.value}_fill"]
        for words in ("ink", "soft", "debt", impact.value):
            assert contrast(colours[words], ground) >= 4.5, (impact, words)
            assert contrast(colours[words], page) >= 4.5, (impact, words)
        on_strip = contrast(colours[f"{impact.value}_on"], colours[f"{impact.value}_strip"])
        assert on_strip >= 4.5, impact
    for lines in ("line", "grey", "ink"):
        assert contrast(colours[lines], page) >= 4.5
    assert contrast(colours["page"], colours["restore"]) >= 4.5, "the ending that is filled"


def test_colours_of_the_other_pictures_stand_out():
    """Graphviz and Mermaid write on light grounds; Mermaid does so in a dark page, too."""
    for look in IMPACTS.values():
        assert contrast(TEXT, look.fill) >= 4.5
    assert contrast(FAINT[1], PAPER) >= 4.5
    assert contrast(RECOVERED[1], RECOVERED[0]) >= 4.5
    text = render(MAILBOX, "mermaid")
    theme = json.loads(re.match(r"%%\{init: (.*)\}%%", text)[1])["themeVariables"]
    words = {one for name, one in theme.items() if name.endswith("TextColor")} | {FAINT[1], TEXT}
    for word in words:
        assert contrast(word, theme["edgeLabelBackground"]) >= 4.5
    for ground in (PAPER, "#0d1117", "#1f2020"):  # of forges by day and night, and Mermaid's own
        assert contrast(theme["lineColor"], ground) >= 3
        assert contrast(FAINT[0], ground) >= 3


def test_the_mailbox_picture_has_its_rail():
    """One debt, from where it is left to both states that pay it."""
    (rail,) = re.findall(r'<path class="rail" d="([^"]+)"', render(MAILBOX, "svg"))
    assert rail.count("M") == 3
