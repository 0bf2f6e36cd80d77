"""A page of tables for a browser or a printer: one file, which loads nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Final

#: Classes by which pages say what they think of something: ``good``, ``bad`` and ``untold``, which
#: is for what could not be told or was not done; and ``dim`` for what is of less weight.
_STYLE: Final = """
:root { color-scheme: light dark; --ink: #1b1f24; --paper: #fff; --rule: #d5dae0; --soft: #f4f6f8;
  --good: #1a7f37; --bad: #b42318; --untold: #8a5a00; --dim: #5b6570; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ed; --paper: #14181d; --rule: #343b44;
  --soft: #1d232a; --good: #57c06d; --bad: #ff7b72; --untold: #e3b341; --dim: #9aa4af; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 84rem; padding: 1.5rem; color: var(--ink);
  background: var(--paper); font: 15px/1.45 system-ui, "Segoe UI", sans-serif; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 2.2rem 0 .5rem; padding-top: .6rem;
  border-top: 2px solid var(--rule); overflow-wrap: anywhere; }
p { margin: .3rem 0; max-width: 60rem; }
table { border-collapse: collapse; width: 100%; margin: .4rem 0 1rem; }
th, td { text-align: left; vertical-align: top; padding: .28rem .6rem;
  border-bottom: 1px solid var(--rule); }
thead th { background: var(--soft); font-weight: 600; }
tbody th { font-weight: 600; }
tr.heading th { background: var(--soft); }
.good { color: var(--good); } .bad { color: var(--bad); } .untold { color: var(--untold); }
.dim { color: var(--dim); }
a { color: inherit; }
@media print { :root { --ink: #000; --paper: #fff; --rule: #bbb; --soft: #f0f0f0; --good: #116329;
  --bad: #a40e26; --untold: #7a4e00; --dim: #444; color-scheme: light; }
  body { max-width: none; padding: 0; font-size: 9.5pt; } tr { break-inside: avoid; }
  tr.heading, h2 { break-after: avoid; } thead { display: table-header-group; } }
"""


def page(title: str, body: Iterable[str], *, style: str) -> str:
    """The whole page.

    Args:
        title: What it is called and headed.
        body: Its HTML after the heading, line by line, with everything escaped.
        style: Rules of its own, after those of every page.
    """
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(title)}</title>",
            f"<style>{_STYLE}{style}</style>",
            "</head>",
            "<body>",
            f"<h1>{escape(title)}</h1>",
            *body,
            "</body>",
            "</html>",
            "",
        ]
    )


def anchor(server: str) -> str:
    """What a link on the page to a server leads to."""
    return "server-" + "".join(one if one.isalnum() else "-" for one in server.casefold())
