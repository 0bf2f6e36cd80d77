"""Objects as PowerShell serialises them (CLIXML), written by hand.

psrpcore can serialise too, but not in every form that real servers use, and with small mistakes
in time spans and fractions of seconds; a rehearsal should meet the real forms.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from xml.sax.saxutils import escape as xml_escape
from xml.sax.saxutils import quoteattr

from attrs import field, frozen

from popheal.backends.psrp.clixml import escape


@frozen(kw_only=True)
class PsObject:
    """Any object: type names, printed form, adapted and extended properties."""

    types: Sequence[str] = ()
    text: str | None = None
    props: Mapping[str, object] = field(factory=dict)
    notes: Mapping[str, object] = field(factory=dict)


@frozen
class PsEnum:
    """A value of an enum: an object that prints as its name and wraps a number."""

    type: str
    name: str
    number: int = 0


@frozen
class PsList:
    """A list with a type name of its own."""

    type: str
    items: Sequence[object]


@frozen
class Int64:
    """A number sent as 64 bits, whatever its size."""

    number: int


@frozen
class LocalTime:
    """A moment told in the server's own time zone: minutes east of UTC."""

    moment: datetime
    minutes: int


def to_xml(value: object) -> str:
    """The serialised form of one value; reference numbers start anew."""
    return _Writer().write(value)


def time_text(moment: datetime, minutes: int | None = None) -> str:
    """A DateTime as .NET writes it: no zeros at the end of the fraction, Z or an offset."""
    zone = UTC if minutes is None else timezone(timedelta(minutes=minutes))
    local = moment.astimezone(zone)
    fraction = f".{local.microsecond:06d}".rstrip("0").rstrip(".")
    if minutes is None:
        return local.strftime("%Y-%m-%dT%H:%M:%S") + fraction + "Z"
    hours, rest = divmod(abs(minutes), 60)
    sign = "-" if minutes < 0 else "+"
    return local.strftime("%Y-%m-%dT%H:%M:%S") + fraction + f"{sign}{hours:02d}:{rest:02d}"


class _Writer:
    def __init__(self) -> None:
        self._objects = 0
        self._types: dict[str, int] = {}

    def write(self, value: object, name: str | None = None) -> str:
        label = "" if name is None else f" N={quoteattr(name)}"
        simple = _simple(value)
        if simple is not None:
            tag, text = simple
            return f"<{tag}{label}>{text}</{tag}>" if text else f"<{tag}{label} />"
        inside = self._inside(value)
        return f"<Obj{label} {inside}</Obj>"

    def _inside(self, value: object) -> str:
        start = f'RefId="{self._objects}">'
        self._objects += 1
        match value:
            case PsObject():
                return start + self._object(value)
            case PsEnum(kind, name, number):
                types = self._names((kind, "System.Enum", "System.ValueType", "System.Object"))
                return f"{start}{types}<ToString>{_text(name)}</ToString><I32>{number}</I32>"
            case PsList(kind, items):
                return start + self._names((kind, "System.Object")) + self._list(items)
            case dict():
                types = self._names(("System.Collections.Hashtable", "System.Object"))
                return start + types + self._dictionary(value)
            case list() | tuple():
                types = self._names(("System.Object[]", "System.Array", "System.Object"))
                return start + types + self._list(value)
        raise TypeError(f"{type(value).__name__} has no serialised form here")

    def _object(self, value: PsObject) -> str:
        parts = [self._names(tuple(value.types))] if value.types else []
        if value.text is not None:
            parts.append(f"<ToString>{_text(value.text)}</ToString>")
        for tag, properties in (("Props", value.props), ("MS", value.notes)):
            if properties:
                inner = "".join(self.write(item, name) for name, item in properties.items())
                parts.append(f"<{tag}>{inner}</{tag}>")
        return "".join(parts)

    def _dictionary(self, pairs: Mapping[str, object]) -> str:
        entries = (
            f"<En>{self.write(key, 'Key')}{self.write(value, 'Value')}</En>"
            for key, value in pairs.items()
        )
        return f"<DCT>{''.join(entries)}</DCT>"

    def _list(self, items: Sequence[object]) -> str:
        return f"<LST>{''.join(self.write(item) for item in items)}</LST>"

    def _names(self, types: Sequence[str]) -> str:
        # Named in full once, then referred to: as the real serialiser does.
        number = self._types.get(types[0])
        if number is not None:
            return f'<TNRef RefId="{number}" />'
        number = self._types[types[0]] = len(self._types)
        inner = "".join(f"<T>{_text(name)}</T>" for name in types)
        return f'<TN RefId="{number}">{inner}</TN>'


def _simple(value: object) -> tuple[str, str] | None:
    match value:
        case None:
            return "Nil", ""
        case bool():
            return "B", "true" if value else "false"
        case int():
            return ("I32" if -(2**31) <= value < 2**31 else "I64"), str(value)
        case float():
            return "Db", repr(value)
        case Int64(number):
            return "I64", str(number)
        case str():
            return "S", _text(value)
        case datetime():
            return "DT", time_text(value)
        case LocalTime(moment, minutes):
            return "DT", time_text(moment, minutes)
    return None


def _text(text: str) -> str:
    return xml_escape(escape(text))
