"""Looks of one moment are shared: what was seen a moment ago is not asked for a second time.

Several gates look at the same thing, one after the other, and a remote look takes its time. A
moment is over as soon as anything may have changed by us or by waiting: with a pause, a probe, a
question to a person, an effect, and already when an effect is written down. So what is looked at
right before a command, as the copies before a restart are, is looked at anew. Other entries of the
journal only note what was seen: a step that follows another in the same moment shares its looks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from attrs import define, field

from popheal.engine.requests import AtWork, Claim, Consult, Count, Keep, Look, Request, Sync, Write
from popheal.exchange.backend import Backend
from popheal.journal.entries import EffectIntended

#: However much is asked in between, what was seen longer ago is asked for again, in seconds.
_LASTS: Final = 20.0

#: What takes so long, or does so much, that the world may be another one after it.
_TAKES_TIME: Final = (Backend.invoke_probe.__name__,)
#: Requests that leave the world, and the time, as they are.
_IN_PASSING: Final = (AtWork, Claim, Consult, Count, Keep, Sync, Write)


@define
class Moment:
    """What has been seen since anything could have changed."""

    monotonic: Callable[[], float]
    _seen: dict[Any, tuple[float, Any]] = field(factory=dict, init=False)

    def end(self) -> None:
        """Have everything looked at anew, for what must not rest on an earlier step's look."""
        self._seen.clear()

    def recall(self, request: Request[Any]) -> tuple[Any] | None:
        """The answer to a look that was made in this moment; None if it must be made."""
        key = _key(request)
        if key is None:
            if not _is_in_passing(request):
                self.end()
            return None
        at, answer = self._seen.get(key, (0.0, None))
        if key not in self._seen or self.monotonic() - at > _LASTS:
            return None
        return (answer,)

    def note(self, request: Request[Any], answer: Any) -> None:
        """Keep what a look has seen."""
        key = _key(request)
        if key is not None:
            self._seen[key] = (self.monotonic(), answer)


def _is_in_passing(request: Request[Any]) -> bool:
    if isinstance(request, Write) and isinstance(request.entry, EffectIntended):
        return False
    return isinstance(request, _IN_PASSING)


def _key(request: Request[Any]) -> Any:
    """What tells a look from others; None for what is none, or can't be told."""
    if not isinstance(request, Look) or request.name in _TAKES_TIME:
        return None
    key = (
        request.name,
        tuple(tuple(one) if isinstance(one, list) else one for one in request.args),
    )
    try:
        hash(key)
    except TypeError:
        return None
    return key
