"""A procedure as a page to walk through: pick outcomes and guards, and see where they lead.

One file that needs nothing else: its script and its style are in it, named by their hashes in a
policy that allows no others. It also steps through a report of popheal's.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterable
from functools import cache
from hashlib import sha256
from html import escape
from importlib.resources import files
from typing import Any, Final

from popheal.diagrams import cards
from popheal.diagrams.cards.aloud import joined
from popheal.diagrams.cards.appearance import SCHEMES, STYLE
from popheal.diagrams.graph import graph_of
from popheal.diagrams.walkthrough.data import FORMAT, run_data, table_data
from popheal.tables.run_path import RunPath
from popheal.tables.table import Procedure
from popheal.util.version import __version__

#: Else a text in the data could end the element that it is in.
_IN_SCRIPT: Final = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})


def render(procedure: Procedure, *, path: RunPath | None = None) -> str:
    """The page of a procedure.

    Args:
        procedure: The table.
        path: The way of a run, to be stepped through as the page is opened.
    """
    style = f"{_variables()}{_own('page.css')}"
    script = f"{_own('table.js')}{_own('page.js')}"
    monitors = joined([escape(one) for one in procedure.monitors], "or")
    run = _json_element("run", run_data(procedure, path)) if path else ""
    parts = {
        "policy": _policy([style, STYLE], [script]),
        "version": escape(__version__),
        "format": str(FORMAT),
        "name": escape(procedure.name),
        "lead": f"What is done when {monitors} is unhealthy." if monitors else "",
        "style": style,
        "picture": cards.render(graph_of(procedure), narrow=True),
        "table": _as_json(table_data(procedure)),
        "run": run,
        "script": script,
    }
    first, *rest = _own("page.html").split("{{")
    # In one pass, so that no text is taken for a place where another text belongs.
    filled = (piece.partition("}}") for piece in rest)
    return first + "".join(parts[name] + after for name, _, after in filled)


def _policy(styles: Iterable[str], scripts: Iterable[str]) -> str:
    """What the page may do: run this script and look like this."""
    return (
        f"default-src 'none'; style-src {_hashes(styles)}; script-src {_hashes(scripts)}; "
        "base-uri 'none'; form-action 'none'"
    )


def _hashes(texts: Iterable[str]) -> str:
    digests = (b64encode(sha256(text.encode()).digest()).decode() for text in texts)
    return " ".join(f"'sha256-{digest}'" for digest in digests)


def _json_element(name: str, data: Any) -> str:
    return f'<script type="application/json" id="{name}">{_as_json(data)}</script>\n'


def _as_json(data: Any) -> str:
    return json.dumps(data, ensure_ascii=True, separators=(",", ":")).translate(_IN_SCRIPT)


def _variables() -> str:
    """The colours of pictures, for the page around them."""
    light, dark = (
        "".join(f"--{name}:{colour};" for name, colour in SCHEMES[scheme].items())
        for scheme in ("light", "dark")
    )
    return f":root{{{light}}}@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}\n"


@cache
def _own(name: str) -> str:
    return files(__name__).joinpath(name).read_text("utf-8")
