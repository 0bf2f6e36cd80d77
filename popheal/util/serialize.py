"""Frozen records as plain JSON values, and back."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from enum import Enum
from functools import cache
from types import MappingProxyType
from typing import Any, Final, TypeVar

from attrs import fields, has

from popheal.errors import ConfigurationError, PophealError

T = TypeVar("T")

#: What a value should be, in words.
_PLAIN: Final[Mapping[type, str]] = MappingProxyType(
    {
        bool: "flag",
        datetime: "time",
        dict: "JSON object",
        float: "number",
        int: "whole number",
        list: "list",
        str: "text",
        tuple: "list",
    }
)

#: The metadata of a field that records written by earlier versions don't have: it is left out
#: where it says nothing, so that what they wrote is written again just so.
ADDED: Final = MappingProxyType({"popheal_added": True})

#: The metadata of a field that holds plain JSON values already: they are taken as they are.
PLAIN: Final = MappingProxyType({"popheal_plain": True})


def to_jsonable(record: Any) -> Any:
    """A record as plain JSON values: enums by their value, times as ISO 8601 strings.

    A span of time is its seconds.
    """
    return _converter().unstructure(record)


def to_jsonable_compact(record: Any) -> Any:
    """Likewise, without what is as it is by default; :func:`from_jsonable` puts that back."""
    return _sparse_converter().unstructure(record)


def from_jsonable(data: Any, kind: type[T]) -> T:
    """The record that :func:`to_jsonable` described.

    Raises:
        ConfigurationError: It described none of that kind. Says the first thing that is wrong.
    """
    from cattrs import BaseValidationError, transform_error

    problem = "it is no JSON object"
    if isinstance(data, Mapping):
        with suppress(Exception):  # it does not say what is wrong, but takes half the time
            quick: T = _quick_converter().structure(data, kind)
            return quick
        try:
            record: T = _converter().structure(data, kind)
        except BaseValidationError as error:
            said, _, where = transform_error(error, "", _said)[0].rpartition(" @ .")
            problem = f"{where}{said}"
        else:
            return record
    raise ConfigurationError(
        source=f"{kind.__name__} given as JSON",
        problem=problem,
        next_step="If another version of popheal wrote it, use that version.",
    )


def value_of(data: Any, kind: Any) -> Any:
    """The value of any type that :func:`to_jsonable` described: ``Sequence[str]`` is one, too.

    Raises:
        cattrs.BaseValidationError: It described none of that type.
    """
    return _converter().structure(data, kind)


def _said(error: BaseException, kind: type | None) -> str:
    from cattrs.v import format_exception

    if isinstance(error, PophealError):
        return f": {error.sentence()}"
    if isinstance(error, KeyError) and error.args:
        return " is missing"
    if isinstance(kind, type) and issubclass(kind, Enum):
        return f" is none of {', '.join(str(one.value) for one in kind)}"
    if isinstance(kind, type) and kind in _PLAIN:
        return f" is no {_PLAIN[kind]}"
    return f": {format_exception(error, kind)}"


@cache
def _converter() -> Any:
    # Imported here: a program that never asks for JSON should not wait for it.
    from cattrs.gen import make_dict_unstructure_fn, override
    from cattrs.preconf.json import make_converter

    converter = make_converter()
    converter.register_unstructure_hook(timedelta, timedelta.total_seconds)
    converter.register_structure_hook(timedelta, _seconds)

    def with_its_own(kind: type) -> Any:
        special: dict[str, Any] = {
            one.name: override(
                omit_if_default=True if one.metadata.get("popheal_added") else None,
                unstruct_hook=_as_it_is if one.metadata.get("popheal_plain") else None,
            )
            for one in _special(kind)
        }
        return make_dict_unstructure_fn(kind, converter, **special)

    converter.register_unstructure_hook_factory(lambda kind: bool(_special(kind)), with_its_own)
    return converter


def _special(kind: Any) -> list[Any]:
    if not (isinstance(kind, type) and has(kind)):
        return []
    return [one for one in fields(kind) if {*ADDED, *PLAIN} & {*one.metadata}]


def _as_it_is(value: Any) -> Any:
    return value


def _seconds(told: float, _: type) -> timedelta:
    return timedelta(seconds=told)


@cache
def _quick_converter() -> Any:
    from cattrs.preconf.json import make_converter

    converter = make_converter(detailed_validation=False)
    converter.register_structure_hook(timedelta, _seconds)
    return converter


@cache
def _sparse_converter() -> Any:
    from cattrs.preconf.json import make_converter

    return make_converter(omit_if_default=True)
