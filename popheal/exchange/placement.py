"""Whether each of several databases finds a place, as a server takes only so many active ones.

Pure: names and numbers only. The product moves databases one after another, in an order and by a
preference that nobody outside knows. So it isn't enough that some assignment fits all: a database
must find a place whatever the others have taken before it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping


def without_a_place(
    targets: Mapping[str, Collection[str]], free: Mapping[str, int | None]
) -> list[str]:
    """The databases that may find no place, in the order given.

    Args:
        targets: By database, the servers that could take it.
        free: By server, how many more active databases it takes; None, or not there, for any
            number.
    """
    return [name for name in targets if _may_be_stuck(name, targets, free)]


def _may_be_stuck(
    database: str, targets: Mapping[str, Collection[str]], free: Mapping[str, int | None]
) -> bool:
    """Whether the others could take every place at the servers that this one could go to."""
    places: dict[str, int] = {}
    for server in targets[database]:
        room = free.get(server)
        if room is None:
            return False
        places[server] = max(0, room)
    others = {name: wanted for name, wanted in targets.items() if name != database}
    return _most_placed(others, places) == sum(places.values())


def _most_placed(targets: Mapping[str, Collection[str]], places: Mapping[str, int]) -> int:
    """How many databases fit at most into these places, assigned together.

    Augmenting paths: where a server is full, one of those on it may have another place.
    """
    on: dict[str, list[str]] = {server: [] for server in places}

    def place(database: str, tried: set[str]) -> bool:
        for server in targets[database]:
            if server not in places or server in tried:
                continue
            tried.add(server)
            if len(on[server]) < places[server]:
                on[server].append(database)
                return True
            for other in on[server]:
                if place(other, tried):
                    on[server].remove(other)
                    on[server].append(database)
                    return True
        return False

    return sum(place(database, set()) for database in targets)
