"""Whether a backend's answer is what it must be: asked once, where the answer comes in.

What is decided later may then rely on the types of :mod:`popheal.exchange.models`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cache
from types import UnionType
from typing import Any, Final, Union, get_args, get_origin, get_type_hints

from attrs import fields, has, resolve_types

from popheal.errors import Unreadable
from popheal.exchange import models
from popheal.exchange.backend import Backend, LogonLasts, OpensAhead, RightsKnown

#: Finds the first thing wrong with a value, and says where; None if it is right.
Check = Callable[[Any], str | None]

#: Looks whose empty answer says that nothing could be seen, and not that nothing is there: every
#: server has components, and the one that was asked about is a server itself.
_NEVER_EMPTY: Final = {Backend.component_states.__name__, Backend.all_servers.__name__}


def check_answer(server: str, method: str, answer: Any) -> None:
    """Make sure that a look of the backend returned what the protocol promises.

    Raises:
        Unreadable: If it did not; it names the field.
    """
    wrong = _check_of_method(method)(answer)
    if not wrong and method in _NEVER_EMPTY and not answer:
        wrong = "nothing came, and there is always something"
    if wrong:
        raise Unreadable(
            server=server,
            command=method,
            cause=f"an answer of the backend can't be used: {wrong}",
        )


@cache
def types_of(method: str) -> Mapping[str, Any]:
    """The types of a method of the protocol: of each parameter by its name, in order; ``return``.

    Raises:
        LookupError: If there is no such method.
    """
    protocols = (Backend, LogonLasts, OpensAhead, RightsKnown)
    promised = [getattr(one, method) for one in protocols if hasattr(one, method)]
    return get_type_hints(promised[0], localns=vars(models))


@cache
def _check_of_method(method: str) -> Check:
    return _check_of(types_of(method)["return"])


@cache
def _check_of(hint: Any) -> Check:
    """The check of a type: a class, an optional one, or a sequence of one."""
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return _any_of([_check_of(one) for one in args])
    if origin in (tuple, Sequence):
        return _each_of(_check_of(args[0]))
    if has(hint):
        return _fields_of(hint)
    if hint is datetime:
        return _aware
    if hint is float:
        return _instance_of((float, int), "float")
    return _instance_of(hint, hint.__name__)


def _instance_of(kind: Any, name: str) -> Check:
    def check(value: Any) -> str | None:
        if isinstance(value, kind) and (kind is bool or not isinstance(value, bool)):
            return None
        return f"a {type(value).__name__} where a {name} must be"

    return check


def _aware(value: Any) -> str | None:
    if isinstance(value, datetime) and value.tzinfo is not None:
        return None
    naive = " without a time zone" if isinstance(value, datetime) else ""
    return f"a {type(value).__name__}{naive} where an aware datetime must be"


def _any_of(checks: Sequence[Check]) -> Check:
    # The words of the first are the best: None stands last in an annotation.
    return lambda value: None if any(check(value) is None for check in checks) else checks[0](value)


def _each_of(check: Check) -> Check:
    def check_each(value: Any) -> str | None:
        if not isinstance(value, (list, tuple)):
            return f"a {type(value).__name__} where a sequence must be"
        return next((wrong for one in value if (wrong := check(one))), None)

    return check_each


def _fields_of(kind: Any) -> Check:
    checks = [(one.name, _check_of(one.type)) for one in fields(resolve_types(kind))]

    def check(value: Any) -> str | None:
        if not isinstance(value, kind):
            return f"a {type(value).__name__} where a {kind.__name__} must be"
        for name, check_field in checks:
            wrong = check_field(getattr(value, name))
            if wrong:
                return f"{kind.__name__}.{name} is {wrong}"
        return None

    return check
