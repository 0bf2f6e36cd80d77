"""Reading pages: whether they are whole, what they say, and what they would load."""

from __future__ import annotations

import re
from base64 import b64encode
from collections import Counter
from hashlib import sha256
from html.parser import HTMLParser

#: Elements without an end.
_VOID = ("br", "link", "meta", "wbr")


class Page(HTMLParser):
    """A page that was read.

    Attributes:
        texts: What it says, piece by piece.
        links: What it links to, or would load.
        ids: What parts of it are called.
        headings: The levels of its headings, in order.
    """

    def __init__(self, text):
        super().__init__()
        self.open, self.texts, self.links, self.ids, self.headings = [], [], [], [], []
        self.named, self.styles, self.elements, self.policy = [], [], Counter(), ""
        self.feed(text)
        assert self.open == [], "each element is closed"
        assert len(self.ids) == len(set(self.ids)), "each id is there once"
        assert {name for one in self.named for name in one.split()} <= set(self.ids)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.elements[tag] += 1
        assert not [name for name in given if name.startswith("on") or name == "style"]
        if tag not in _VOID:
            self.open.append(tag)
        if given.get("http-equiv") == "Content-Security-Policy":
            self.policy = given["content"]
        self.links += [given[name] for name in ("href", "src") if name in given]
        self.ids += [given["id"]] if "id" in given else []
        self.named += [given["aria-labelledby"]] if "aria-labelledby" in given else []
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in _VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        (self.styles if "style" in self.open else self.texts).append(data)

    @property
    def said(self):
        """What it says, as one text."""
        return " ".join("".join(self.texts).split())


def require_whole(text):
    """See that a page is whole, has the landmarks of all, and loads nothing; returns it, read."""
    page = Page(text)
    assert all(page.elements[one] == 1 for one in ("h1", "header", "main", "footer"))
    assert page.headings[0] == 1
    steps = zip(page.headings, page.headings[1:], strict=False)
    assert all(later <= before + 1 for before, later in steps), "no level is left out"
    assert {one[1:] for one in page.links if one.startswith("#")} <= set(page.ids)
    assert not page.elements["script"] + page.elements["img"] + page.elements["link"]
    assert not re.search(r"url\(|@import|\x1b", text)
    assert "default-src 'none'" in page.policy
    for style in page.styles:
        digest = b64encode(sha256(style.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in page.policy, "else a browser does not heed it"
    assert "prefers-color-scheme: dark" in text
    assert "@media print" in text
    return page
