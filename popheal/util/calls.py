"""Records that are made by name: what a program calls wrongly is said in our own words."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Final, TypeVar

from attrs import NOTHING, Attribute, fields

from popheal.errors import WrongArguments
from popheal.util.text import did_you_mean

T = TypeVar("T")

_MOST_NAMES: Final = 8


def made_by_name(record: type[T]) -> type[T]:
    """Have a keyword-only attrs class say what is wrong with the arguments that it is given.

    It raises :class:`~popheal.errors.WrongArguments`, which is a ConfigurationError as the errors
    of its values are, and a TypeError as Python's own would be.
    """
    make: Callable[..., None] = record.__init__

    @wraps(make)
    def checked(self: Any, *args: Any, **values: Any) -> None:
        known = {one.name: one for one in fields(record) if one.init}  # type: ignore[arg-type]
        if args:
            said = f"takes its values by name, and was given {len(args)} without one"
            raise WrongArguments(record=record.__name__, problem=said, next_step=_shown(known))
        for name in values:
            if name not in known:
                right = f"{did_you_mean(name, known)}{_shown(known)}"
                raise WrongArguments(
                    record=record.__name__, problem=f"has no '{name}'", next_step=right
                )
        for name, one in known.items():
            if name not in values and one.default is NOTHING:
                raise WrongArguments(
                    record=record.__name__, problem=f"needs '{name}'", next_step=_shown(known)
                )
        make(self, **values)

    record.__init__ = checked  # type: ignore[method-assign]
    return record


def _shown(known: dict[str, Attribute[Any]]) -> str:
    names = list(known)
    more = ", ..." if len(names) > _MOST_NAMES else ""
    return f"It takes {', '.join(names[:_MOST_NAMES])}{more}."
