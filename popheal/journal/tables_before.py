"""The tables of version 0.1.0, which wrote the journals of version 1 and kept none in them."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any, Final

_FILE: Final = "tables_of_0_1_0.json"


def tables_before() -> dict[str, Any]:
    """The tables that journals of version 1 mean, by hash, as JSON values."""
    text = resources.files(__package__).joinpath(_FILE).read_text("utf-8")
    tables: dict[str, Any] = json.loads(text)
    return tables
