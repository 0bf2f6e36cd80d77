"""Frozen records as plain JSON values, and back."""

from __future__ import annotations

from functools import cache
from typing import Any, TypeVar

T = TypeVar("T")


def to_jsonable(record: Any) -> Any:
    """A record as plain JSON values: enums by their value, times as ISO 8601 strings."""
    return _converter().unstructure(record)


def to_jsonable_compact(record: Any) -> Any:
    """Likewise, without what is as it is by default; :func:`from_jsonable` puts that back."""
    return _sparse_converter().unstructure(record)


def from_jsonable(data: Any, kind: type[T]) -> T:
    """The record that :func:`to_jsonable` described. Raises what cattrs raises if it can't be."""
    record: T = _converter().structure(data, kind)
    return record


@cache
def _converter() -> Any:
    # Imported here: a program that never asks for JSON should not wait for it.
    from cattrs.preconf.json import make_converter

    return make_converter()


@cache
def _sparse_converter() -> Any:
    from cattrs.preconf.json import make_converter

    return make_converter(omit_if_default=True)
