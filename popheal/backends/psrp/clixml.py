"""PowerShell's serialised objects (CLIXML) as plain Python values.

A reader of our own, because the client library keeps lists inside an object as raw text and then
stumbles over later references to what was first named in there. The same kind of value arrives in
several encodings (an enum as an object or a string, nothing as Nil, an empty list, an empty string
or no property at all), so the functions below accept each of them and return None for "nothing".
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta, timezone
from xml.etree import ElementTree as ET

_CONTAINERS = frozenset({"LST", "IE", "STK", "QUE"})
_INTEGERS = frozenset({"By", "SB", "U16", "I16", "U32", "I32", "U64", "I64"})
_FLOATS = frozenset({"Sg", "Db"})
_ESCAPE = re.compile("_x([0-9A-Fa-f]{4})_")
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]|_(?=[xX][0-9A-Fa-f]{4}_)")
_ISO = re.compile(
    r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,](\d{1,9}))?\s*(Z|[+-]\d\d:?\d\d)", re.ASCII
)
_DMTF = re.compile(r"(\d{14})\.(\d{6})([+-]\d{3})", re.ASCII)


class Record:
    """One PowerShell object.

    Attributes:
        types: Its type names, most specific first, without ``Deserialized.``.
        text: What its ToString gives, or None.
        value: What it wraps: a number, a string, a list, a dict, or None.
    """

    __slots__ = ("_properties", "text", "types", "value")

    def __init__(self, types: tuple[str, ...] = (), text: str | None = None) -> None:
        self.types = types
        self.text = text
        self.value: object = None
        self._properties: dict[str, object] = {}

    def __repr__(self) -> str:
        # Objects may refer to each other in circles: say what it is, not what is in it.
        kind = self.types[0].rpartition(".")[2] if self.types else "object"
        return f"<{kind} {self.text!r} {sorted(self._properties)}>"

    def __contains__(self, name: str) -> bool:
        return name.casefold() in self._properties

    def __iter__(self) -> Iterator[str]:
        return iter(self._properties)

    def get(self, *names: str) -> object:
        """The first property of that name (case doesn't matter) that isn't Nil, else None."""
        for name in names:
            value = self._properties.get(name.casefold())
            if value is not None:
                return value
        return None

    def put(self, name: str, value: object) -> None:
        """Add a property; the first of a name wins (adapted properties come first)."""
        self._properties.setdefault(name.casefold(), value)


def read(xml: str | ET.Element) -> object:
    """Read one serialised value. Raises ``ElementTree.ParseError`` if it isn't XML."""
    # Entities can't blow up here: expat bounds their expansion.
    element = ET.fromstring(xml) if isinstance(xml, str) else xml  # noqa: S314
    return _Reader().value(element)


class _Reader:
    """Reads one message: reference numbers are those of the message."""

    def __init__(self) -> None:
        self._types: dict[str, tuple[str, ...]] = {}
        self._seen: dict[str, object] = {}

    def value(self, element: ET.Element) -> object:
        tag, text = element.tag.rpartition("}")[2], element.text or ""
        if tag == "Obj":
            return self._object(element)
        if tag == "Ref":
            return self._seen.get(element.get("RefId", ""))
        if tag in _CONTAINERS:
            return [self.value(item) for item in element]
        if tag == "DCT":
            return self._dictionary(element)
        return _primitive(tag, text)

    def _object(self, element: ET.Element) -> object:
        record = Record()
        self._seen[element.get("RefId", "")] = record
        for child in element:
            tag = child.tag.rpartition("}")[2]
            if tag == "TN":
                record.types = tuple(
                    (name.text or "").removeprefix("Deserialized.") for name in child
                )
                self._types[child.get("RefId", "")] = record.types
            elif tag == "TNRef":
                record.types = self._types.get(child.get("RefId", ""), ())
            elif tag == "ToString":
                record.text = unescape(child.text or "")
            elif tag in ("Props", "MS"):
                for item in child:
                    record.put(unescape(item.get("N", "")), self.value(item))
            else:
                record.value = self.value(child)
        return record

    def _dictionary(self, element: ET.Element) -> Mapping[str, object]:
        pairs: dict[str, object] = {}
        for entry in element:
            parts = {part.get("N"): self.value(part) for part in entry}
            pairs[str(text_of(parts.get("Key")) or "")] = parts.get("Value")
        return pairs


def _primitive(tag: str, text: str) -> object:
    if tag == "Nil":
        return None
    if tag == "B":
        return text.strip().lower() == "true"
    if tag in _INTEGERS:
        return int(text)
    if tag in _FLOATS:
        return float(text)
    if tag == "C":
        return chr(int(text))
    return unescape(text)


def unescape(text: str) -> str:
    """Undo ``_x000A_``; pairs of UTF-16 surrogates become the one character they stand for."""
    if "_x" not in text:
        return text
    return (
        _ESCAPE.sub(lambda found: chr(int(found[1], 16)), text)
        .encode("utf-16", "surrogatepass")
        .decode("utf-16", "replace")
    )


def escape(text: str) -> str:
    """What :func:`unescape` undoes: what XML can't hold, or would not keep, as ``_x000A_``."""
    # What isn't in the basic plane goes as a pair of surrogates, each escaped, as .NET does.
    data = text.encode("utf-16-be", "surrogatepass")
    units = "".join(map(chr, struct.unpack(f">{len(data) // 2}H", data)))
    return _UNSAFE.sub(lambda found: f"_x{ord(found[0]):04X}_", units)


def text_of(value: object) -> str | None:
    """A string, the name of an enum, or what the object prints as; None for nothing."""
    if isinstance(value, Record):
        if value.text:
            return value.text
        return text_of(value.get("Name") if value.value is None else value.value)
    if value is None or isinstance(value, (list, dict)):
        return None
    if isinstance(value, bool):
        return "True" if value else "False"
    return str(value).strip() or None


def flag_of(value: object) -> bool | None:
    """A boolean, also as ``"True"`` or wrapped; None for anything else."""
    if isinstance(value, bool):
        return value
    return {"true": True, "false": False}.get((text_of(value) or "").casefold())


def count_of(value: object) -> int | None:
    """A whole number of any width, also as text; None for anything else."""
    if isinstance(value, Record) and value.value is not None:
        value = value.value
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    text = text_of(value) or ""
    return int(text) if re.fullmatch(r"[+-]?\d{1,18}", text, re.ASCII) else None


def items_of(value: object) -> list[object]:
    """The items of a list; a single value counts as a list of one, nothing as an empty one."""
    if isinstance(value, Record) and (isinstance(value.value, list) or _is_bare(value)):
        value = value.value
    if value is None or value == "":
        return []
    return list(value) if isinstance(value, list) else [value]


def pairs_of(value: object) -> list[object]:
    """The items of a list of pairs; of a dictionary, its pairs as tuples."""
    inner = value.value if isinstance(value, Record) else value
    return list(inner.items()) if isinstance(inner, dict) else items_of(value)


def _is_bare(record: Record) -> bool:
    """Whether a record is nothing but what it wraps."""
    return not record.text and not any(True for _ in record)


def moment_of(value: object) -> datetime | None:
    """A moment as an aware datetime in UTC, from ISO text with a zone or a DMTF string.

    A DateTimeOffset prints in the culture of its server, but has its moment as a property too.
    A time without zone is in the culture and zone of a server we know neither of: it gives None,
    as a moment that is hours off would be worse than none.
    """
    if isinstance(value, Record) and (utc := value.get("UtcDateTime")) is not None:
        value = utc
    text = text_of(value) or ""
    try:
        if found := _ISO.fullmatch(text):
            day, clock, fraction, zone = found.groups()
            offset = "+00:00" if zone == "Z" else zone
            micro = (fraction or "")[:6].ljust(6, "0")
            return datetime.fromisoformat(f"{day}T{clock}.{micro}{offset}").astimezone(UTC)
        if found := _DMTF.fullmatch(text):
            stamp, micro, minutes = found.groups()
            zone_of_it = timezone(timedelta(minutes=int(minutes)))
            local = datetime.strptime(stamp, "%Y%m%d%H%M%S").replace(tzinfo=zone_of_it)
            return local.replace(microsecond=int(micro)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return None
