"""How the documentation is built: ``sphinx-build -n -W -b html docs docs/_build/html``.

Nothing is fetched from the network, when building or when reading.
"""

from __future__ import annotations

import re
import sys
from enum import Enum
from pathlib import Path
from typing import Any

import popheal

project = "popheal"
author = "the popheal maintainers"
project_copyright = "the popheal maintainers"
version = release = popheal.__version__

here = Path(__file__).parent
sys.path[:0] = [str(here / "_ext"), str(here.parent)]  # the extension; tests.evidence

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "popheal.diagrams.sphinx_directive",
    "proofs",
]
exclude_patterns = ["_build", "_ext"]
default_role = "code"

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

html_theme = "furo"
html_title = "popheal"
html_static_path = ["_static"]
html_css_files = ["popheal.css"]
html_js_files = ["popheal.js"]
html_copy_source = False
html_show_sourcelink = False

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
autodoc_default_options = {"members": True, "undoc-members": True}
python_maximum_signature_line_length = 79
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False

# No network, so no inventories of other projects: their names can't be links.
nitpick_ignore_regex = [
    ("py:.*", r"(collections|datetime|enum|pathlib|threading|typing|pytest|asyncio)\..*"),
    ("py:.*", r"(transitions|attrs|attr|structlog|starlette|logging)(\..*)?"),
    # Names in docstrings that are public elsewhere, or not at all.
    (
        "py:class",
        (
            r"popheal\.backends\.simulated\.(history\.H|faults\.Fault|random_scenarios\.Chooser"
            r"|probes\.Running|world\.Pending)"
        ),
    ),
    (
        "py:class",
        r"datetime|Flag|Session|Triage|popheal\.tables\.(table\._Otherwise|actions\.T|reachability\.N)",
    ),
    ("py:.*", r"popheal\.(serve\.desk\.T|watch\.carrier\.\w+)"),
    ("py:class", r"Ask|contextlib\.AbstractContextManager"),
    ("py:class", r"CollectorRegistry|TracerProvider|popheal\.engine\.triage\.health\.Rows"),
    ("py:class", r"os\.PathLike|popheal\.journal\.(database\.Database|lease\.\w+)"),
    ("py:class", r"popheal\.backends\.(simulated\.world\.World|psrp\.settings\.Target)"),
    ("py:class", r"tuple\[~typing\.Annotated.*"),
    ("py:class", r"popheal\.backends\.simulated\.scenario\.ExpectedDebt"),
    ("py:class", r"popheal\.verify\.(model|traces)\.\w+|popheal\.audit\.records\.\w+Story"),
    ("py:.*", r"(AUTHS|DefinitionError|RebootCommanded|certificate_pem|reveal)"),
]


def _described(app: Any, what: str, name: str, obj: Any, _options: Any, lines: list[str]) -> None:
    """Give each attribute of a class the words that the class's docstring has for it.

    So that an attribute is shown once, with its type and with what it is.
    """
    described: dict[str, list[str]] = app.described
    if what == "attribute" and name in described:
        lines[:] = [*described[name], ""]
    elif what == "attribute" and type(obj).__name__ == "member_descriptor":
        lines[:] = []  # a slot has no words of its own
    elif what in ("class", "exception") and "Attributes:" in lines:
        start = end = lines.index("Attributes:")
        latest: list[str] = []
        for line in [*lines[start + 1 :], "the end"]:
            end += 1
            entry = re.match(r" {4}(\w+(?:, \w+)*): +(.*)", line)
            if entry:
                latest = [entry[2]]
                described.update({f"{name}.{one}": latest for one in entry[1].split(", ")})
            elif line.startswith("     "):
                latest.append(line.strip())
            elif line.strip():
                break
        del lines[start:end]


def _with_defaults(
    _app: Any, what: str, _name: str, obj: Any, _options: Any, signature: Any, returns: Any
) -> tuple[Any, Any] | None:
    """Put the defaults of an attrs class into its signature, where attrs has only names."""
    if what != "class" or not signature or not hasattr(obj, "__attrs_attrs__"):
        return None
    defaults = {one.name: one.default for one in obj.__attrs_attrs__}

    def shown(match: re.Match[str]) -> str:
        value = defaults[match[1]]
        if isinstance(value, Enum):
            return f"{type(value).__name__}.{value.name}"
        plain = value is None or isinstance(value, (bool, int, float, str, tuple))
        return repr(value) if plain else "..."

    signature = re.sub(r"attr_dict\['(\w+)'\]\.default", shown, signature)
    return signature.replace("= NOTHING", "= ..."), returns


def _slugs_of_errata(app: Any, _doctree: Any) -> None:
    """An erratum is linked to by its number, whatever its title says."""
    slugs = app.env.metadata[app.env.docname].get("myst_slugs", {})
    for slug, place in list(slugs.items()):
        erratum = re.match(r"d\d+(?=-)", slug)
        if erratum:
            slugs[erratum[0]] = place


def setup(app: Any) -> None:
    """Keep napoleon from reading a sentence with a colon as a type with its description."""
    kept: dict[str, list[str]] = {}

    def keep(_app: Any, what: str, name: str, _obj: Any, _options: Any, lines: list[str]) -> None:
        if what in ("attribute", "data", "property"):
            kept[name] = list(lines)

    def give_back(_app: Any, _what: str, name: str, _obj: Any, _options: Any, lines: Any) -> None:
        if name in kept:
            lines[:] = kept.pop(name)

    app.described = {}
    app.connect("autodoc-process-docstring", _described, priority=0)
    app.connect("autodoc-process-signature", _with_defaults)
    app.connect("doctree-read", _slugs_of_errata)
    app.connect("autodoc-process-docstring", keep, priority=1)
    app.connect("autodoc-process-docstring", give_back, priority=999)
