"""Tables as the text of a TOML file, for people: comments, blank lines, short tables on a line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from popheal.util.text import without_controls

#: By the path of a table: what is said above it, a line each.
Comments = Mapping[tuple[str, ...], Sequence[str]]

_BARE: Final = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
_ESCAPES: Final = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def to_toml(tables: Mapping[str, Any], comments: Comments | None = None) -> str:
    """The text of a TOML file. The same tables give the same text.

    Args:
        tables: Texts, numbers, flags, aware times, lists and tables of them. A table in a table
            in a table is written on one line.
        comments: What is said above a table; what is said of the whole file has an empty path.
    """
    comments = comments or {}
    lines = [*_commented(comments.get((), ()))]
    plain = {key: value for key, value in tables.items() if not _is_table(value)}
    lines += [_pair(key, value) for key, value in plain.items()]
    for key, value in tables.items():
        if key not in plain:
            lines += _tables(key, value, comments)
    return "\n".join(lines).strip() + "\n"


def _is_table(value: Any) -> bool:
    if isinstance(value, Mapping):
        return True
    is_list = isinstance(value, Sequence) and not isinstance(value, str)
    return bool(value) and is_list and all(isinstance(one, Mapping) for one in value)


def _tables(key: str, value: Any, comments: Comments) -> Iterator[str]:
    if isinstance(value, Mapping) and value and all(map(_is_mapping, value.values())):
        for name, table in value.items():
            said = comments.get((key, name), ())
            yield from _table(f"[{_key(key)}.{_key(name)}]", table, said)
        return
    listed = not isinstance(value, Mapping)
    said = comments.get((key,), ())
    for table in value if listed else [value]:
        yield from _table(f"[[{_key(key)}]]" if listed else f"[{_key(key)}]", table, said)
        said = ()


def _is_mapping(value: Any) -> bool:
    return isinstance(value, Mapping)


def _table(head: str, table: Mapping[str, Any], said: Sequence[str]) -> Iterator[str]:
    yield ""
    yield from _commented(said)
    yield head
    for key, value in table.items():
        if isinstance(value, Mapping) and value and all(map(_is_mapping, value.values())):
            # Tables that are about somebody, like services.NAME: a line each.
            yield from (f"{_key(key)}.{_pair(name, inner)}" for name, inner in value.items())
        else:
            yield _pair(key, value)


def _commented(said: Sequence[str]) -> Iterator[str]:
    for line in said:
        yield f"# {without_controls(line)}".rstrip()


def _pair(key: str, value: Any) -> str:
    return f"{_key(key)} = {_value(value)}"


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _text(name)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, Mapping):
        inner = ", ".join(_pair(name, one) for name, one in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_value, value))}]"
    return repr(value)


def _text(text: str) -> str:
    return '"' + "".join(map(_char, text)) + '"'


def _char(char: str) -> str:
    if char in _ESCAPES:
        return _ESCAPES[char]
    if char.isprintable() or char == " ":
        return char
    code = ord(char)
    return f"\\u{code:04X}" if code <= 0xFFFF else f"\\U{code:08X}"  # noqa: PLR2004
