"""The table that an argument names: one of popheal's own, or somebody's as ``MODULE:NAME``."""

from __future__ import annotations

import importlib
import sys

from popheal.errors import UnknownName
from popheal.healthsets.pop import procedure_named
from popheal.tables.table import Procedure


def table_named(name: str) -> Procedure:
    """One of ours by its name, or somebody's own as ``module:name``. Raises UnknownName."""
    module_name, colon, attribute = name.partition(":")
    if not colon:
        return procedure_named(name)
    sys.path.insert(0, "")  # a table of one's own lies where one works
    try:
        found = getattr(importlib.import_module(module_name), attribute, None)
    except ImportError as error:
        raise UnknownName(kind="module", name=module_name) from error
    finally:
        sys.path.remove("")
    if not isinstance(found, Procedure):
        raise UnknownName(kind=f"procedure in the module {module_name}", name=attribute)
    return found
