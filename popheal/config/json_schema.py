"""JSON Schema of the configuration, for editors of TOML: made of the tables that it is read by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from attrs import fields_dict

from popheal.backends.psrp.settings import Connection
from popheal.config.load import DEPENDENCIES, TABLES, WatchSettings
from popheal.config.load import NotifySettings as Notify
from popheal.exchange.names import SERVERS
from popheal.policy.policy import Policy
from popheal.second_opinion import SecondOpinion
from popheal.tables.actions import Impact
from popheal.tables.timing import Timing
from popheal.util.json_schema import Json, default_of, descriptions, document, of_keys
from popheal.util.schema import keys_of

#: Grows if a key changes its meaning.
FORMAT: Final = 1

#: Whose attributes say what the keys of a table are.
_RECORDS: Final[Mapping[str, type[Any]]] = {
    "exchange": Connection,
    "winrm": Connection,
    "policy": Policy,
    "timing": Timing,
    "watch": WatchSettings,
    "notify": Notify,
    "second_opinion": SecondOpinion,
}
_EFFECT: Final[Json] = {"enum": [Impact.CHANGE.value, Impact.DISRUPT.value]}


def configuration_schema() -> dict[str, Any]:
    """Of a configuration. What it can't tell, such as whether a file is there, popheal says."""
    properties = {name: _table(name) for name in TABLES}
    properties["addresses"] = {"type": "object", "additionalProperties": {"type": "string"}}
    body = {"type": "object", "additionalProperties": False, "properties": properties}
    return document("configuration", FORMAT, "The configuration of popheal", body)


def _table(name: str) -> Json:
    keys, record = TABLES[name], _RECORDS.get(name)
    dependencies = of_keys(DEPENDENCIES, {}, {})
    instead = {Impact: _EFFECT, keys_of(Policy)["dependencies"].kind: dependencies}
    schema = of_keys(keys, descriptions(record) if record else {}, instead)
    for key, one in schema["properties"].items():
        if keys[key].rule is SERVERS:
            one |= {"type": "array", "items": {"type": "string"}, "minItems": 1}
        # What a connection is by default depends on which of the two it is.
        known = record is not None and record is not Connection and key in fields_dict(record)
        if record and known and (default := default_of(record, key)) is not None:
            one["default"] = default
    return schema
