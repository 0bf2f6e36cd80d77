"""Pages for a browser, a printer and a screen reader: what all of them have in common.

Each is one file that needs nothing else. It has no script, and says by a policy in its head that
nothing may be loaded from anywhere, and no style but its own be heeded.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable, Iterator
from hashlib import sha256
from html import escape
from typing import Final

from popheal.util.text import one_line
from popheal.util.version import __version__

#: Of every page: colours by the reader's scheme, always light on paper; headings, tables, and what
#: is well, not well, or could not be told. Each of these is told by a word or a sign, too.
_BASE: Final = """
:root { color-scheme: light dark; --ink: #1b1f24; --paper: #fff; --rule: #d5dae0; --soft: #f4f6f8;
  --good: #1a7f37; --bad: #b42318; --unsure: #8a5a00; --dim: #5b6570; }
@media screen and (prefers-color-scheme: dark) { :root { --ink: #e6e9ed; --paper: #14181d;
  --rule: #343b44; --soft: #1d232a; --good: #57c06d; --bad: #ff7b72; --unsure: #e3b341;
  --dim: #9aa4af; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 76rem; padding: 1.5rem; color: var(--ink);
  background: var(--paper); font: 15px/1.45 system-ui, "Segoe UI", sans-serif; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 .25rem; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 2.2rem 0 .5rem; padding-top: .6rem;
  border-top: 2px solid var(--rule); overflow-wrap: anywhere; }
p { margin: .3rem 0; overflow-wrap: break-word; }
table { border-collapse: collapse; width: 100%; margin: .4rem 0 1rem; }
th, td { text-align: left; vertical-align: top; padding: .28rem .6rem;
  border-bottom: 1px solid var(--rule); }
thead th { background: var(--soft); font-weight: 600; }
tbody th { font-weight: 600; }
tr.heading th { background: var(--soft); }
.wide { overflow-x: auto; }
.good { color: var(--good); } .bad { color: var(--bad); } .unsure { color: var(--unsure); }
.dim { color: var(--dim); }
a { color: inherit; }
:focus-visible { outline: 3px solid currentcolor; outline-offset: 2px; }
@media (max-width: 46rem) { body { padding: .8rem; } }
@media print { :root { color-scheme: light; --dim: #444; }
  body { max-width: none; padding: 0; font-size: 10pt; } tr { break-inside: avoid; }
  tr.heading, h2, h3 { break-after: avoid; } thead { display: table-header-group; }
  .wide { overflow: visible; } }
"""


def document(
    title: str, head: Iterable[str], body: Iterable[str], *, style: str, drawn: Iterable[str] = ()
) -> str:
    """A whole page.

    Args:
        title: What it is about, as plain text.
        head: Elements right below the title: in short what it says.
        body: Everything else.
        style: Rules of this page's own, after those of every page.
        drawn: Texts of style elements within the body, which pictures bring along.
    """
    own = _BASE + style
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{_policy([own, *drawn])}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{told(title)}</title>",
            f"<style>{own}</style>",
            "</head>",
            "<body>",
            "<header>",
            f"<h1>{told(title)}</h1>",
            *head,
            "</header>",
            "<main>",
            *body,
            "</main>",
            f'<footer><p class="dim">popheal {escape(__version__)}</p></footer>',
            "</body>",
            "</html>",
            "",
        ]
    )


def _policy(styles: Iterable[str]) -> str:
    digests = (b64encode(sha256(one.encode()).digest()).decode() for one in dict.fromkeys(styles))
    hashes = " ".join(f"'sha256-{digest}'" for digest in digests)
    return f"default-src 'none'; style-src {hashes}; base-uri 'none'; form-action 'none'"


def told(text: str) -> str:
    """A text of whatever origin, to be read as it is: one line, no markup, no controls."""
    return escape(one_line(text))


def anchor(name: str) -> str:
    """What a link within the page calls the part about something."""
    return "about-" + "".join(one if one.isalnum() else "-" for one in name.casefold())


def table(
    about: str, heads: Iterable[str], rows: Iterable[str], *, kind: str = ""
) -> Iterator[str]:
    """A table. Where it is wider than the screen it is scrolled by itself, by keyboard too.

    Args:
        about: What it is called aloud.
        heads: The heads of its columns, as elements or text without markup.
        rows: Its rows, as elements.
        kind: Its class, for rules of one page.
    """
    named = f' class="{kind}"' if kind else ""
    columns = "".join(f'<th scope="col">{one}</th>' for one in heads)
    yield f'<div class="wide" role="region" aria-label="Table: {told(about)}" tabindex="0">'
    yield f"<table{named}><thead><tr>{columns}</tr></thead>"
    yield from ("<tbody>", *rows, "</tbody></table></div>")


def breakable(name: str) -> str:
    """A long name that may be broken at its underscores and dots, and between its words."""
    words = _BEFORE_A_WORD.sub("<wbr>", told(name))
    return words.replace("_", "_<wbr>").replace(".", ".<wbr>")


_BEFORE_A_WORD: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")
