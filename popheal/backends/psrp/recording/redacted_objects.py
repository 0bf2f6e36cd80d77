"""Serialised objects (CLIXML) and parameters with every name in them replaced."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final
from xml.etree import ElementTree as ET

from popheal.backends.psrp.clixml import escape, unescape
from popheal.backends.psrp.recording import positions
from popheal.backends.psrp.recording.redaction import Redaction

_NUMBER: Final = re.compile(r"[+-]?\d+(?:\.\d+)?(?:[Ee][+-]?\d+)?|NaN|-?INF", re.ASCII)
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)?", re.ASCII)
#: What the elements of values other than texts must look like to stay as they are.
_VALUES: Final[Mapping[str, re.Pattern[str]]] = {
    "B": re.compile("(?i)true|false"),
    "DT": _TIME,
    "TS": re.compile(r"-?P[\d.DTHMS]+", re.ASCII),
    "Version": re.compile(r"\d+(?:\.\d+){1,3}", re.ASCII),
    **dict.fromkeys(("By", "SB", "C"), _NUMBER),
    **dict.fromkeys(("I16", "I32", "I64", "U16", "U32", "U64"), _NUMBER),
    **dict.fromkeys(("Sg", "Db", "D"), _NUMBER),
}
#: Elements whose content could be anything, secrets among it: it is left out.
_OPAQUE: Final = frozenset({"BA", "SS"})
#: Elements that only hold others.
_STRUCTURE: Final = frozenset(
    {"Obj", "TN", "T", "TNRef", "ToString", "Props", "MS", "Nil", "Ref"}
    | {"LST", "IE", "STK", "QUE", "DCT", "En"}
)
_TAGS: Final = _STRUCTURE | _OPAQUE | frozenset(_VALUES) | {"G", "S", "SBK", "URI", "XD"}
_ENUM: Final = "System.Enum"
_MOST_DIGITS: Final = 12


def redacted_parameters(
    redaction: Redaction, command: str, parameters: Mapping[str, object]
) -> dict[str, object]:
    """What was given to a command, as JSON has it."""
    return {
        redaction.term(name): _given(redaction, value, positions.of_parameter(command, name))
        for name, value in parameters.items()
    }


def _given(redaction: Redaction, value: object, kind: str | None) -> object:
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, (list, tuple)):
        return [_given(redaction, item, kind) for item in value]
    text = str(value)
    return redaction.name(text, kind) if kind else redaction.prose(text)


def redacted_clixml(redaction: Redaction, xml: str) -> str:
    """One serialised object. Raises ``ElementTree.ParseError`` if it isn't XML."""
    root = ET.fromstring(xml)  # noqa: S314 - expat bounds the expansion of entities
    _Message(redaction).element(root, None)
    return ET.tostring(root, encoding="unicode")


class _Message:
    """Replaces in one message: reference numbers are those of the message."""

    def __init__(self, redaction: Redaction) -> None:
        self._redaction = redaction
        self._types: dict[str, list[str]] = {}

    def element(self, element: ET.Element, kind: str | None) -> None:
        """Replace what is in an element.

        Args:
            element: Changed in place.
            kind: Of what it has the name, or None.
        """
        tag = element.tag.rpartition("}")[2]
        element.tag = tag = tag if tag in _TAGS else "S"
        element.tail = None
        self._attributes(element)
        if tag == "Obj":
            self._object(element, kind)
        elif tag in _OPAQUE or tag in _STRUCTURE - {"T", "ToString"}:
            element.text = None
            for child in element:
                self.element(child, kind)
        else:
            element.text = self._text(tag, unescape(element.text or ""), kind)
            del element[:]

    def _attributes(self, element: ET.Element) -> None:
        for name, value in list(element.attrib.items()):
            if name == "N":
                element.set(name, escape(self._redaction.term(unescape(value))))
            elif name != "RefId" or not value.isdecimal() or len(value) > _MOST_DIGITS:
                del element.attrib[name]

    def _text(self, tag: str, text: str, kind: str | None) -> str:
        if tag in _VALUES and _VALUES[tag].fullmatch(text.strip()):
            return text
        if kind:
            return escape(self._redaction.name(text, kind))
        return escape(self._redaction.prose(text))

    # --- objects ---------------------------------------------------------------------------------

    def _object(self, element: ET.Element, kind: str | None) -> None:
        element.text = None
        types = self._types_of(element)
        own = kind or positions.of_type(types)
        for child in element:
            tag = child.tag.rpartition("}")[2]
            if tag in ("TN", "TNRef"):
                self._type_names(child)
            elif tag == "ToString":
                self._to_string(child, types, own)
            elif tag in ("Props", "MS"):
                self._properties(child, types, kind)
            else:
                self.element(child, kind)

    def _types_of(self, element: ET.Element) -> list[str]:
        for child in element:
            tag, number = child.tag.rpartition("}")[2], child.get("RefId", "")
            if tag == "TN":
                self._types[number] = [
                    (one.text or "").removeprefix("Deserialized.") for one in child
                ]
            if tag in ("TN", "TNRef"):
                return self._types.get(number, [])
        return []

    def _type_names(self, element: ET.Element) -> None:
        element.tag, element.text, element.tail = element.tag.rpartition("}")[2], None, None
        self._attributes(element)
        for one in element:
            self._term(one, "T")

    def _to_string(self, element: ET.Element, types: list[str], kind: str | None) -> None:
        if _ENUM in types:
            self._term(element, "ToString")
        else:
            self.element(element, kind)

    def _term(self, element: ET.Element, tag: str) -> None:
        element.tag, element.tail = tag, None
        element.text = escape(self._redaction.term(unescape(element.text or "")))
        element.attrib.clear()
        del element[:]

    def _properties(self, element: ET.Element, types: list[str], kind: str | None) -> None:
        element.tag, element.text, element.tail = element.tag.rpartition("}")[2], None, None
        for child in element:
            name = unescape(child.get("N", ""))
            self.element(child, positions.of_property(types, name) or kind)
