"""JSON Schema (2020-12), made of the attrs classes and rules themselves.

Of records as :func:`~popheal.util.serialize.to_jsonable` writes them, and of what a table of a file
may hold.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Union, get_args, get_origin, get_type_hints

from attrs import fields, has

from popheal.util.schema import FLAG, TEXT, TEXTS, Key, Rule, keys_of
from popheal.util.schema import Schema as Keys

Json = dict[str, Any]
#: Says otherwise of a type than it says itself: as a hook of a reader does.
Instead = Mapping[Any, Json]

_DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"
_PLAIN: Final[Mapping[Any, Json]] = {
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    datetime: {"type": "string", "format": "date-time"},
    Any: {},
}
_OF_RULES: Final[Mapping[Rule, Json]] = {
    TEXT: {"type": "string", "pattern": r"\S"},
    TEXTS: {"type": "array", "items": {"type": "string", "pattern": r"\S"}},
    FLAG: {"type": "boolean"},
}


def document(name: str, version: int, title: str, body: Json) -> Json:
    """A whole schema.

    Args:
        name: What it is the schema of.
        version: Grows if a key of such a document changes its meaning.
        title: The same in words.
        body: What it says.
    """
    return {"$schema": _DRAFT, "$id": f"urn:popheal:{name}:{version}", "title": title, **body}


# --- what is written -----------------------------------------------------------------------------


def of_record(kind: type[Any], defs: Json) -> Json:
    """Of a record; what it refers to is added to the definitions."""
    if kind.__name__ not in defs:
        defs[kind.__name__] = {}  # so that it can refer to itself
        defs[kind.__name__] = _record(kind, defs)
    return {"$ref": f"#/$defs/{kind.__name__}"}


def _record(kind: type[Any], defs: Json) -> Json:
    kinds = get_type_hints(kind)
    said = descriptions(kind)
    found = [one for one in fields(kind) if one.init]
    return {
        "type": "object",
        "additionalProperties": False,
        # A key that was added later is left out where it says nothing.
        "required": [one.name for one in found if not one.metadata.get("popheal_added")],
        "properties": {
            one.name: _with(of_type(kinds[one.name], defs), said.get(one.name)) for one in found
        },
    }


def _with(schema: Json, description: str | None) -> Json:
    return {**schema, "description": description} if description else schema


def of_type(kind: Any, defs: Json) -> Json:
    """Of a value of that type; likewise."""
    if kind in _PLAIN:
        return dict(_PLAIN[kind])
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return {"anyOf": [of_type(one, defs) for one in inner]}
    if kind is NoneType:
        return {"type": "null"}
    if origin is tuple:
        return {"type": "array", "items": of_type(inner[0], defs)}
    if origin in (dict, Mapping):
        return {"type": "object", "additionalProperties": of_type(inner[1], defs)}
    if issubclass(kind, Enum):
        return {"enum": [one.value for one in kind]}
    return of_record(kind, defs)


def descriptions(kind: type[Any]) -> Mapping[str, str]:
    """What the docstring of a class, and those of its bases, say of each of its attributes."""
    found: dict[str, str] = {}
    for one in reversed(kind.__mro__):
        section = inspect.cleandoc(one.__doc__ or "").partition("Attributes:\n")[2]
        for name, text in re.findall(r"^    (\w+): (.+(?:\n {8}.+)*)", section, re.MULTILINE):
            found[name] = " ".join(re.sub(r":\w+(?::\w+)?:`~?([^`]+)`|`", r"\1", text).split())
    return found


# --- what may stand in a file --------------------------------------------------------------------


def of_keys(keys: Keys, about: Mapping[str, str], instead: Instead) -> Json:
    """Of a table with these keys.

    Args:
        keys: The keys.
        about: What each is, in words.
        instead: Types that are read in another way than their class says.
    """
    return {
        "type": "object",
        "additionalProperties": False,
        "required": [name for name, key in keys.items() if key.required],
        "properties": {
            name: _with(_of_key(key, instead), about.get(name)) for name, key in keys.items()
        },
    }


def _of_key(key: Key, instead: Instead) -> Json:
    inner = get_args(key.kind)
    kind = inner[0] if NoneType in inner and key.kind not in instead else key.kind
    if kind in instead:
        return dict(instead[kind])
    if key.rule is None:
        return _read(kind, instead)
    return _of_rule(key.rule, lambda: _read(kind, instead))


def _of_rule(rule: Rule, otherwise: Callable[[], Json]) -> Json:
    """As exact as a rule can be told; what is right stands there in words in any case."""
    if rule.words:
        return {"enum": list(rule.words)}
    schema = dict(_OF_RULES.get(rule) or otherwise())
    bounds = {"minimum": rule.least, "maximum": rule.most}
    schema |= {name: bound for name, bound in bounds.items() if bound is not None}
    return {**schema, "$comment": f"Give {rule.right}."}


def _read(kind: Any, instead: Instead) -> Json:
    if kind in instead:
        return dict(instead[kind])
    if kind in _PLAIN:
        return dict(_PLAIN[kind])
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _of_rule(inner[1], lambda: _read(inner[0], instead))
    if origin in (Union, UnionType):
        return {"anyOf": [_read(one, instead) for one in inner if one is not NoneType]}
    if origin in (tuple, list, frozenset):
        return {"type": "array", "items": _read(inner[0], instead)}
    if origin in (dict, Mapping):
        return {"type": "object", "additionalProperties": _read(inner[1], instead)}
    if has(kind):
        return of_keys(keys_of(kind), descriptions(kind), instead)
    if issubclass(kind, Enum):
        return {"enum": [one.value for one in kind]}
    return {"type": "string"}


def default_of(kind: type[Any], name: str) -> Any:
    """What a key is where it isn't there, as a plain value; None where that can't be told so."""
    default = next(one.default for one in fields(kind) if one.name == name)
    if isinstance(default, Enum):
        default = default.value
    return default if isinstance(default, (bool, int, float, str)) else None
