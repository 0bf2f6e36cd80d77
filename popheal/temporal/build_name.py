"""What a version of the engine's workers is called: by what a replay depends on.

A healing that is open keeps to the build that it has begun with. So the name must change whenever
the tables do, or anything else that decides what is asked next.
"""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Final

from popheal.temporal.own_tables import tables
from popheal.util.version import __version__

#: The name of the deployment, for all builds.
DEPLOYMENT: Final = "popheal"
#: Packages and modules of popheal that workflow code runs through.
_DECIDE: Final = (
    "engine",
    "errors.py",
    "exchange",
    "healthsets",
    "journal",
    "policy",
    "reports",
    "second_opinion",
    "tables",
    "temporal",
    "util",
)
_DIGITS: Final = 12


def build_id() -> str:
    """popheal's version, and a hash over the tables and the code that carries them out."""
    return build_of(tuple(f"{name} {table.hash}" for name, table in sorted(tables().items())))


@cache
def build_of(tables_known: tuple[str, ...]) -> str:
    """Likewise, by the names and hashes of the tables."""
    root = Path(__file__).parent.parent
    digest = sha256()
    for known in tables_known:
        digest.update(f"{known}\n".encode())
    for place in _DECIDE:
        found = root / place
        for file in sorted(found.rglob("*.py")) if found.is_dir() else [found]:
            digest.update(f"{file.relative_to(root).as_posix()}\n".encode())
            digest.update(file.read_bytes())
    return f"{__version__}-{digest.hexdigest()[:_DIGITS]}"
