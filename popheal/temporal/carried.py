"""What is carried from the workflow to a site and back: calls, their answers, their errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final, NoReturn, get_type_hints

from temporalio.exceptions import (
    ActivityError,
    ApplicationError,
    ApplicationErrorCategory,
    TimeoutType,
)
from temporalio.exceptions import (
    TimeoutError as ActivityTimeout,
)

from popheal import errors
from popheal.engine.not_commanded import EffectInterrupted
from popheal.engine.requests import REGISTERED, Effect
from popheal.errors import (
    BackendError,
    ConfigurationError,
    NotBegun,
    OutcomeUnknown,
    PophealError,
    UnknownName,
    Unreachable,
)
from popheal.exchange.answers import types_of
from popheal.util.serialize import to_jsonable, value_of

#: That an effect has begun already, and by another execution of it.
LATCH_TAKEN: Final = "LatchTaken"
#: What a worker says that has no such activity: an older one.
_NO_SUCH_ACTIVITY: Final = "NotFoundError"

#: The errors that are carried as what they are, by name.
CARRIED: Final[Mapping[str, type[PophealError]]] = {
    one.__name__: one
    for one in (
        errors.CommandFailed,
        errors.NotAuthorised,
        NotBegun,
        OutcomeUnknown,
        Unreachable,
        errors.Unreadable,
        UnknownName,
    )
}


class BackendDefect(Exception):
    """A backend raised what its contract does not allow: what that was, in words."""


@cache
def _types(name: str) -> Mapping[str, Any]:
    """Of a look or an effect, the types of its parameters in order, and of its answer."""
    if name not in REGISTERED:
        return types_of(name)
    hints = get_type_hints(REGISTERED[name])
    context = next(iter(hints))  # whoever performs it passes its own
    return {one: kind for one, kind in hints.items() if one != context}


def read_args(name: str, args: Sequence[Any]) -> tuple[Any, ...]:
    """The arguments that were carried as JSON values."""
    kinds = [kind for one, kind in _types(name).items() if one != "return"]
    return tuple(value_of(one, kind) for one, kind in zip(args, kinds, strict=True))


def read_value(name: str, value: Any) -> Any:
    """The answer that was carried as JSON values."""
    return value_of(value, _types(name)["return"])


def guard_of(effect: Effect) -> tuple[Any, ...]:
    """The look that guards an effect, with its arguments as JSON values; empty for none."""
    guard = effect.guard
    return (guard.name, *(to_jsonable(one) for one in guard.args)) if guard else ()


# --- errors --------------------------------------------------------------------------------------


def fail(error: BaseException) -> NoReturn:
    """End an activity by an error as it can be carried; the server is not to try it again."""
    if isinstance(error, PophealError) and type(error).__name__ in CARRIED:
        fields = to_jsonable(dict(vars(error)))
        kind = type(error).__name__
        # An answer like others: no worker needs to log it.
        raise ApplicationError(
            str(error),
            fields,
            type=kind,
            non_retryable=True,
            category=ApplicationErrorCategory.BENIGN,
        ) from None
    said = f"{type(error).__name__}: {error}"
    raise ApplicationError(said, type=BackendDefect.__name__, non_retryable=True) from None


def _read_error(error: ApplicationError) -> BaseException:
    kind = CARRIED.get(error.type or "")
    if kind is None or not error.details:
        return BackendDefect(error.message)
    fields = dict(error.details[0])
    fields.pop("next_step", None) if issubclass(kind, UnknownName) else None
    return kind(**fields)


def _not_understood(error: ApplicationError) -> str:
    """Why a worker could not read what it was to do, for want of a key; empty if that is not it.

    Our own activities end by errors without a cause: this is of what their arguments come through.
    """
    cause = error.cause
    unread = isinstance(cause, ApplicationError) and cause.type == ConfigurationError.__name__
    return f"the worker of the site could not read the command ({cause})" if unread else ""


def of_look(error: ActivityError, server: str, name: str) -> BaseException:
    """What came of a look that failed, as the logic can be told."""
    cause = error.cause
    if isinstance(cause, ApplicationError):
        if said := _not_understood(cause):
            return Unreachable(server=server, command=name, cause=said)
        return _read_error(cause)
    if isinstance(cause, ActivityTimeout):
        said = "no worker of the site answered in time"
        step = "See that popheal worker runs at the site, and reaches the servers."
        return Unreachable(server=server, command=name, cause=said, next_step=step)
    return BackendDefect(f"{type(cause).__name__}: {cause}")


def of_effect(error: ActivityError, server: str, name: str) -> BaseException:
    """What came of an effect that failed: what the far side said, not begun, or nobody knows."""
    cause = error.cause
    if isinstance(cause, ActivityTimeout) and cause.type == TimeoutType.SCHEDULE_TO_START:
        said = "no worker of the site took it up in time, so it was not begun"
        return Unreachable(server=server, command=name, cause=said)
    if isinstance(cause, ApplicationError):
        if cause.type == _NO_SUCH_ACTIVITY:
            said = "the worker of the site does not know how to do that"
            return NotBegun(server=server, command=name, cause=said)
        if said := _not_understood(cause):
            return NotBegun(server=server, command=name, cause=said)
        read = _read_error(cause)
        if isinstance(read, BackendError):
            return read
        if cause.type == BackendDefect.__name__:
            return OutcomeUnknown(server=server, command=name, cause=f"the backend raised {read}")
    return EffectInterrupted()


def begun_elsewhere(error: ActivityError) -> bool:
    """Whether another execution of the same effect has begun, as after a reset."""
    return isinstance(error.cause, ApplicationError) and error.cause.type == LATCH_TAKEN


def interrupted_again(effect: Effect) -> PophealError:
    """What the logic is told where an effect was interrupted that had been begun anew."""
    said = "whoever was to command it was interrupted twice"
    return OutcomeUnknown(server=effect.server, command=effect.name, cause=said)
