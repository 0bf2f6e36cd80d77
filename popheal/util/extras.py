"""Packages that only some need, and how whoever lacks one gets it: from where popheal came."""

from __future__ import annotations

import json
from importlib.metadata import PackageNotFoundError, distribution
from typing import Any, Final

#: The extra that a package is part of.
EXTRA_OF: Final = {
    "apprise": "notify",
    "click": "cli",
    "gssapi": "kerberos",
    "keyring": "keyring",
    "opentelemetry": "tracing",
    "prometheus_client": "metrics",
    "psrpcore": "lab",
    "rich": "cli",
    "starlette": "serve",
    "temporalio": "temporal",
    "uvicorn": "serve",
}


def how_to_install(extra: str) -> str:
    """A sentence with the command that adds an extra to the popheal that is installed.

    It may have come from a folder, a file or a repository, and be in no index of packages: so the
    installation is asked where that was.
    """
    return f"Install the extra '{extra}': pip install {_requirement(extra)}"


def _requirement(extra: str) -> str:
    origin = _origin()
    url = origin.get("url", "")
    if not url:
        return f"'popheal[{extra}]', with the options by which popheal was installed."
    if "dir_info" in origin:
        editable = "-e " if origin["dir_info"].get("editable") else ""
        return f"{editable}'{_path(url)}[{extra}]'"
    if "vcs_info" in origin:
        vcs = origin["vcs_info"]
        url = f"{vcs['vcs']}+{url}@{vcs['commit_id']}"
    return f"'popheal[{extra}] @ {url}'"


def _path(url: str) -> str:
    from urllib.parse import urlsplit
    from urllib.request import url2pathname

    return url2pathname(urlsplit(url).path)


def _origin() -> dict[str, Any]:
    """What the installer wrote down, by PEP 610; empty where that was an index."""
    try:
        found = json.loads(distribution("popheal").read_text("direct_url.json") or "{}")
    except (PackageNotFoundError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
