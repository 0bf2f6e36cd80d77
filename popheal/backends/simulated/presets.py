"""Organisations to start a scenario from, as the tables a scenario file would hold."""

from __future__ import annotations

from collections.abc import Mapping

Content = Mapping[str, object]

_ANY = ["mailbox", "client_access"]


def _dag(members: int, version: str) -> Content:
    """A DAG whose members all have a copy of every database; each prefers another member."""
    names = [f"MBX{number}" for number in range(1, members + 1)]
    databases: dict[str, object] = {}
    for number in range(1, members * 2 + 1):
        first = (number - 1) % members
        databases[f"DB{number:02d}"] = {"copies": names[first:] + names[:first]}
    return {
        "version": version,
        "servers": {name: {"roles": _ANY} for name in names},
        "dags": {"DAG1": {"members": names}},
        "databases": databases,
    }


#: 2013 with separate Client Access servers in front of a DAG of two Mailbox servers.
_SPLIT: Content = {
    "version": "2013",
    "servers": {
        **{name: {"roles": ["client_access"]} for name in ("CAS1", "CAS2")},
        **{name: {"roles": ["mailbox"]} for name in ("MBX1", "MBX2")},
    },
    "dags": {"DAG1": {"members": ["MBX1", "MBX2"]}},
    "databases": {"DB01": {"copies": ["MBX1", "MBX2"]}, "DB02": {"copies": ["MBX2", "MBX1"]}},
}
_STAND_ALONE: Content = {
    "version": "2019",
    "servers": {"MBX1": {"roles": _ANY}},
    "databases": {"DB01": {"copies": ["MBX1"]}},
}

PRESETS: dict[str, Content] = {
    "dag2": _dag(2, "2019"),
    "dag3": _dag(3, "2019"),
    "dag4": _dag(4, "2016"),
    "dag5": _dag(5, "2019"),
    "multirole2013": _dag(2, "2013"),
    "split2013": _SPLIT,
    "standalone": _STAND_ALONE,
}
