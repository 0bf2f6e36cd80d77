"""A sign of life: what a watch does and when it last did something, as a file for a monitor."""

from __future__ import annotations

import errno
import json
import os
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from attrs import define, field

from popheal.errors import ConfigurationError
from popheal.reports import events, measures
from popheal.reports.events import Event

#: Grows if a key changes its meaning.
FORMAT: Final = 1


@define
class HealthFile:
    """An observer of a watch that says in a file how it is; written whole, or not at all.

    The file is JSON: ``at`` is when the watch last gave a sign of life, so who finds it older
    than a wait can be knows that the watch is stuck, or gone. Anybody may read it: it holds names
    of servers and of healings, and nothing that anybody has written.

    Attributes:
        path: The file. Its folder must be there.

    Raises:
        ConfigurationError: If the file can't be written there.
    """

    path: Path = field(converter=Path)
    _every: float = field(default=0.0, init=False)
    _servers: dict[str, measures.ServerLooked | None] = field(factory=dict, init=False)
    _healings: dict[str, str] = field(factory=dict, init=False)
    _ended: bool = field(default=False, init=False)
    _lock: threading.Lock = field(factory=threading.Lock, init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        try:
            if self.path.is_dir():  # as where nothing was given: no file can take its place
                raise IsADirectoryError(errno.EISDIR, "it is a folder")
            with self._new.open("w", encoding="utf-8"):
                pass
            self._new.unlink()
        except OSError as error:
            raise ConfigurationError(
                source=str(self.path),
                problem=f"can't be written ({error.strerror})",
                next_step="Give a path in a folder that can be written.",
            ) from error

    def __call__(self, event: Event) -> None:
        with self._lock:  # healings may be carried out in several threads
            self._note(event)
            self._write(event.at)

    def _note(self, event: Event) -> None:
        if isinstance(event, events.WatchStarted):
            self._every, self._servers = event.every, dict.fromkeys(event.servers)
        elif isinstance(event, measures.ServerLooked):
            self._servers[event.server] = event
        elif isinstance(event, events.HealingStarted | events.HealingResumed):
            self._healings[event.id] = event.server
        elif isinstance(event, events.HealingEnded | events.HealingForgotten):
            self._healings.pop(event.healing_id, None)
        elif isinstance(event, events.WatchEnded):
            self._ended = True

    @property
    def _new(self) -> Path:
        return self.path.with_name(f".{self.path.name}.{os.getpid()}")

    def _write(self, at: datetime) -> None:
        text = json.dumps(self._document(at), indent=2, ensure_ascii=False)
        with self._new.open("w", encoding="utf-8") as file:
            file.write(text + "\n")
        self._new.chmod(0o644)  # whatever the umask is: a monitor is another user
        self._new.replace(self.path)

    def _document(self, at: datetime) -> dict[str, Any]:
        looks = {name: one for name, one in self._servers.items() if one}
        last = max((one.at for one in looks.values()), default=None)
        due = last + timedelta(seconds=self._every) if last and not self._ended else None
        return {
            "format": FORMAT,
            "at": at.isoformat(),
            "pid": os.getpid(),
            "ended": self._ended,
            "servers": {name: _told(self._servers[name]) for name in self._servers},
            "sick": list(_that_are(looks, "unhealthy")),
            "silent": list(_that_are(looks, "silent")),
            "healings": dict(self._healings),
            "next_look": due.isoformat() if due else None,
        }


def _that_are(looks: dict[str, measures.ServerLooked], health: str) -> Iterator[str]:
    return (name for name, one in looks.items() if one.health == health)


def _told(look: measures.ServerLooked | None) -> dict[str, Any] | None:
    """A look; None for a server that was not looked at yet."""
    if look is None:
        return None
    return {"health": look.health, "at": look.at.isoformat(), "seconds": round(look.seconds, 3)}
