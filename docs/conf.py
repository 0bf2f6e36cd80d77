"""How the documentation is built: ``sphinx-build -n -W -b html docs docs/_build/html``.

Nothing is fetched from the network, when building or when reading.
"""

from __future__ import annotations

from typing import Any

import popheal

project = "popheal"
author = "the popheal maintainers"
project_copyright = "the popheal maintainers"
version = release = popheal.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
default_role = "code"

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

html_theme = "furo"
html_title = "popheal"
html_static_path = ["_static"]
html_css_files = ["popheal.css"]
html_copy_source = False
html_show_sourcelink = False

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_preserve_defaults = True
autodoc_class_signature = "separated"
autodoc_default_options = {"members": True, "exclude-members": "__init__,__new__"}
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False

# No network, so no inventories of other projects: their names can't be links.
nitpick_ignore_regex = [
    ("py:.*", r"(collections|datetime|enum|pathlib|threading|typing|pytest|asyncio)\..*"),
    ("py:.*", r"(transitions|attrs|attr|structlog|logging)(\..*)?"),
    # Names in docstrings that are public elsewhere, or not at all.
    ("py:class", r"popheal\.backends\.simulated\.(history\.H|faults\.Fault|randomised\.Chooser)"),
    ("py:.*", r"(AUTHS|DefinitionError|RebootCommanded|certificate_pem|reveal)"),
]


def setup(app: Any) -> None:
    """Keep napoleon from reading a sentence with a colon as a type with its description."""
    kept: dict[str, list[str]] = {}

    def keep(_app: Any, what: str, name: str, _obj: Any, _options: Any, lines: list[str]) -> None:
        if what in ("attribute", "data", "property"):
            kept[name] = list(lines)

    def give_back(_app: Any, _what: str, name: str, _obj: Any, _options: Any, lines: Any) -> None:
        if name in kept:
            lines[:] = kept.pop(name)

    app.connect("autodoc-process-docstring", keep, priority=1)
    app.connect("autodoc-process-docstring", give_back, priority=999)
