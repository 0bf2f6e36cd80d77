"""As much of JSON Schema as the project's schemas use, and no more: what it does not know fails."""

from __future__ import annotations

import re

_KINDS = {
    "object": dict,
    "array": list,
    "string": str,
    "number": (int, float),
    "integer": int,
    "boolean": bool,
    "null": type(None),
}
#: What says nothing about what is accepted.
_NOTES = {"$schema", "$id", "$defs", "$comment", "title", "description", "default", "format"}
_KNOWN = {
    *_NOTES,
    *("$ref", "enum", "const", "anyOf", "oneOf", "type", "properties", "required"),
    *("additionalProperties", "items", "pattern", "minimum", "maximum", "minItems"),
}


def misfits(value, schema, whole=None, at="$"):
    """Each place at which a value is not what a schema says; none if it fits."""
    whole = whole or schema
    assert set(schema) <= _KNOWN, set(schema) - _KNOWN
    if "$ref" in schema:
        schema = {**schema, **whole["$defs"][schema["$ref"].rpartition("/")[2]]}
    if not _is_of_type(value, schema.get("type")):
        yield at
        return
    if value not in schema.get("enum", [value]) or value != schema.get("const", value):
        yield at
    for word, most in (("anyOf", 99), ("oneOf", 1)):
        fitting = [one for one in schema.get(word, ()) if not [*misfits(value, one, whole, at)]]
        if word in schema and not 1 <= len(fitting) <= most:
            yield at
    for kind, more in ((dict, _of_object), (list, _of_list), (str, _of_text), (float, _of_number)):
        if isinstance(value, kind) or (kind is float and isinstance(value, int)):
            yield from more(value, schema, whole, at)


def _is_of_type(value, name):
    flag = isinstance(value, bool) and name in ("number", "integer")
    return name is None or (isinstance(value, _KINDS[name]) and not flag)


def _of_list(value, schema, whole, at):
    if len(value) < schema.get("minItems", 0):
        yield at
    for number, one in enumerate(value):
        yield from misfits(one, schema.get("items", {}), whole, f"{at}[{number}]")


def _of_text(value, schema, whole, at):
    if not re.search(schema.get("pattern", ""), value):
        yield at


def _of_number(value, schema, whole, at):
    if not schema.get("minimum", value) <= value <= schema.get("maximum", value):
        yield at


def _of_object(value, schema, whole, at):
    properties, more = schema.get("properties", {}), schema.get("additionalProperties", True)
    yield from (f"{at}.{name}" for name in schema.get("required", ()) if name not in value)
    for name, one in value.items():
        if name in properties:
            yield from misfits(one, properties[name], whole, f"{at}.{name}")
        elif more is False:
            yield f"{at}.{name}"
        elif isinstance(more, dict):
            yield from misfits(one, more, whole, f"{at}.{name}")
